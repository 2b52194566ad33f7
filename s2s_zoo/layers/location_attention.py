"""Attention that knows where it has been (Chorowski et al., 2015)."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.content_attention import HIDDEN, AttentionMemory
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LocationSensitiveAttention(ZooLayer):
    """Additive attention over the source and over all that was attended to before.

    The score of query q and frame t is v·tanh(W_q q + W_k k_t + W_l f_t + b), where f
    are filters over the sum of all weights so far (Chorowski et al., 2015, equation 9,
    https://arxiv.org/abs/1506.07503; Shen et al., 2017, section 2.2,
    https://arxiv.org/abs/1712.05884). Softmaxes are float32 under every policy, and
    hide what is padded.

    Args:
        units: depth A.
        filters: F, features of the place.
        kernel: K, source frames under a filter.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> from s2s_zoo.layers import LocationSensitiveAttention
        >>> attention = LocationSensitiveAttention(units=4, filters=2, kernel=3)
        >>> attention.build((2, 6), (2, 5, 8))
        >>> source = EncoderOutput(ops.ones((2, 5, 8)), ops.ones((2, 5), "bool"))
        >>> memory, before = attention.prepare(source), ops.zeros((2, 5))
        >>> context, weights = attention(ops.ones((2, 6)), memory, before)
        >>> ops.shape(context), ops.shape(weights)
        ((2, 8), (2, 5))
    """

    def __init__(
        self,
        units: int = 128,
        filters: int = 32,
        kernel: int = 31,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        sizes = {"units": units, "filters": filters, "kernel": kernel}
        for name, size in sizes.items():
            check_range(name, size, 1, MAX_SIZE)
        self.units = units
        self.filters = filters
        self.kernel = kernel

    def build(self, query_shape: Shape, key_shape: Shape, *_: Shape) -> None:
        shapes = {
            "query_kernel": (query_shape[-1], self.units),
            "key_kernel": (key_shape[-1], self.units),
            "filter_kernel": (self.kernel, self.filters),
            "location_kernel": (self.filters, self.units),
        }
        for name, shape in shapes.items():
            setattr(self, name, self.add_weight(shape=shape, name=name))
        for name, size in (("filter_bias", self.filters), ("bias", self.units)):
            weight = self.add_weight(shape=(size,), initializer="zeros", name=name)
            setattr(self, name, weight)
        self.direction = self.add_weight(
            shape=(self.units,),
            initializer=keras.initializers.GlorotUniform(),
            name="direction",
        )
        self.built = True

    def call(
        self, queries: Tensor, memory: AttentionMemory, before: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Attend once.

        Args:
            queries: (B, H).
            memory: of the sources.
            before: (B, T) float32 sum of the weights so far.

        Returns:
            Contexts (B, C) in the compute dtype and weights (B, T) float32.
        """
        query_kernel, *weights = self.weights_of_scores()
        queries = ops.matmul(ops.cast(queries, self.compute_dtype), query_kernel)
        scores = location_scores(queries, before, memory.keys, *weights)
        weights = ops.softmax(ops.where(memory.mask, scores, HIDDEN), axis=-1)
        shares = ops.cast(weights, memory.values.dtype)[:, None]
        return ops.matmul(shares, memory.values)[:, 0], weights

    def prepare(self, memory: EncoderOutput) -> AttentionMemory:
        """Project the frames of `memory`, with all that is added to any score."""
        values = ops.cast(memory.sequence, self.compute_dtype)
        place = ops.matmul(self._cast(self.filter_bias)[None], self._location())
        keys = ops.matmul(values, self._cast(self.key_kernel)) + place
        keys = keys + self._cast(self.bias)
        return AttentionMemory(keys, apply_mask(values, memory.mask), memory.mask)

    def weights_of_scores(self) -> tuple[Tensor, ...]:
        """W_q (H, A), filters and W_l in one (K, A), and v (A,), to compute with."""
        location = ops.matmul(self._cast(self.filter_kernel), self._location())
        return self._cast(self.query_kernel), location, self._cast(self.direction)

    def _location(self) -> Tensor:
        return self._cast(self.location_kernel)

    def _cast(self, variable: Tensor) -> Tensor:
        return ops.cast(ops.copy(variable), self.compute_dtype)

    def compute_output_shape(
        self, query_shape: Shape, memory: AttentionMemory, before: Shape
    ) -> tuple[Shape, Shape]:
        return (query_shape[0], memory.values[-1]), before


def location_scores(
    queries: Tensor,
    before: Tensor,
    keys: Tensor,
    location: Tensor,
    direction: Tensor,
) -> Tensor:
    """(B, T) float32 scores of projected `queries` (B, A); see `location_features`."""
    features = location_features(queries, before, keys, location)
    return ops.cast(ops.matmul(features, direction[:, None])[..., 0], "float32")


def location_features(
    queries: Tensor, before: Tensor, keys: Tensor, location: Tensor
) -> Tensor:
    """(B, T, A) tanh of all that the score of a frame is made of.

    Args:
        queries: (B, A) projected.
        before: (B, T) sum of the weights so far.
        keys: (B, T, A) projected.
        location: (K, A) of the sums under a filter.
    """
    seen = windows(ops.cast(before, keys.dtype), location.shape[0])
    return ops.tanh(keys + queries[:, None] + ops.matmul(seen, location))


def windows(x: Tensor, size: int) -> Tensor:
    """(B, T, K) entries of `x` (B, T) around each, zero beyond both ends."""
    padded = ops.pad(x, ((0, 0), ((size - 1) // 2, size // 2)))
    places = ops.arange(ops.shape(x)[1], dtype="int32")[:, None]
    return ops.take(padded, places + ops.arange(size, dtype="int32"), axis=1)


def windows_back(gradient: Tensor) -> Tensor:
    """(B, T) gradient of x from that of `windows(x, K)`, (B, T, K).

    Rows of width T + K read as rows of width T + K - 1 are each one further right.
    """
    time, size = ops.shape(gradient)[1], gradient.shape[-1]
    wide = ops.pad(gradient, ((0, 0), (0, 0), (0, time)))
    flat = ops.reshape(wide, (-1, time * (time + size)))
    width = time + size - 1
    skewed = ops.reshape(flat[:, : time * width], (-1, time, width))
    before = (size - 1) // 2
    return ops.sum(skewed, axis=1)[:, before : before + time]
