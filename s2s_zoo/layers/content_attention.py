"""Attention by content with one depth: additive (Bahdanau) and dot (Luong)."""

from typing import NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor

SCORES = ("normalized", "additive", "dot")
HIDDEN = -1e9
"""Score of a padded frame."""


class AttentionMemory(NamedTuple):
    """A source as attention reads it, made once for all queries.

    Attributes:
        keys: (B, T, A) projected frames.
        values: (B, T, D) frames, zero where padded.
        mask: (B, T) bool, True on real frames.
    """

    keys: Tensor
    values: Tensor
    mask: Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ContentAttention(ZooLayer):
    """Weights by how well a query fits each frame, and the mean under these weights.

    The score of query q and key k is

    - additive: v·tanh(W_q q + W_k k) (Bahdanau et al., 2015, section A.1.2),
    - normalized: g·v/‖v‖·tanh(W_q q + W_k k + b) (Salimans and Kingma, 2016),
    - dot: g·q·W_k k (Luong et al., 2015, equation 8, with a learned scale).

    Softmaxes are float32 under every policy. Rows of a source without frames read 0.

    Args:
        score: "normalized", "additive" or "dot".
        units: depth A; None for the width of the queries, all that "dot" takes.
        initial_range: weights start uniform in ± this, None for Glorot's range.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> from s2s_zoo.layers import ContentAttention
        >>> attention = ContentAttention("normalized")
        >>> attention.build((1, 3, 4), (1, 5, 4))
        >>> source = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> weights = attention.align(ops.ones((1, 3, 4)), attention.prepare(source))
        >>> ops.shape(weights)
        (1, 3, 5)
    """

    def __init__(
        self,
        score: str = "normalized",
        units: int | None = None,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("score", score, SCORES)
        if units is not None:
            check_range("units", units, 1, MAX_SIZE)
        if score == "dot" and units is not None:
            raise ValueError(f"dot scores are as deep as the queries, not {units}")
        self.score = score
        self.units = units
        self.initial_range = initial_range

    @property
    def is_additive(self) -> bool:
        return self.score != "dot"

    def build(self, query_shape: Shape, key_shape: Shape) -> None:
        queries, depth = query_shape[-1], self.units or query_shape[-1]
        initializer = uniform_or_glorot(self.initial_range)
        self.key_kernel = self.add_weight(
            shape=(key_shape[-1], depth), initializer=initializer, name="key_kernel"
        )
        if self.is_additive:
            self.query_kernel = self.add_weight(
                shape=(queries, depth),
                initializer=uniform_or_glorot(self.initial_range),
                name="query_kernel",
            )
            self.direction = self.add_weight(
                shape=(depth,),
                initializer=uniform_or_glorot(self.initial_range),
                autocast=False,
                name="direction",
            )
        if self.score == "normalized":
            self.bias = self.add_weight(
                shape=(depth,), initializer="zeros", name="bias"
            )
        if self.score != "additive":
            size = depth**-0.5 if self.is_additive else 1.0
            self.gain = self.add_weight(
                shape=(),
                initializer=keras.initializers.Constant(size),
                autocast=False,
                name="gain",
            )
        self.built = True

    def call(self, queries: Tensor, memory: AttentionMemory) -> Tensor:
        """(B, Q, D) contexts of `queries` (B, Q, H)."""
        weights = ops.cast(self.align(queries, memory), memory.values.dtype)
        return ops.matmul(weights, memory.values)

    def prepare(self, memory: EncoderOutput) -> AttentionMemory:
        """Project the keys of `memory`: its `keys`, or its `sequence` without them."""
        keys = memory.sequence if memory.keys is None else memory.keys
        keys = ops.matmul(
            ops.cast(keys, self.compute_dtype), self._cast(self.key_kernel)
        )
        if self.score == "normalized":
            keys = keys + self._cast(self.bias)
        elif self.score == "dot":
            keys = keys * self._cast(self.gain)
        values = ops.cast(memory.sequence, self.compute_dtype)
        return AttentionMemory(keys, apply_mask(values, memory.mask), memory.mask)

    def align(self, queries: Tensor, memory: AttentionMemory) -> Tensor:
        """(B, Q, T) float32 weights of `queries` (B, Q, H), of sum 1."""
        queries = ops.cast(queries, self.compute_dtype)
        if self.is_additive:
            query_kernel, direction = self.weights_of_scores()
            queries = ops.matmul(queries, query_kernel)
            scores = additive_scores(queries, memory.keys, direction)
        else:
            scores = dot_scores(queries, memory.keys)
        scores = ops.where(memory.mask[:, None], scores, HIDDEN)
        return ops.softmax(scores, axis=-1)

    def weights_of_scores(self) -> tuple[Tensor, ...]:
        """W_q (H, A) and the scaled v (A,) of additive scores in the compute dtype."""
        if not self.is_additive:
            return ()
        direction = ops.copy(self.direction)
        if self.score == "normalized":
            norm = ops.sqrt(ops.sum(ops.square(direction)))
            direction = direction * (ops.copy(self.gain) / norm)
        return self._cast(self.query_kernel), ops.cast(direction, self.compute_dtype)

    def _cast(self, variable: Tensor) -> Tensor:
        return ops.cast(ops.copy(variable), self.compute_dtype)

    def compute_output_shape(
        self, query_shape: Shape, memory: AttentionMemory
    ) -> Shape:
        return (*query_shape[:-1], memory.values[-1])


def additive_scores(queries: Tensor, keys: Tensor, direction: Tensor) -> Tensor:
    """(B, Q, T) float32 v·tanh(q + k) of `queries` (B, Q, A) and `keys` (B, T, A)."""
    sums = ops.tanh(keys[:, None] + queries[:, :, None])
    return ops.cast(ops.matmul(sums, direction[:, None])[..., 0], "float32")


def dot_scores(queries: Tensor, keys: Tensor) -> Tensor:
    """(B, Q, T) float32 q·k of `queries` (B, Q, A) and `keys` (B, T, A)."""
    return ops.cast(ops.matmul(queries, ops.transpose(keys, (0, 2, 1))), "float32")


def uniform_or_glorot(limit: float | None) -> keras.initializers.Initializer:
    """Uniform in ±`limit`, or in Glorot's range for None."""
    if limit is None:
        return keras.initializers.GlorotUniform()
    return keras.initializers.RandomUniform(-limit, limit)
