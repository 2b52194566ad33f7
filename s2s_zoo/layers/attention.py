"""Multi-head attention (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, 3.2).

Projections have no bias. Scores and softmax are float32 under every policy.
"""

from typing import NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MASKED = -1e9


class KeysValues(NamedTuple):
    """What is attended to, head by head: (B, N, T, W/N) each."""

    keys: Tensor
    values: Tensor


class MultiHeadAttention(ZooLayer):
    """What self-attention and attention to a memory share.

    Args:
        width: W, of the output and of all heads together.
        heads: N; each reads W / N numbers.
        dropout: share of attention weights dropped.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        if width % heads:
            raise ValueError(
                f"width is a multiple of heads. Received: {width} and {heads}"
            )
        self.width = width
        self.heads = heads
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="drop")

    def _projection(self, name: str, inputs: int, outputs: int = 1) -> keras.Variable:
        """`outputs` Glorot-uniform matrices side by side, which share a product."""

        def start(shape: Shape, dtype: str | None = None) -> Tensor:
            draws = [keras.initializers.GlorotUniform() for _ in range(outputs)]
            parts = [draw((inputs, self.width), dtype=dtype) for draw in draws]
            return ops.concatenate(parts, axis=1)

        return self.add_weight(
            shape=(inputs, outputs * self.width), initializer=start, name=name
        )

    def attend(
        self,
        queries: Tensor,
        memory: KeysValues,
        mask: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Mix the values by how their keys answer the queries.

        Args:
            queries: (B, U, W).
            memory: of (B, N, T, W/N).
            mask: (B or 1, 1 or U, T) bool, True where attention is allowed.
            training: whether to drop weights.

        Returns:
            (B, U, W), and the weights (B, N, U, T) float32.
        """
        size = self.width // self.heads
        keys, values = memory
        q = self._split(queries) * size**-0.5
        scores = ops.matmul(q, ops.transpose(keys, (0, 1, 3, 2)))
        scores = ops.where(mask[:, None], ops.cast(scores, "float32"), MASKED)
        weights = ops.softmax(scores, axis=-1)
        dropped = self.drop(ops.cast(weights, values.dtype), training=training)
        mixed = ops.transpose(ops.matmul(dropped, values), (0, 2, 1, 3))
        return ops.reshape(mixed, (-1, ops.shape(queries)[1], self.width)), weights

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, W) to (B, N, T, W/N)."""
        shape = (-1, ops.shape(x)[1], self.heads, self.width // self.heads)
        return ops.transpose(ops.reshape(x, shape), (0, 2, 1, 3))


@keras.saving.register_keras_serializable("s2s_zoo")
class SelfAttention(MultiHeadAttention):
    """Every position attends to all real ones, or to those up to itself.

    Args:
        causal: positions see no later ones.
    """

    def __init__(
        self,
        width: int,
        heads: int,
        dropout: float = 0.0,
        causal: bool = False,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(width, heads, dropout, **kwargs)
        self.causal = causal

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.projection = self._projection("projection", input_shape[-1], 3)
        self.output_kernel = self._projection("output", self.width)

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, T, W) from `inputs` (B, T, D), real where `mask` (B, T) is True."""
        q, k, v = ops.split(times(inputs, self.projection), 3, axis=-1)
        allowed = mask[:, None, :]
        if self.causal:
            position = ops.arange(ops.shape(inputs)[1])
            allowed = allowed & (position[None, :] <= position[:, None])[None]
        memory = KeysValues(self._split(k), self._split(v))
        mixed, _ = self.attend(q, memory, allowed, training)
        return times(mixed, self.output_kernel)

    def empty(self, rows: Tensor | int, length: Tensor | int) -> KeysValues:
        """Room for `length` positions of each of `rows`."""
        shape = (rows, self.heads, length, self.width // self.heads)
        zeros = ops.zeros(shape, self.compute_dtype)
        return KeysValues(zeros, zeros)

    def step(
        self, inputs: Tensor, cache: KeysValues, position: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """The output (R, W) at one `position` (scalar) of `inputs` (R, D)."""
        q, k, v = ops.split(times(inputs, self.projection)[:, None, :], 3, axis=-1)
        start = (0, 0, position, 0)
        cache = KeysValues(
            ops.slice_update(cache.keys, start, self._split(k)),
            ops.slice_update(cache.values, start, self._split(v)),
        )
        seen = ops.arange(ops.shape(cache.keys)[2], dtype="int32") <= position
        mixed, _ = self.attend(q, cache, seen[None, None])
        return times(mixed[:, 0], self.output_kernel), cache


@keras.saving.register_keras_serializable("s2s_zoo")
class CrossAttention(MultiHeadAttention):
    """Every position attends to the real frames of a memory."""

    def build(self, input_shape: Shape, memory_shape: Shape, *_: Shape) -> None:
        self.query = self._projection("query", input_shape[-1])
        self.keys = self._projection("keys", memory_shape[-1])
        self.values = self._projection("values", memory_shape[-1])
        self.output_kernel = self._projection("output", self.width)

    def call(
        self,
        inputs: Tensor,
        memory: KeysValues,
        mask: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Attend from `inputs` (B, U, D) to `memory`, as `project` gives it.

        Returns:
            (B, U, W), and the weights (B, N, U, T).
        """
        queries = times(inputs, self.query)
        mixed, weights = self.attend(queries, memory, mask[:, None, :], training)
        return times(mixed, self.output_kernel), weights

    def project(self, keys: Tensor, values: Tensor) -> KeysValues:
        """Keys and values (B, N, T, W/N) of a memory (B, T, D)."""
        return KeysValues(
            self._split(times(keys, self.keys)), self._split(times(values, self.values))
        )

    def step(self, inputs: Tensor, memory: KeysValues, mask: Tensor) -> Tensor:
        """(R, W) of one position of R = B·K rows, K for each of the B memories."""
        sources = ops.shape(mask)[0]
        grouped = ops.reshape(inputs, (sources, -1, inputs.shape[-1]))
        mixed, _ = self(grouped, memory, mask)
        return ops.reshape(mixed, (-1, self.width))


def times(x: Tensor, kernel: keras.Variable) -> Tensor:
    """`x` (..., D) times a kernel, in the dtype of `x`."""
    return ops.matmul(x, ops.cast(ops.convert_to_tensor(kernel), x.dtype))
