"""GRU and LSTM layers over padded batches, fast on every backend.

The input projection of all frames is one matrix product; the loop holds only the
recurrent product and the gates. The backward pass is written out, so that the
weight gradients are one product over all frames instead of one per frame. Both
directions of a bidirectional layer run in the same loop.
"""

from collections.abc import Callable
from functools import partial
from typing import TypeAlias, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

Stepped: TypeAlias = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
Gradients: TypeAlias = tuple[Tensor, ...]
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
        self, inputs: Tensor, mask: Tensor, initial: State | None = None
    ) -> tuple[Tensor, State]:
        """As `call`, from the state `initial` to the state after the last real frame.

        No `__call__`, which would round the state to the compute dtype.

        Args:
            inputs: (B, T, D).
            mask: (B, T) bool, True on real frames, right-padded.
            initial: (B, H) float32 each; None for zeros, the only start of a
                bidirectional layer.

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
        h, cell_state = self._run(
            ops.cast(inputs, self.compute_dtype), real, start, True
        )
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
        zeros = ops.zeros((*_state_shape(real), self.units), "float32")
        return (zeros,) * PARTS[self.cell]

    def _run(
        self, inputs: Tensor, real: Tensor, start: State, gives_cell: bool
    ) -> tuple[Tensor, State]:
        """(T, N, B, H) hidden states, and the final cell state if asked for."""
        steps = ops.shape(inputs)[1]
        x = self._reverse_second(ops.repeat(inputs[None], self._directions, axis=0))
        x = ops.reshape(x, (self._directions, -1, inputs.shape[-1]))
        x = ops.matmul(x, self._cast(self.kernel))
        x = ops.reshape(x, (self._directions, -1, steps, x.shape[-1]))
        x = ops.transpose(x + self._cast(self.bias), (2, 0, 1, 3))
        recurrent = self._cast(self.recurrent_kernel)
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


def recurrent_product(h: Tensor, kernel: Tensor, *bias: Tensor) -> Tensor:
    """h·U, plus the recurrent bias of a GRU, in float32."""
    product = ops.matmul(ops.cast(h, kernel.dtype), kernel)
    for row in bias:
        product = product + row
    return ops.cast(product, "float32")


def gru_cell(x: Tensor, g: Tensor, h: Tensor) -> tuple[Tensor, ...]:
    """The new state, z, r, n and the recurrent part q of n; (..., H) float32 each.

    Gates are ordered z (update), r (reset), n (candidate), as in Keras:
    h' = z·h + (1 - z)·tanh(x_n + r·q), q = h·U_n + b_n.

    Args:
        x: (..., 3H) input projections.
        g: (..., 3H) recurrent product.
        h: (..., H) state.
    """
    units = h.shape[-1]
    zr = ops.sigmoid(x[..., : 2 * units] + g[..., : 2 * units])
    z, r, q = zr[..., :units], zr[..., units:], g[..., 2 * units :]
    n = ops.tanh(x[..., 2 * units :] + r * q)
    return n + z * (h - n), z, r, n, q


def gru_factors(h: Tensor, z: Tensor, r: Tensor, n: Tensor, q: Tensor) -> Gradients:
    """What `gru_back` multiplies with, for all frames at once; `h` is the state before.

    Returns:
        z, and the derivatives of the state by z, by n, and of r·q by r, each before
        its activation, and r.
    """
    return z, (h - n) * z * (1 - z), (1 - z) * (1 - n * n), q * r * (1 - r), r


def gru_back(dh: Tensor, *factors: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of the state before by the direct way, of the product, and of x_n."""
    kept, to_z, to_n, to_r, r = factors
    dn = dh * to_n
    dg = ops.concatenate([dh * to_z, dn * to_r, dn * r], axis=-1)
    return dh * kept, dg, dn


def lstm_cell(a: Tensor, c: Tensor) -> tuple[Tensor, ...]:
    """The new hidden and cell state, and i, f, g, o; (..., H) float32 each.

    Args:
        a: (..., 4H) sum of the products; i, f, g, o as in Keras.
        c: (..., H) cell state.
    """
    i, f, g, o = ops.split(a, 4, axis=-1)
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    c = f * c + i * g
    return o * ops.tanh(c), c, i, f, g, o


