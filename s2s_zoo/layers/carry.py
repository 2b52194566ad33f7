"""State that a training hands on from one batch to the next."""

from collections.abc import Sequence
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MAX_STREAMS = 1 << 16


@keras.saving.register_keras_serializable("s2s_zoo")
class Carry(ZooLayer):
    """Rows of a state, one for each stream of text or sound, kept between steps.

    Training reads what the step before has written, so that a window of a long text
    goes on where the last one ended. Elsewhere every row starts anew, and nothing is
    written: validations disturb no training. The rows are variables of the training,
    which a checkpoint holds and a preset directory does not.

    Args:
        streams: rows of a training batch on all devices, each the next window of its
            stream.
        width: H of a row.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import Carry
        >>> carry = Carry(streams=2, width=3)
        >>> carry.build()
        >>> carry.write(ops.ones((2, 3)), training=True)
        >>> state = carry(ops.array([False, True]), training=True)
        >>> print(ops.convert_to_numpy(state))
        [[1. 1. 1.]
         [0. 0. 0.]]
    """

    computes_in_float32 = True

    def __init__(self, streams: int, width: int, **kwargs: Unpack[LayerKwargs]) -> None:
        super().__init__(**kwargs)
        check_range("streams", streams, 1, MAX_STREAMS)
        self.streams = streams
        self.width = width

    def build(self, *_: Shape) -> None:
        self.rows = self.add_weight(
            shape=(distribution.rows_of_a_step(self.streams), self.width),
            initializer="zeros",
            trainable=False,
            name="rows",
        )
        distribution.keep_rows_apart(self.rows)
        self.built = True

    def call(self, fresh: Tensor, training: bool | None = None) -> Tensor:
        """(B, H) float32 state to start from.

        Args:
            fresh: (B,) bool, rows whose stream begins with this batch.
            training: False starts every row anew.
        """
        if not training:
            return ops.zeros((ops.shape(fresh)[0], self.width), "float32")
        return ops.where(fresh[:, None], 0.0, ops.convert_to_tensor(self.rows))

    def write(self, state: Tensor, training: bool | None = None) -> None:
        """Hand `state` (B, H) on to the next step, without its gradient."""
        if training:
            self.rows.assign(ops.stop_gradient(ops.cast(state, "float32")))

    def save_own_variables(self, store: Any) -> None:
        """Nothing: where a training stands is no property of the model."""

    def load_own_variables(self, store: Any) -> None:
        """Nothing, likewise."""


def packed_state(states: Any) -> Tensor:
    """(B, S) float32 of the tensors (B, H) of a nest, side by side.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import packed_state, unpacked_state
        >>> state = packed_state(((ops.zeros((2, 3)), ops.ones((2, 4))),))
        >>> parts = unpacked_state(state, (3, 4))
        >>> ops.shape(state), [ops.shape(part) for part in parts]
        ((2, 7), [(2, 3), (2, 4)])
    """
    parts = [ops.cast(part, "float32") for part in keras.tree.flatten(states)]
    return ops.concatenate(parts, axis=-1)


def unpacked_state(state: Tensor, widths: Sequence[int]) -> list[Tensor]:
    """The parts (B, H) of `state` (B, S), whose `widths` add up to S.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import unpacked_state
        >>> [ops.shape(part) for part in unpacked_state(ops.ones((2, 7)), (3, 4))]
        [(2, 3), (2, 4)]
    """
    parts, place = [], 0
    for width in widths:
        parts.append(state[:, place : place + width])
        place += width
    return parts
