"""Stacked recurrent encoders (Sutskever et al., 2014; Wu et al., 2016)."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.recurrent import PARTS, Recurrence
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class RecurrentEncoder(Encoder):
    """Recurrent layers, the lowest of them in both directions.

    (B, T, D) becomes a sequence (B, T, H), or (B, T, 2H) where all are bidirectional.
    Each bidirectional layer reads both directions of the one below it. With one
    bidirectional layer and residuals from the third layer on it is the encoder of
    GNMT (Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 3).

    Args:
        units: width H of one direction.
        layers: recurrent layers.
        bidirectional_layers: how many of them, from the lowest, read in both
            directions.
        cell: "gru" or "lstm".
        residual_from: first layer, counted from 0, whose input is added to its
            output; None for no such layer.
        dropout: share of the inputs of each layer that is dropped; what residuals add
            is whole.
        initial_range: kernels start uniform in ± this; None for Glorot's range and
            orthogonal recurrent kernels.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import RecurrentEncoder
        >>> encoder = RecurrentEncoder(units=4, layers=1, bidirectional_layers=1)
        >>> memory = encoder(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence), [ops.shape(part) for part in memory.state[0]]
        ((2, 5, 8), [(2, 8), (2, 8)])
    """

    def __init__(
        self,
        units: int,
        layers: int,
        bidirectional_layers: int = 0,
        cell: str = "lstm",
        residual_from: int | None = None,
        dropout: float = 0.0,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        check_range("bidirectional_layers", bidirectional_layers, 0, layers)
        self.units = units
        self.layers = layers
        self.bidirectional_layers = bidirectional_layers
        self.cell = cell
        self.residual_from = residual_from
        self.dropout = dropout
        self.initial_range = initial_range
        self._make_layers()

    def _make_layers(self) -> None:
        policy = self.dtype_policy
        self.recurrences = [
            Recurrence(
                self.units,
                self.cell,
                i < self.bidirectional_layers,
                self.initial_range,
                dtype=policy,
                name=f"rnn_{i}",
            )
            for i in range(self.layers)
        ]
        self.drops = [
            keras.layers.Dropout(self.dropout, dtype=policy, name=f"dropout_{i}")
            for i in range(self.layers)
        ]

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape = input_shape
        for i, recurrence in enumerate(self.recurrences):
            recurrence.build(shape)
            above = recurrence.compute_output_shape(shape)
            if self._is_residual(i) and above[-1] != shape[-1]:
                raise ValueError(
                    f"Layer {i} adds its input of width {shape[-1]} to its output of "
                    f"width {above[-1]}: set residual_from to a later layer"
                )
            shape = above

    def _is_residual(self, layer: int) -> bool:
        return self.residual_from is not None and layer >= self.residual_from

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """Encode `inputs` (B, T, D).

        Returns:
            Sequence (B, T, H) or (B, T, 2H), and the state of each layer after the
            last frame, of shapes `state_shape`, float32.
        """
        x = apply_mask(ops.cast(inputs, self.compute_dtype), mask)
        states = []
        for i, recurrence in enumerate(self.recurrences):
            above, state = recurrence.read(self.drops[i](x, training=training), mask)
            x = above + x if self._is_residual(i) else above
            states.append(state)
        return EncoderOutput(x, mask, tuple(states))

    @property
    def state_shape(self) -> tuple[tuple[Shape, ...], ...]:
        """Shapes of the final states: hidden and, for the LSTM, cell of each layer."""
        widths = [
            self.units * (2 if i < self.bidirectional_layers else 1)
            for i in range(self.layers)
        ]
        return tuple(((None, width),) * PARTS[self.cell] for width in widths)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"units": 8, "layers": min(part.keywords["layers"], 3)}

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.state_shape[-1][0][-1])
