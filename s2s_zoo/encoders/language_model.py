"""LSTMs that read text from left to right.

Zaremba et al., 2014, https://arxiv.org/abs/1409.2329, drop between layers, anew at each
token. AWD-LSTM (Merity et al., 2017, https://arxiv.org/abs/1708.02182) draws what is
dropped once for a window, and drops weights of the recurrent products too.
"""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.carry import MAX_STREAMS, Carry, packed_state, unpacked_state
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.normalized_recurrence import NormalizedRecurrence
from s2s_zoo.layers.recurrent import Recurrence, State
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor

SCALED_LAYERS = 2


@keras.saving.register_keras_serializable("s2s_zoo")
class LanguageModelEncoder(Encoder):
    """A stack of LSTMs whose state may go on from one window of a text to the next.

    (B, T, D) becomes (B, T, units[-1]): what was read up to each token and with it. A
    classifier that reads it has the same weights by the same names.

    Args:
        units: width of each layer; the last is that of the tokens' table where that
            scores the tokens too.
        streams: rows of a training batch whose state goes on; 0 for windows that each
            start anew.
        input_dropout: share of the inputs of the lowest layer that is dropped.
        hidden_dropout: of the inputs of the others.
        output_dropout: of the output.
        weight_dropout: of the weights of the recurrent products, drawn once a batch
            (DropConnect; Merity et al., 2017, section 2).
        locked: drop the same entries at each token of a row (Gal and Ghahramani, 2016)
            instead of others at each.
        activation_l2: α of the penalty on the output, after its dropout: α times the
            mean of its squares (AR; Merity et al., 2017, section 4.4).
        temporal_l2: β of that on how much the output changes from token to token (TAR).
        initial_range: kernels start uniform in ± this; None for H^-½ of each layer.
        normalized: normalize gates and cell states; see `NormalizedRecurrence`.
        candidate_dropout: of what normalized cells would add to their state, at each
            token as `locked` says.

    Raises:
        ValueError: `candidate_dropout` without `normalized`.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import LanguageModelEncoder
        >>> encoder = LanguageModelEncoder(units=(6, 4), weight_dropout=0.5)
        >>> memory = encoder(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence), [ops.shape(part) for part in memory.state[0]]
        ((2, 5, 4), [(2, 6), (2, 6)])
    """

    def __init__(
        self,
        units: tuple[int, ...],
        streams: int = 0,
        input_dropout: float = 0.0,
        hidden_dropout: float = 0.0,
        output_dropout: float = 0.0,
        weight_dropout: float = 0.0,
        locked: bool = True,
        activation_l2: float = 0.0,
        temporal_l2: float = 0.0,
        initial_range: float | None = None,
        normalized: bool = False,
        candidate_dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", len(units), 1, MAX_LAYERS)
        check_range("streams", streams, 0, MAX_STREAMS)
        if candidate_dropout and not normalized:
            raise ValueError(
                "candidate_dropout is of normalized=True. Received: "
                f"candidate_dropout={candidate_dropout}"
            )
        self.units = tuple(units)
        self.streams = streams
        self.input_dropout = input_dropout
        self.hidden_dropout = hidden_dropout
        self.output_dropout = output_dropout
        self.weight_dropout = weight_dropout
        self.locked = locked
        self.activation_l2 = activation_l2
        self.temporal_l2 = temporal_l2
        self.initial_range = initial_range
        self.normalized = normalized
        self.candidate_dropout = candidate_dropout
        self._make_layers()

    def _make_layers(self) -> None:
        policy, layers = self.dtype_policy, range(len(self.units))
        kind = (
            NormalizedRecurrence
            if self.normalized
            else partial(Recurrence, cell="lstm")
        )
        self.recurrences: list[Recurrence | NormalizedRecurrence] = [
            kind(
                units,
                initial_range=self.initial_range or units**-0.5,
                dtype=policy,
                name=f"rnn_{i}",
            )
            for i, units in enumerate(self.units)
        ]
        shares = [self.input_dropout, *[self.hidden_dropout] * (len(self.units) - 1)]
        self.drops = [
            self._drop(share, f"dropout_{i}") for i, share in enumerate(shares)
        ]
        self.output_drop = self._drop(self.output_dropout, "output_dropout")
        self.weight_drops = [
            keras.layers.Dropout(
                self.weight_dropout, dtype=policy, name=f"weight_dropout_{i}"
            )
            for i in layers
        ]
        if self.normalized:
            self.candidate_drops = [
                self._drop(self.candidate_dropout, f"candidate_dropout_{i}")
                for i in layers
            ]
        if self.streams:
            self.carry = Carry(self.streams, self.state_width, name="carry")

    def _drop(self, share: float, name: str) -> keras.layers.Dropout:
        shape = (None, 1, None) if self.locked else None
        return keras.layers.Dropout(
            share, noise_shape=shape, dtype=self.dtype_policy, name=name
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape = input_shape
        for recurrence in self.recurrences:
            recurrence.build(shape)
            shape = recurrence.compute_output_shape(shape)
        if self.streams:
            self.carry.build()
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor,
        training: bool | None = None,
        fresh: Tensor | None = None,
        state: Tensor | None = None,
    ) -> EncoderOutput:
        """Read `inputs` (B, T, D).

        Args:
            inputs: (B, T, D).
            mask: (B, T) bool, True on real tokens.
            training: whether to drop.
            fresh: (B,) bool, rows whose text begins here; the others go on from the
                batch before while training. None for rows that all begin and that
                nothing goes on from.
            state: (B, S) float32 to go on from instead, as `packed_state` gives it.

        Returns:
            Sequence (B, T, H), and the hidden and the cell state of each layer after
            the last token, of shapes `state_shape`, float32.
        """
        goes_on = bool(self.streams) and fresh is not None
        if goes_on and state is None:
            state = self.carry(fresh, training=training)
        starts = (
            self._unpacked(state) if state is not None else [None] * len(self.units)
        )
        x, states = ops.cast(inputs, self.compute_dtype), []
        for layer, start in enumerate(starts):
            x, after = self._read(layer, x, mask, start, training)
            states.append(after)
        if goes_on:
            self.carry.write(packed_state(tuple(states)), training)
        dropped = apply_mask(self.output_drop(x, training=training), mask)
        if training:
            self._penalize(x, dropped, mask)
        return EncoderOutput(dropped, mask, tuple(states))

    def _read(
        self,
        layer: int,
        x: Tensor,
        mask: Tensor,
        start: State | None,
        training: bool | None,
    ) -> tuple[Tensor, State]:
        recurrence, kernel = self.recurrences[layer], None
        if training and self.weight_dropout:
            kernel = ops.copy(recurrence.recurrent_kernel)
            kernel = self.weight_drops[layer](kernel, training=True)
        x = self.drops[layer](x, training=training)
        if not isinstance(recurrence, NormalizedRecurrence):
            return recurrence.read(x, mask, start, kernel)
        kept = None
        if training and self.candidate_dropout:
            kept = ops.ones((*ops.shape(x)[:2], recurrence.units), "float32")
            kept = self.candidate_drops[layer](kept, training=True)
        return recurrence.read(x, mask, start, kernel, kept)

    def _penalize(self, x: Tensor, dropped: Tensor, mask: Tensor) -> None:
        if self.activation_l2:
            size = mean_square(dropped, mask)
            self.add_loss(self.activation_l2 * size)
        if self.temporal_l2:
            change = mean_square(x[:, 1:] - x[:, :-1], mask[:, 1:])
            self.add_loss(self.temporal_l2 * change)

    def step(
        self, inputs: Tensor, states: tuple[State, ...]
    ) -> tuple[Tensor, tuple[State, ...]]:
        """Read one more token `inputs` (R, D), nothing dropped.

        Args:
            inputs: (R, D).
            states: of each layer, of shapes `state_shape`, float32.

        Returns:
            (R, H) of the highest layer, and the states after the token.
        """
        x, after = inputs, []
        for recurrence, state in zip(self.recurrences, states, strict=True):
            x, state = recurrence.step(x, state)
            after.append(state)
        return x, tuple(after)

    @property
    def state_shape(self) -> tuple[tuple[Shape, ...], ...]:
        """Shapes of the final states: hidden and cell of each layer."""
        return tuple(((None, units),) * 2 for units in self.units)

    @property
    def state_width(self) -> int:
        """S, numbers of the states of a row."""
        return 2 * sum(self.units)

    def _unpacked(self, state: Tensor) -> list[State]:
        """The states of each layer of `state` (B, S)."""
        widths = [units for units in self.units for _ in range(2)]
        parts = unpacked_state(state, widths)
        return list(zip(parts[::2], parts[1::2], strict=True))

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"units": (8,) * min(len(part.keywords["units"]), SCALED_LAYERS)}

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.units[-1])


def mean_square(x: Tensor, mask: Tensor) -> Tensor:
    """Float32 mean of the squares of `x` (B, T, D) where `mask` (B, T) is True."""
    squares = ops.square(apply_mask(ops.cast(x, "float32"), mask))
    count = ops.sum(ops.cast(mask, "float32")) * x.shape[-1]
    return ops.sum(squares) / ops.maximum(count, 1.0)
