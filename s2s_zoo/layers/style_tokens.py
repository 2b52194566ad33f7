"""Global style tokens (Wang et al., 2018, https://arxiv.org/abs/1803.09017)."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.errors import check_range
from s2s_zoo.layers.attention import times
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class StyleTokens(ZooLayer):
    """A bank of styles that are learned, and how much of each there is.

    Each head weighs token t for query q by the softmax of v·tanh(W_q q + W_k tanh(t))
    and mixes its part of all W_v tanh(t); a matrix joins the heads (sections 3.1 and
    3.2; scores as of Bahdanau et al., 2015). In OpenSeq2Seq tokens were not trained,
    and a second tanh bounded each term of a score; here neither is so. Heads share v,
    as there. Softmaxes are float32 under every policy.

    The mean style is what the weights were on the average over the batches of the
    training, the same weight of each token before it.

    Args:
        tokens: N.
        width: W, of a token and of the embedding of a style.
        heads: H; each mixes W / H numbers.
        momentum: share of the mean that is kept at each step.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.style_tokens import StyleTokens
        >>> layer = StyleTokens(tokens=5, width=4, heads=2)
        >>> layer.build((None, 3))
        >>> weights = layer.weigh(ops.ones((1, 3)))
        >>> ops.shape(weights), ops.shape(layer(weights))
        ((1, 2, 5), (1, 4))
    """

    def __init__(
        self,
        tokens: int = 32,
        width: int = 512,
        heads: int = 8,
        momentum: float = 0.99,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        for name, size in (("tokens", tokens), ("width", width), ("heads", heads)):
            check_range(name, size, 1, MAX_SIZE)
        if width % heads:
            raise ValueError(
                f"width is a multiple of heads. Received: {width} and {heads}"
            )
        self.tokens = tokens
        self.width = width
        self.heads = heads
        self.momentum = momentum

    def build(self, query_shape: Shape) -> None:
        width, shares = self.width, (self.heads, self.tokens)
        self.bank = self.add_weight(
            shape=(self.tokens, width),
            initializer=keras.initializers.RandomUniform(-1.0, 1.0),
            name="bank",
        )
        self.query_kernel, self.key_kernel, self.value_kernel, self.output_kernel = (
            self.add_weight(shape=(size, width), name=f"{name}_kernel")
            for name, size in (
                ("query", query_shape[-1]),
                ("key", width),
                ("value", width),
                ("output", width),
            )
        )
        self.direction = self.add_weight(
            shape=(width // self.heads,), initializer="glorot_uniform", name="direction"
        )
        self.mean = self.add_weight(
            shape=shares,
            initializer=keras.initializers.Constant(1 / self.tokens),
            trainable=False,
            dtype="float32",
            autocast=False,
            name="mean",
        )
        self.built = True

    def call(self, weights: Tensor) -> Tensor:
        """(B, W) the embedding of the style of these `weights` (B, H, N)."""
        values = self._by_head(times(self._styles(), self.value_kernel))
        shares = ops.cast(weights, self.compute_dtype)[:, :, None]
        mixed = ops.matmul(shares, ops.transpose(values, (1, 0, 2))[None])
        return times(ops.reshape(mixed, (-1, self.width)), self.output_kernel)

    def weigh(self, queries: Tensor) -> Tensor:
        """(B, H, N) float32 weights of `queries` (B, D), of sum 1 over the tokens."""
        queries = ops.cast(queries, self.compute_dtype)
        q = self._by_head(times(queries, self.query_kernel))
        k = self._by_head(times(self._styles(), self.key_kernel))
        sums = ops.tanh(q[:, :, None] + ops.transpose(k, (1, 0, 2))[None])
        scores = times(sums, self.direction)
        return ops.softmax(ops.cast(scores, "float32"), axis=-1)

    def filled(self, weights: Tensor) -> Tensor:
        """`weights` (B, H, N) from 0, of sum 1; the mean's of a head without any."""
        weights = ops.cast(weights, "float32")
        total = ops.sum(weights, axis=-1, keepdims=True)
        mean = ops.convert_to_tensor(self.mean)
        return ops.where(total > 0, weights / ops.maximum(total, 1e-30), mean[None])

    def track(self, weights: Tensor, real: Tensor) -> None:
        """Let the mean follow `weights` (B, H, N) of the rows where `real` (B,)."""
        real = ops.cast(real, "float32")
        weights = ops.stop_gradient(weights) * real[:, None, None]
        total, count = distribution.summed(ops.sum(weights, axis=0), ops.sum(real))
        mean, found = ops.convert_to_tensor(self.mean), total / ops.maximum(count, 1.0)
        new = mean * self.momentum + found * (1 - self.momentum)
        follows = ops.logical_and(ops.greater(count, 0), ops.all(ops.isfinite(found)))
        self.mean.assign(ops.where(follows, new, mean))

    def _styles(self) -> Tensor:
        """(N, W) in the compute dtype."""
        return ops.tanh(ops.cast(ops.convert_to_tensor(self.bank), self.compute_dtype))

    def _by_head(self, x: Tensor) -> Tensor:
        """(…, W) to (…, H, W / H)."""
        return ops.reshape(x, (-1, self.heads, self.width // self.heads))

    def compute_output_shape(self, weights_shape: Shape) -> Shape:
        return (weights_shape[0], self.width)
