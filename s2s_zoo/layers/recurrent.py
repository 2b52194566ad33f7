"""GRU and LSTM layers over padded batches, fast on every backend.

The input projection of all frames is one matrix product; the loop holds only the
recurrent product and the gates. The backward pass is written out, so that the
weight gradients are one product over all frames instead of one per frame. Both
directions of a bidirectional layer run in the same loop.
"""

from typing import TypeAlias, Unpack

import keras
from keras import ops

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

Stepped: TypeAlias = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
Gradients: TypeAlias = tuple[Tensor, ...]

GATES = {"gru": 3, "lstm": 4}


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
    """

    def __init__(
        self,
        units: int,
        cell: str = "gru",
        bidirectional: bool = False,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        if cell not in GATES:
            raise ValueError(f"cell is one of {', '.join(GATES)}. Received: {cell!r}")
        self.units = units
        self.cell = cell
        self.bidirectional = bidirectional
        self._directions = 2 if bidirectional else 1

    def build(self, input_shape: Shape, *_: Shape) -> None:
        n, h, width = self._directions, self.units, GATES[self.cell] * self.units
        self.kernel = self.add_weight(
            shape=(n, input_shape[-1], width), initializer=_glorot, name="kernel"
        )
        self.recurrent_kernel = self.add_weight(
            shape=(n, h, width), initializer=_orthogonal, name="recurrent_kernel"
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
        steps = ops.shape(inputs)[1]
        x = self._reverse_second(ops.repeat(inputs[None], self._directions, axis=0))
        x = ops.reshape(x, (self._directions, -1, inputs.shape[-1]))
        x = ops.matmul(x, ops.convert_to_tensor(self.kernel))
        x = ops.reshape(x, (self._directions, -1, steps, x.shape[-1])) + self.bias
        real = ops.repeat(ops.cast(mask, "float32")[None], self._directions, axis=0)
        real = self._reverse_second(real)
        h = self._run(
            ops.transpose(x, (2, 0, 1, 3)), ops.transpose(real, (2, 0, 1))[..., None]
        )
        h = self._reverse_second(ops.transpose(h, (1, 2, 0, 3)))
        h = ops.concatenate([h[i] for i in range(self._directions)], axis=-1)
        return ops.cast(h, self.compute_dtype)

    def _run(self, x: Tensor, real: Tensor) -> Tensor:
        recurrent = ops.copy(self.recurrent_kernel)
        if self.cell == "lstm":
            return lstm_recurrence(x, real, recurrent)
        bias = ops.copy(self.recurrent_bias)
        return gru_recurrence(x, real, recurrent, bias)

    def _reverse_second(self, x: Tensor) -> Tensor:
        """Reverse axis 2 (time) of the second direction of (N, B, T, ...)."""
        if not self.bidirectional:
            return x
        return ops.stack([x[0], ops.flip(x[1], axis=1)])

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.units * self._directions)


@ops.custom_gradient
def gru_recurrence(x: Tensor, real: Tensor, kernel: Tensor, bias: Tensor) -> Tensor:
    """Run GRUs over projected inputs.

    Gates are ordered z (update), r (reset), n (candidate), as in Keras:
    h' = z·h + (1 - z)·tanh(x_n + r·(h·U_n + b_n)).

    Args:
        x: (T, N, B, 3H) input projections of N independent directions.
        real: (T, N, B, 1) float32, 1 on real frames; the state is zero elsewhere.
        kernel: (N, H, 3H).
        bias: (N, 1, 3H).

    Returns:
        (T, N, B, H) float32 states.
    """
    units = kernel.shape[1]

    def step(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        h, inputs = carry[0], ops.cast(inputs, "float32")
        xt, m = inputs[..., :-1], inputs[..., -1:]
        g = ops.cast(ops.matmul(ops.cast(h, kernel.dtype), kernel) + bias, "float32")
        zr = ops.sigmoid(
            ops.cast(xt[..., : 2 * units], "float32") + g[..., : 2 * units]
        )
        z, r, q = zr[..., :units], zr[..., units:], g[..., 2 * units :]
        n = ops.tanh(ops.cast(xt[..., 2 * units :], "float32") + r * q)
        new = (m * (n + z * (h - n)), z, r, n, q)
        return new, new

    start = ops.zeros((*_state_shape(x), units), "float32")
    h, z, r, n, q = ops.scan(step, (start,) * 5, _packed(x, real))[1]

    def backward(*args: Tensor, upstream: Tensor | None = None) -> Gradients:
        gradient = args[0] if upstream is None else upstream
        previous = ops.concatenate([start[None], h[:-1]], axis=0)
        to_z = real * (previous - n) * z * (1 - z)
        to_n = real * (1 - z) * (1 - n * n)
        to_r = q * r * (1 - r)
        transposed = ops.transpose(kernel, (0, 2, 1))

        def step_back(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
            u, kept, a_z, a_n, a_r, rt = ops.split(inputs, 6, axis=-1)
            dh = carry[0] + u
            dn = dh * a_n
            dg = ops.concatenate([dh * a_z, dn * a_r, dn * rt], axis=-1)
            through = ops.matmul(ops.cast(dg, kernel.dtype), transposed)
            new = (dh * kept + ops.cast(through, "float32"), dg, dn)
            return new, new

        carry = (start, ops.concatenate([start] * 3, axis=-1), start)
        steps = _packed(gradient, real * z, to_z, to_n, to_r, r)
        _, dg, dn = ops.scan(step_back, carry, steps, reverse=True)[1]
        dx = ops.cast(ops.concatenate([dg[..., : 2 * units], dn], axis=-1), x.dtype)
        dbias = ops.cast(ops.sum(dg, axis=(0, 2))[:, None], bias.dtype)
        return dx, ops.zeros_like(real), _weight_gradient(previous, dg, kernel), dbias

    return h, backward


@ops.custom_gradient
def lstm_recurrence(x: Tensor, real: Tensor, kernel: Tensor) -> Tensor:
    """Run LSTMs over projected inputs; gates are ordered i, f, g, o, as in Keras.

    Args:
        x: (T, N, B, 4H) input projections of N independent directions.
        real: (T, N, B, 1) float32, 1 on real frames; the state is zero elsewhere.
        kernel: (N, H, 4H).

    Returns:
        (T, N, B, H) float32 hidden states.
    """
    units = kernel.shape[1]

    def step(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
        (h, c, *_), inputs = carry, ops.cast(inputs, "float32")
        xt, m = inputs[..., :-1], inputs[..., -1:]
        product = ops.matmul(ops.cast(h, kernel.dtype), kernel)
        a = xt + ops.cast(product, "float32")
        i, f, g, o = ops.split(a, 4, axis=-1)
        i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
        c = m * (f * c + i * g)
        new = (m * o * ops.tanh(c), c, i, f, g, o)
        return new, new

    start = ops.zeros((*_state_shape(x), units), "float32")
    h, c, i, f, g, o = ops.scan(step, (start,) * 6, _packed(x, real))[1]

    def backward(*args: Tensor, upstream: Tensor | None = None) -> Gradients:
        gradient = args[0] if upstream is None else upstream
        zero = start[None]
        h_previous = ops.concatenate([zero, h[:-1]], axis=0)
        c_previous = ops.concatenate([zero, c[:-1]], axis=0)
        tanh_c = ops.tanh(c)
        to_c = real * o * (1 - tanh_c * tanh_c)
        to_o = real * tanh_c * o * (1 - o)
        gates = (g * i * (1 - i), c_previous * f * (1 - f), i * (1 - g * g))
        transposed = ops.transpose(kernel, (0, 2, 1))

        def step_back(carry: tuple[Tensor, ...], inputs: Tensor) -> Stepped:
            u, keep, a_c, a_o, a_i, a_f, a_g = ops.split(inputs, 7, axis=-1)
            dh = carry[0] + u
            dc = carry[1] + dh * a_c
            da = ops.concatenate([dc * a_i, dc * a_f, dc * a_g, dh * a_o], axis=-1)
            through = ops.matmul(ops.cast(da, kernel.dtype), transposed)
            new = (ops.cast(through, "float32"), dc * keep, da)
            return new, new

        masked = tuple(real * gate for gate in gates)
        carry = (start, start, ops.concatenate([start] * 4, axis=-1))
        steps = _packed(gradient, real * f, to_c, to_o, *masked)
        _, _, da = ops.scan(step_back, carry, steps, reverse=True)[1]
        dkernel = _weight_gradient(h_previous, da, kernel)
        return ops.cast(da, x.dtype), ops.zeros_like(real), dkernel

    return h, backward


def _packed(*tensors: Tensor) -> Tensor:
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
