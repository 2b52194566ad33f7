"""Codes of positions, added to what stands there."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LearnedPositions(ZooLayer):
    """A row of a table for each position (Gehring et al., 2017, 3.1).

    The table is a float32 master that starts as N(0, 0.1²), as tables of tokens do.

    Args:
        max_length: positions with a row of their own; those beyond share the last.
        width: D.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import LearnedPositions
        >>> ops.shape(LearnedPositions(max_length=8, width=4)(ops.arange(5)))
        (5, 4)
    """

    computes_in_float32 = True

    def __init__(
        self, max_length: int, width: int, **kwargs: Unpack[LayerKwargs]
    ) -> None:
        super().__init__(**kwargs)
        check_range("max_length", max_length, 1, MAX_SIZE)
        self.max_length = max_length
        self.width = width

    def build(self, input_shape: Shape | None = None) -> None:
        self.table = self.add_weight(
            shape=(self.max_length, self.width),
            initializer=keras.initializers.RandomNormal(stddev=0.1),
            name="embeddings",
        )
        self.built = True

    def call(self, positions: Tensor) -> Tensor:
        """(..., D) float32 rows of `positions` (...) int32, counted from 0."""
        return ops.take(self.table, ops.minimum(positions, self.max_length - 1), axis=0)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        return (*input_shape, self.width)
