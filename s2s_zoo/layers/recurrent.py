"""GRU and LSTM layers over padded batches, fast on every backend.

The input projection of all frames is one matrix product; the loop holds only the
recurrent product and the gates. The backward pass is written out, so that the
weight gradients are one product over all frames instead of one per frame. Both
directions of a bidirectional layer run in the same loop.
"""

from functools import partial
from typing import TypeAlias, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.cells import gru_cell, lstm_cell, recurrent_product
from s2s_zoo.layers.recurrent_loop import (
    final_state,
    gru_recurrence,
    lstm_recurrence,
    lstm_recurrence_and_cell,
    state_shape,
)
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

State: TypeAlias = tuple[Tensor, ...]
"""Hidden state and, for the LSTM, cell state: (B, H) float32 each."""

GATES = {"gru": 3, "lstm": 4}
PARTS = {"gru": 1, "lstm": 2}
"""Tensors of a state."""


@keras.saving.register_keras_serializable("s2s_zoo")
class Recurrence(ZooLayer):
    """One recurrent layer, masked, in one or both directions.

    The GRU is cuDNN's (reset gate after the product, two biases; Cho et al., 2014),
    the LSTM is Hochreiter & Schmidhuber's with a forget bias of 1 at the start.
    States are float32 under every policy; products run in the compute dtype.

    Args:
        units: width H of one direction.
        cell: "gru" or "lstm".
        bidirectional: also read from the last real frame to the first.
        initial_range: kernels start uniform in ± this; None for Glorot's range, and
            orthogonal kernels of the recurrent product.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import Recurrence, sequence_mask
        >>> x, mask = ops.ones((2, 5, 4)), sequence_mask(ops.array([5, 3]), 5)
        >>> y = Recurrence(4, "lstm", bidirectional=True)(x, mask)
        >>> ops.shape(y), bool(ops.any(y[1, 3:]))
        ((2, 5, 8), False)
    """

    def __init__(
        self,
        units: int,
        cell: str = "gru",
        bidirectional: bool = False,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("cell", cell, GATES)
        check_range("units", units, 1, MAX_SIZE)
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional
        self.initial_range = initial_range
        self._directions = 2 if bidirectional else 1

    def build(self, input_shape: Shape, *_: Shape) -> None:
        n, h, width = self._directions, self.units, GATES[self.cell] * self.units
        uniform = self.initial_range and partial(_uniform, self.initial_range)
        self.kernel = self.add_weight(
            shape=(n, input_shape[-1], width),
            initializer=uniform or _glorot,
            name="kernel",
        )
        self.recurrent_kernel = self.add_weight(
            shape=(n, h, width),
            initializer=uniform or _orthogonal,
            name="recurrent_kernel",
        )
        bias = _forget_gate_open if self.cell == "lstm" else "zeros"
        self.bias = self.add_weight(
            shape=(n, 1, 1, width), initializer=bias, name="bias"
        )
        if self.cell == "gru":
            self.recurrent_bias = self.add_weight(
                shape=(n, 1, width), initializer="zeros", name="recurrent_bias"
            )

    def call(self, inputs: Tensor, mask: Tensor) -> Tensor:
        """Read `inputs` (B, T, D) where `mask` (B, T), right-padded, is True.

        Returns:
            (B, T, H), or (B, T, 2H) for both directions; zero on padded frames.
        """
        real = self._real(mask)
        return self._outputs(self._run(inputs, real, self._zeros(real), False)[0])

    def read(
        self,
        inputs: Tensor,
        mask: Tensor,
        initial: State | None = None,
        recurrent_kernel: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """As `call`, from the state `initial` to the state after the last real frame.

        No `__call__`, which would round the state to the compute dtype.

        Args:
            inputs: (B, T, D).
            mask: (B, T) bool, True on real frames, right-padded.
            initial: (B, H) float32 each; None for zeros, the only start of a
                bidirectional layer.
            recurrent_kernel: (N, H, G·H) in the place of the layer's own, such as one
                with weights dropped.

        Returns:
            Outputs as of `call`, and the final state: (B, H) float32 each, or
            (B, 2H) for both directions, the backward one's after the first frame.
        """
        if initial and self.bidirectional:
            raise ValueError("A bidirectional layer starts from zeros, not `initial`")
        real = self._real(mask)
        start = self._zeros(real)
        if initial:
            start = tuple(ops.cast(part, "float32")[None] for part in initial)
        x = ops.cast(inputs, self.compute_dtype)
        h, cell_state = self._run(x, real, start, True, recurrent_kernel)
        finals = (final_state(h, real, start[0]), *cell_state)
        joined = tuple(_side_by_side(part) for part in finals)
        return self._outputs(h), joined

    def step(self, inputs: Tensor, state: State) -> tuple[Tensor, State]:
        """Read one frame `inputs` (R, D) of a layer in one direction.

        Returns:
            Output (R, H) and the state after the frame, float32.
        """
        if self.bidirectional:
            raise ValueError("A bidirectional layer has no next step")
        kernel, bias, *recurrent = self.weights_of_products()
        x = ops.matmul(ops.cast(inputs, self.compute_dtype), kernel) + bias
        x, g = ops.cast(x, "float32"), recurrent_product(state[0], *recurrent)
        if self.cell == "gru":
            state = gru_cell(x, g, state[0])[:1]
        else:
            state = lstm_cell(x + g, state[1])[:2]
        return ops.cast(state[0], self.compute_dtype), state

    def weights_of_products(self) -> tuple[Tensor, ...]:
        """Weights of the first direction in the compute dtype.

        Returns:
            Kernel (D, G·H) and bias (G·H,), recurrent kernel (H, G·H) and, for the
            GRU, recurrent bias (1, G·H).
        """
        kernel, recurrent = self._cast(self.kernel), self._cast(self.recurrent_kernel)
        weights = (kernel[0], self._cast(self.bias)[0, 0, 0], recurrent[0])
        if self.cell == "lstm":
            return weights
        return (*weights, self._cast(self.recurrent_bias)[0])

    def _cast(self, variable: Tensor) -> Tensor:
        return ops.cast(ops.copy(variable), self.compute_dtype)

    def _real(self, mask: Tensor) -> Tensor:
        """(T, N, B, 1) float32 of `mask` (B, T)."""
        real = ops.repeat(ops.cast(mask, "float32")[None], self._directions, axis=0)
        return ops.transpose(self._reverse_second(real), (2, 0, 1))[..., None]

    def _zeros(self, real: Tensor) -> State:
        zeros = ops.zeros((*state_shape(real), self.units), "float32")
        return (zeros,) * PARTS[self.cell]

    def _run(
        self,
        inputs: Tensor,
        real: Tensor,
        start: State,
        gives_cell: bool,
        recurrent: Tensor | None = None,
    ) -> tuple[Tensor, State]:
        """(T, N, B, H) hidden states, and the final cell state if asked for."""
        steps = ops.shape(inputs)[1]
        x = self._reverse_second(ops.repeat(inputs[None], self._directions, axis=0))
        x = ops.reshape(x, (self._directions, -1, inputs.shape[-1]))
        x = ops.matmul(x, self._cast(self.kernel))
        x = ops.reshape(x, (self._directions, -1, steps, x.shape[-1]))
        x = ops.transpose(x + self._cast(self.bias), (2, 0, 1, 3))
        if recurrent is None:
            recurrent = self.recurrent_kernel
        recurrent = self._cast(recurrent)
        if self.cell == "gru":
            bias = self._cast(self.recurrent_bias)
            return gru_recurrence(x, real, recurrent, bias, *start), ()
        if not gives_cell:
            return lstm_recurrence(x, real, recurrent, *start), ()
        states = lstm_recurrence_and_cell(x, real, recurrent, *start)
        return states[:-1], (states[-1],)

    def _outputs(self, h: Tensor) -> Tensor:
        """(B, T, N·H) in the compute dtype of `h` (T, N, B, H)."""
        h = _side_by_side(self._reverse_second(ops.transpose(h, (1, 2, 0, 3))))
        return ops.cast(h, self.compute_dtype)

    def _reverse_second(self, x: Tensor) -> Tensor:
        """Reverse axis 2 (time) of the second direction of (N, B, T, ...)."""
        if not self.bidirectional:
            return x
        return ops.stack([x[0], ops.flip(x[1], axis=1)])

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.units * self._directions)


def _side_by_side(x: Tensor) -> Tensor:
    """(..., N·H) of `x` (N, ..., H)."""
    return ops.concatenate([x[i] for i in range(x.shape[0])], axis=-1)


def _each_direction(
    initializer: keras.initializers.Initializer, shape: Shape, dtype: str | None
) -> Tensor:
    return ops.stack([initializer(shape[1:], dtype=dtype) for _ in range(shape[0])])


def _uniform(limit: float, shape: Shape, dtype: str | None = None) -> Tensor:
    seed = keras.random.SeedGenerator()
    return keras.random.uniform(shape, -limit, limit, dtype=dtype, seed=seed)


def _glorot(shape: Shape, dtype: str | None = None) -> Tensor:
    seeds = keras.random.SeedGenerator()
    initializer = keras.initializers.GlorotUniform(seed=seeds)
    return _each_direction(initializer, shape, dtype)


def _orthogonal(shape: Shape, dtype: str | None = None) -> Tensor:
    seeds = keras.random.SeedGenerator()
    initializer = keras.initializers.Orthogonal(seed=seeds)
    return _each_direction(initializer, shape, dtype)


def _forget_gate_open(shape: Shape, dtype: str | None = None) -> Tensor:
    gates = ops.reshape(ops.arange(shape[-1]) // (shape[-1] // 4), shape[1:])
    row = ops.cast(gates == 1, dtype or "float32")
    return ops.stack([row] * shape[0])
