"""The loops of recurrent layers over the frames of a batch, forth and back."""

from collections.abc import Callable
from functools import partial

from keras import ops

from s2s_zoo.layers.cells import (
    Gradients,
    Stepped,
    gru_back,
    gru_cell,
    gru_factors,
    lstm_back,
    lstm_cell,
    lstm_factors,
    packed,
    recurrent_product,
)
from s2s_zoo.typing import Tensor


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

    zero = ops.zeros((*state_shape(steps), kernel.shape[1]), "float32")
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


def state_shape(x: Tensor) -> tuple[Tensor | int, Tensor | int]:
    """N and B of (T, N, B, ...)."""
    shape = ops.shape(x)
    return shape[1], shape[2]


def _weight_gradient(states: Tensor, gradients: Tensor, kernel: Tensor) -> Tensor:
    """Sum over frames and rows of the outer products, (N, H, gates·H)."""
    directions, units, width = kernel.shape
    left = ops.reshape(ops.transpose(states, (1, 3, 0, 2)), (directions, units, -1))
    right = ops.reshape(ops.transpose(gradients, (1, 0, 2, 3)), (directions, -1, width))
    product = ops.matmul(ops.cast(left, kernel.dtype), ops.cast(right, kernel.dtype))
    return ops.cast(product, kernel.dtype)
