"""LSTM layers with layer normalization over padded batches."""

from functools import partial
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.cells import recurrent_product
from s2s_zoo.layers.normalized_cell import (
    GATES,
    PARTS,
    normalized_recurrence,
    read,
)
from s2s_zoo.layers.recurrent import State
from s2s_zoo.layers.recurrent_loop import final_state
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

FORGET = 1
"""The forget gate among the gates."""


@keras.saving.register_keras_serializable("s2s_zoo")
class NormalizedRecurrence(ZooLayer):
    """One LSTM layer whose gates and cell state are normalized, masked.

    Ba et al., 2016, https://arxiv.org/abs/1607.06450; see `normalized_cell`. Scales
    start at 1, shifts at 0, but for a shift of 1 of the forget gate. States, scales and
    shifts are float32 under every policy; products run in the compute dtype.

    Args:
        units: width H.
        initial_range: kernels start uniform in ± this; None for Glorot's range, and
            an orthogonal kernel of the recurrent product.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import NormalizedRecurrence, sequence_mask
        >>> x, mask = ops.ones((2, 5, 4)), sequence_mask(ops.array([5, 3]), 5)
        >>> y = NormalizedRecurrence(4)(x, mask)
        >>> ops.shape(y), bool(ops.any(y[1, 3:]))
        ((2, 5, 4), False)
    """

    def __init__(
        self,
        units: int,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("units", units, 1, MAX_SIZE)
        self.units = units
        self.initial_range = initial_range

    def build(self, input_shape: Shape, *_: Shape) -> None:
        width = GATES * self.units
        uniform = self.initial_range and keras.initializers.RandomUniform(
            -self.initial_range, self.initial_range
        )
        self.kernel = self.add_weight(
            shape=(input_shape[-1], width),
            initializer=uniform or "glorot_uniform",
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(self.units, width),
            initializer=uniform or "orthogonal",
            name="recurrent_kernel",
        )
        scales = partial(self.add_weight, shape=(PARTS, self.units), autocast=False)
        self.gamma = scales(initializer="ones", name="gamma")
        self.beta = scales(initializer=_forget_gate_open, name="beta")
        self.built = True

    def call(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Read `inputs` (B, T, D) where `mask` (B, T), right-padded, is True.

        Returns:
            (B, T, H), zero on padded frames.
        """
        return self.read(inputs, mask)[0]

    def read(
        self,
        inputs: Tensor,
        mask: Tensor,
        initial: State | None = None,
        recurrent_kernel: Tensor | None = None,
        kept: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """As `call`, from the state `initial` to the state after the last real frame.

        No `__call__`, which would round the state to the compute dtype.

        Args:
            inputs: (B, T, D).
            mask: (B, T) bool, True on real frames, right-padded.
            initial: hidden and cell state, (B, H) float32; None for zeros.
            recurrent_kernel: (H, 4H) in the place of the layer's own, such as one with
                weights dropped.
            kept: (B, T, H) factors of the candidates, such as a dropout's (Semeniuta
                et al., 2016, https://arxiv.org/abs/1603.05118); None for 1.

        Returns:
            Outputs as of `call`, and the final state.
        """
        real = ops.transpose(ops.cast(mask, "float32"))[..., None]
        start = initial or (ops.zeros((ops.shape(mask)[0], self.units), "float32"),) * 2
        h, c = (ops.cast(part, "float32") for part in start)
        x = ops.matmul(ops.cast(inputs, self.compute_dtype), self._cast(self.kernel))
        kernel = self.recurrent_kernel if recurrent_kernel is None else recurrent_kernel
        factors = ops.ones_like(real)
        if kept is not None:
            factors = ops.transpose(ops.cast(kept, "float32"), (1, 0, 2))
        states = normalized_recurrence(
            ops.transpose(x, (1, 0, 2)),
            real,
            factors,
            self._cast(kernel),
            *self._scales(),
            *(h, c),
        )
        hidden, cell = states[..., : self.units], states[..., self.units :]
        finals = (final_state(hidden, real, h), final_state(cell, real, c))
        return ops.cast(ops.transpose(hidden, (1, 0, 2)), self.compute_dtype), finals

    def step(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one frame `inputs` (R, D).

        Returns:
            Output (R, H) and the state after the frame, float32.
        """
        x = ops.matmul(ops.cast(inputs, self.compute_dtype), self._cast(self.kernel))
        g = recurrent_product(state[0], self._cast(self.recurrent_kernel))
        found = read(ops.cast(x, "float32") + g, state[1], 1.0, *self._scales())
        return ops.cast(found.hidden, self.compute_dtype), (found.hidden, found.cell)

    def _cast(self, variable: Tensor) -> Tensor:
        return ops.cast(ops.copy(variable), self.compute_dtype)

    def _scales(self) -> tuple[Tensor, Tensor]:
        gamma, beta = (ops.copy(part) for part in (self.gamma, self.beta))
        return ops.cast(gamma, "float32"), ops.cast(beta, "float32")

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.units)


def _forget_gate_open(shape: tuple[int, ...], dtype: str | None = None) -> Tensor:
    part = ops.arange(shape[0])[:, None] == FORGET
    return ops.cast(ops.broadcast_to(part, shape), dtype or "float32")
