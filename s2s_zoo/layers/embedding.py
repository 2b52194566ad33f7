"""Tables of token embeddings."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TokenEmbedding(ZooLayer):
    """A row of a table for each token, which also scores tokens (Press and Wolf, 2017).

    The table is a float32 master; rows and logits come in the dtype asked for.

    Args:
        vocabulary_size: V.
        width: D.
        deviation: standard deviation of the normal start, None for D^-½.
        scaled: multiply rows by √D, as in Vaswani et al., 2017, section 3.4.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import TokenEmbedding
        >>> table = TokenEmbedding(vocabulary_size=9, width=4)
        >>> rows = table(ops.array([[3, 1]]))
        >>> ops.shape(rows), ops.shape(table.logits(rows))
        ((1, 2, 4), (1, 2, 9))
    """

    computes_in_float32 = True

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        deviation: float | None = None,
        scaled: bool = False,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("vocabulary_size", vocabulary_size, 1, MAX_SIZE)
        check_range("width", width, 1, MAX_SIZE)
        self.vocabulary_size = vocabulary_size
        self.width = width
        self.deviation = deviation
        self.scaled = scaled

    def build(self, input_shape: Shape | None = None) -> None:
        deviation = self.deviation or self.width**-0.5
        self.table = self.add_weight(
            shape=(self.vocabulary_size, self.width),
            initializer=keras.initializers.RandomNormal(stddev=deviation),
            name="embeddings",
        )
        self.built = True

    def call(self, tokens: Tensor) -> Tensor:
        """(..., D) float32 rows of `tokens` (...) int32."""
        rows = ops.take(self.table, tokens, axis=0)
        return rows * self.width**0.5 if self.scaled else rows

    def logits(self, x: Tensor) -> Tensor:
        """(..., V) float32 scores of all tokens after `x` (..., D), in its dtype."""
        table = ops.cast(ops.convert_to_tensor(self.table), x.dtype)
        return ops.cast(ops.matmul(x, ops.transpose(table)), "float32")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.width)