def lstm_factors(before: Tensor, c: Tensor, *gates: Tensor) -> Gradients:
    """What `lstm_back` multiplies with, for all frames; `before` is the cell state.

    Returns:
        f, and the derivatives of the hidden state by c and by o, and of c by i, f and
        g, gates before their activation.
    """
    i, f, g, o = gates
    tanh_c = ops.tanh(c)
    to_c, to_o = o * (1 - tanh_c * tanh_c), tanh_c * o * (1 - o)
    return f, to_c, to_o, g * i * (1 - i), before * f * (1 - f), i * (1 - g * g)


def lstm_back(dh: Tensor, dc: Tensor, *factors: Tensor) -> tuple[Tensor, Tensor]:
    """Gradients of the cell state before and of the sum of the products."""
    kept, to_c, to_o, to_i, to_f, to_g = factors
    dc = dc + dh * to_c
    return dc * kept, ops.concatenate([dc * to_i, dc * to_f, dc * to_g, dh * to_o], -1)


@ops.custom_gradient
def gru_recurrence(
    x: Tensor, real: Tensor, kernel: Tensor, bias: Tensor, start: Tensor
) -> Tensor:
    """Run GRUs over projected inputs.

    Args:
        x: (T, N, B, 3H) input projections of N independent directions.
        real: (T, N, B, 1) float32, 1 on real frames; the state is zero elsewhere.
        kernel: (N, H, 3H).
        bias: (N, 1, 3H).
        start: (N, B, H) float32 state before the first frame.

    Returns:
        (T, N, B, H) float32 states.
    """
    units = kernel.shape[1]

    def step(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        h, inputs = carry[0], ops.cast(inputs, "float32")
        xt, m = inputs[..., :-1], inputs[..., -1:]
        state, *gates = gru_cell(xt, recurrent_product(h, kernel, bias), h)
        new = (m * state, *gates)
        return new, new

    h, *gates = ops.scan(step, (start,) * 5, packed(x, real))[1]

    def backward(*args: Tensor, upstream: Tensor | None = None) -> Gradients:
        gradient = args[0] if upstream is None else upstream
        previous = ops.concatenate([start[None], h[:-1]], axis=0)
        *masked, r = gru_factors(previous, *gates)
        to_z, to_n = real * masked[1], real * masked[2]
        factors = (real * masked[0], to_z, to_n, masked[3], r)
        dg, dn, dstart = _gru_back(packed(gradient, *factors), kernel)
        dx = ops.cast(ops.concatenate([dg[..., : 2 * units], dn], axis=-1), x.dtype)
        dbias = ops.cast(ops.sum(dg, axis=(0, 2))[:, None], bias.dtype)
        dkernel = _weight_gradient(previous, dg, kernel)
        return dx, ops.zeros_like(real), dkernel, dbias, dstart

    return h, backward


def _gru_back(steps: Tensor, kernel: Tensor) -> Gradients:
    """Gradients of the product (T, N, B, 3H), of x_n, and of the first state.

    Args:
        steps: (T, N, B, 6H) gradients of the states and the factors.
        kernel: (N, H, 3H).
    """
    transposed = ops.transpose(kernel, (0, 2, 1))

    def step_back(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        u, *factors = ops.split(inputs, 6, axis=-1)
        dh, dg, dn = gru_back(carry[0] + u, *factors)
        new = (dh + recurrent_product(dg, transposed), dg, dn)
        return new, new

    zero = ops.zeros((*_state_shape(steps), kernel.shape[1]), "float32")
    carry = (zero, ops.concatenate([zero] * 3, axis=-1), zero)
    (dstart, _, _), (_, dg, dn) = ops.scan(step_back, carry, steps, reverse=True)
    return dg, dn, dstart


def _lstm(gives_cell: bool) -> Callable[..., Tensor]:
    """LSTMs over projected inputs, as a function with its own backward pass.

    It takes x, real and kernel as `gru_recurrence` does, with four gates, and the
    hidden and the cell state before the first frame, (N, B, H) float32. It returns
    (T, N, B, H) float32 hidden states.

    Args:
        gives_cell: append the cell state after the last real frame: (T+1, N, B, H).
            The copy this takes is for those who ask for it.
    """

    @ops.custom_gradient
    def recurrence(
        x: Tensor, real: Tensor, kernel: Tensor, hidden: Tensor, cell: Tensor
    ) -> tuple[Tensor, Callable[..., Gradients]]:
        start, step = (hidden, *(cell,) * 5), partial(_lstm_step, kernel)
        h, c, *gates = ops.scan(step, start, packed(x, real))[1]

        def backward(*args: Tensor, upstream: Tensor | None = None) -> Gradients:
            gradient = args[0] if upstream is None else upstream
            previous = [
                ops.concatenate([first[None], rest[:-1]], axis=0)
                for first, rest in ((hidden, h), (cell, c))
            ]
            f, *factors = (real * a for a in lstm_factors(previous[1], c, *gates))
            of_cell = ops.zeros_like(cell)
            if gives_cell:
                f, of_cell, gradient = f + (1 - real), gradient[-1], gradient[:-1]
            steps = packed(gradient, f, *factors)
            da, *of_start = _lstm_back(steps, of_cell, kernel)
            dkernel = _weight_gradient(previous[0], da, kernel)
            return ops.cast(da, x.dtype), ops.zeros_like(real), dkernel, *of_start

        if gives_cell:
            end = final_state(c, real, cell)[None]
            return ops.concatenate([h, end], axis=0), backward
        return h, backward

    return recurrence


def _lstm_step(kernel: Tensor, carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
    (h, c, *_), inputs = carry, ops.cast(inputs, "float32")
    xt, m = inputs[..., :-1], inputs[..., -1:]
    state, c, *gates = lstm_cell(xt + recurrent_product(h, kernel), c)
    new = (m * state, m * c, *gates)
    return new, new


def _lstm_back(steps: Tensor, of_cell: Tensor, kernel: Tensor) -> Gradients:
    """Gradients of the products (T, N, B, 4H), and of both parts of the first state.

    Args:
        steps: (T, N, B, 7H) gradients of the hidden states and the factors.
        of_cell: (N, B, H) gradient of the cell state after the last frame.
        kernel: (N, H, 4H).
    """
    transposed = ops.transpose(kernel, (0, 2, 1))

    def step_back(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        u, *factors = ops.split(inputs, 7, axis=-1)
        dc, da = lstm_back(carry[0] + u, carry[1], *factors)
        new = (recurrent_product(da, transposed), dc, da)
        return new, new

    zero = ops.zeros_like(of_cell)
    carry = (zero, of_cell, ops.concatenate([zero] * 4, axis=-1))
    (dh, dc, _), (_, _, da) = ops.scan(step_back, carry, steps, reverse=True)
    return da, dh, dc


lstm_recurrence, lstm_recurrence_and_cell = _lstm(False), _lstm(True)


def final_state(states: Tensor, real: Tensor, start: Tensor) -> Tensor:
    """(N, B, H) of `states` (T, N, B, H) at the last real frame, else `start`.

    Args:
        states: of frames, zero where `real` is.
        real: (T, N, B, 1) float32, 1 on a run of frames of each row.
        start: (N, B, H) state of rows without frames.
    """
    after = ops.concatenate([real[1:], ops.zeros_like(real[:1])], axis=0)
    last = real * (1 - after)
    return ops.sum(last * states, axis=0) + (1 - ops.sum(last, axis=0)) * start


def _side_by_side(x: Tensor) -> Tensor:
    """(..., N·H) of `x` (N, ..., H)."""
    return ops.concatenate([x[i] for i in range(x.shape[0])], axis=-1)


def packed(*tensors: Tensor) -> Tensor:
    """One tensor to scan over: Keras' TensorFlow scan over several needs static T."""
    return ops.concatenate(
        [ops.cast(tensor, tensors[0].dtype) for tensor in tensors], axis=-1
    )


def _state_shape(x: Tensor) -> tuple[Tensor | int, Tensor | int]:
    shape = ops.shape(x)
    return shape[1], shape[2]


def _weight_gradient(states: Tensor, gradients: Tensor, kernel: Tensor) -> Tensor:
    """Sum over frames and rows of the outer products, (N, H, gates·H)."""
    directions, units, width = kernel.shape
    left = ops.reshape(ops.transpose(states, (1, 3, 0, 2)), (directions, units, -1))
    right = ops.reshape(ops.transpose(gradients, (1, 0, 2, 3)), (directions, -1, width))
    product = ops.matmul(ops.cast(left, kernel.dtype), ops.cast(right, kernel.dtype))
    return ops.cast(product, kernel.dtype)


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
