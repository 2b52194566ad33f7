"""Multi-head attention (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762, 3.2).

Projections have no bias. Scores and softmax are float32 under every policy.
"""

from typing import NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MASKED = -1e9


class KeysValues(NamedTuple):
    """What is attended to, head by head.

    Attributes:
        keys: (B, N, W/N, T), as the product with queries reads them.
        values: (B, N, T, W/N).
    """

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
        check_range("heads", heads, 1, MAX_SIZE)
        check_range("width", width, 1, MAX_SIZE)
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
            memory: of T positions.
            mask: (B or 1, 1 or U, T) bool, True where attention is allowed.
            training: whether to drop weights.

        Returns:
            (B, U, W), and the weights (B, N, U, T) float32.
        """
        size = self.width // self.heads
        keys, values = memory
        q = self._split(queries) * size**-0.5
        scores = ops.matmul(q, keys)
        scores = ops.where(mask[:, None], ops.cast(scores, "float32"), MASKED)
        weights = ops.softmax(scores, axis=-1)
        dropped = self.drop(ops.cast(weights, values.dtype), training=training)
        mixed = ops.transpose(ops.matmul(dropped, values), (0, 2, 1, 3))
        return ops.reshape(mixed, (-1, ops.shape(queries)[1], self.width)), weights

    def _split(self, x: Tensor) -> Tensor:
        """(B, T, W) to (B, N, T, W/N)."""
        return ops.transpose(self._by_head(x), (0, 2, 1, 3))

    def _pair(self, keys: Tensor, values: Tensor) -> KeysValues:
        """(B, N, W/N, T) and (B, N, T, W/N) of projections (B, T, W)."""
        turned = ops.transpose(self._by_head(keys), (0, 2, 3, 1))
        return KeysValues(turned, self._split(values))

    def _by_head(self, x: Tensor) -> Tensor:
        """(B, T, W) to (B, T, N, W/N)."""
        shape = (-1, ops.shape(x)[1], self.heads, self.width // self.heads)
        return ops.reshape(x, shape)


@keras.saving.register_keras_serializable("s2s_zoo")
class SelfAttention(MultiHeadAttention):
    """Every position attends to all real ones, or to those up to itself.

    Args:
        width: W, of the output and of all heads together.
        heads: N; each reads W / N numbers.
        dropout: share of attention weights dropped.
        causal: positions see no later ones.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import SelfAttention, sequence_mask
        >>> mask = sequence_mask(ops.array([5, 3]), 5)
        >>> y = SelfAttention(width=4, heads=2, causal=True)(ops.ones((2, 5, 4)), mask)
        >>> ops.shape(y)
        (2, 5, 4)
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
        mixed, _ = self.attend(q, self._pair(k, v), allowed, training)
        return times(mixed, self.output_kernel)

    def empty(self, families: Tensor | int, slots: Tensor | int) -> KeysValues:
        """Room for keys (F, N, W/N, P) and values (F, N, P, W/N) of P `slots`."""
        size, dtype = self.width // self.heads, self.compute_dtype
        return KeysValues(
            ops.zeros((families, self.heads, size, slots), dtype),
            ops.zeros((families, self.heads, slots, size), dtype),
        )

    def step(
        self, inputs: Tensor, history: KeysValues, slot: Tensor, seen: Tensor
    ) -> tuple[Tensor, KeysValues]:
        """One position of the K rows of each of F families, R = F·K.

        Args:
            inputs: (R, D).
            history: what the rows of a family have written, in P slots.
            slot: int32 scalar, the first of the K slots to write to.
            seen: (F, K, P) bool, the slots a row looks at.

        Returns:
            (R, W), and the history after.
        """
        grouped = ops.reshape(inputs, (-1, ops.shape(seen)[1], inputs.shape[-1]))
        q, k, v = ops.split(times(grouped, self.projection), 3, axis=-1)
        new = self._pair(k, v)
        history = KeysValues(
            ops.slice_update(history.keys, (0, 0, 0, slot), new.keys),
            ops.slice_update(history.values, (0, 0, slot, 0), new.values),
        )
        mixed, _ = self.attend(q, history, seen)
        return ops.reshape(times(mixed, self.output_kernel), (-1, self.width)), history


@keras.saving.register_keras_serializable("s2s_zoo")
class CrossAttention(MultiHeadAttention):
    """Every position attends to the real frames of a memory.

    Args:
        width: W, of the output and of all heads together.
        heads: N; each reads W / N numbers.
        dropout: share of attention weights dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import CrossAttention
        >>> attention = CrossAttention(width=4, heads=2)
        >>> attention.build((None, None, 4), (None, None, 4))
        >>> source, mask = ops.ones((1, 5, 4)), ops.ones((1, 5), "bool")
        >>> memory = attention.project(keys=source, values=source)
        >>> y, weights = attention(ops.ones((1, 3, 4)), memory, mask)
        >>> ops.shape(y), ops.shape(weights)
        ((1, 3, 4), (1, 2, 3, 5))
    """

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
        """What is attended to of `keys` and `values` (B, T, D) of a memory."""
        return self._pair(times(keys, self.keys), times(values, self.values))

    def step(self, inputs: Tensor, memory: KeysValues, mask: Tensor) -> Tensor:
        """(R, W) of one position of R = B·K rows, K for each of the B memories."""
        sources = ops.shape(mask)[0]
        grouped = ops.reshape(inputs, (sources, -1, inputs.shape[-1]))
        mixed, _ = self(grouped, memory, mask)
        return ops.reshape(mixed, (-1, self.width))


def times(x: Tensor, kernel: keras.Variable) -> Tensor:
    """`x` (..., D) times a kernel, in the dtype of `x`."""
    return ops.matmul(x, ops.cast(ops.convert_to_tensor(kernel), x.dtype))
