"""The layer-normalized LSTM: a step of rows, and the loop over frames, forth and back.

Gates i, f, g, o and the new cell state are each normalized over their units, then
scaled and shifted (Ba et al., 2016, https://arxiv.org/abs/1607.06450, equations 20 to
22, with one normalization of the sum of both products). The state handed on is the
normalized one.
"""

from collections.abc import Callable
from functools import partial
from typing import NamedTuple

from keras import ops

from s2s_zoo.layers.cells import (
    Gradients,
    Stepped,
    packed,
    recurrent_product,
)
from s2s_zoo.typing import Tensor

EPSILON = 1e-6
"""Added to variances."""
GATES = 4
PARTS = GATES + 1
"""What is normalized: the gates and the cell state."""


class _Read(NamedTuple):
    """What a step makes of sums and of the cell state before; (..., 4, H) of gates."""

    normal: Tensor  # (..., 4, H) gates, normalized
    inverse: Tensor  # (..., 4, 1) 1 over their deviations
    gates: Tensor  # (..., 4, H) after their activations
    normal_cell: Tensor  # (..., H)
    inverse_cell: Tensor  # (..., 1)
    cell: Tensor  # (..., H)
    hidden: Tensor  # (..., H)


def read(
    sums: Tensor, before: Tensor, kept: Tensor | float, gamma: Tensor, beta: Tensor
) -> _Read:
    """One step of rows, or all steps of known sums at once.

    Args:
        sums: (..., 4H) of the products; i, f, g, o as in Keras.
        before: (..., H) cell state.
        kept: factors of the candidate g, (..., H) or (..., 1).
        gamma: (5, H) scales of i, f, g, o and the cell state.
        beta: (5, H) shifts, likewise.
    """
    shape = (*ops.shape(sums)[:-1], GATES, sums.shape[-1] // GATES)
    normal, inverse = _normalized(ops.reshape(sums, shape))
    z = normal * gamma[:GATES] + beta[:GATES]
    i, f, g, o = (z[..., k, :] for k in range(GATES))
    i, f, g, o = ops.sigmoid(i), ops.sigmoid(f), ops.tanh(g), ops.sigmoid(o)
    normal_cell, inverse_cell = _normalized(f * before + i * (kept * g))
    cell = normal_cell * gamma[GATES] + beta[GATES]
    gates = ops.stack([i, f, g, o], axis=-2)
    return _Read(
        *(normal, inverse, gates, normal_cell, inverse_cell), cell, o * ops.tanh(cell)
    )


def _normalized(x: Tensor) -> tuple[Tensor, Tensor]:
    """`x` (..., H) with mean 0 and variance 1, and 1 over its deviation (..., 1)."""
    x = x - ops.mean(x, axis=-1, keepdims=True)
    inverse = ops.rsqrt(ops.mean(x * x, axis=-1, keepdims=True) + EPSILON)
    return x * inverse, inverse


def _normalized_back(gradient: Tensor, normal: Tensor, inverse: Tensor) -> Tensor:
    """The gradient of what was normalized, of that of the normalized."""
    along = ops.mean(gradient * normal, axis=-1, keepdims=True)
    mean = ops.mean(gradient, axis=-1, keepdims=True)
    return inverse * (gradient - mean - normal * along)


@ops.custom_gradient
def normalized_recurrence(
    x: Tensor,
    real: Tensor,
    kept: Tensor,
    kernel: Tensor,
    gamma: Tensor,
    beta: Tensor,
    hidden: Tensor,
    cell: Tensor,
) -> tuple[Tensor, Callable[..., Gradients]]:
    """Run layer-normalized LSTMs over projected inputs.

    Args:
        x: (T, B, 4H) input projections.
        real: (T, B, 1) float32, 1 on real frames; states are zero elsewhere.
        kept: (T, B, H) or (T, B, 1) float32 factors of the candidates.
        kernel: (H, 4H) of the recurrent product.
        gamma: (5, H) float32, as of `read`.
        beta: (5, H) float32.
        hidden: (B, H) float32 state before the first frame.
        cell: (B, H) float32, likewise.

    Returns:
        (T, B, 2H) float32 hidden and cell states.
    """
    start = (hidden, cell, ops.concatenate([cell] * GATES, axis=-1))
    step = partial(_step, kernel, gamma, beta)
    h, c, sums = ops.scan(step, start, packed(ops.cast(x, "float32"), real, kept))[1]

    def backward(*args: Tensor, upstream: Tensor | None = None) -> Gradients:
        gradient = args[0] if upstream is None else upstream
        earlier, before = (
            ops.concatenate([first[None], rest[:-1]], axis=0)
            for first, rest in ((hidden, h), (cell, c))
        )
        found = read(sums, before, kept, gamma, beta)
        steps = _factors(gradient, real, before, kept, found)
        of_start, of_sums, of_gates, of_cell = _back(steps, kernel, gamma)
        dgamma, dbeta = _of_scales(of_gates, of_cell, found)
        left = ops.transpose(ops.reshape(earlier, (-1, kernel.shape[0])))
        right = ops.reshape(of_sums, (-1, kernel.shape[1]))
        product = ops.matmul(
            ops.cast(left, kernel.dtype), ops.cast(right, kernel.dtype)
        )
        constant = ops.zeros_like(real), ops.zeros_like(kept)
        return ops.cast(of_sums, x.dtype), *constant, product, dgamma, dbeta, *of_start

    return ops.concatenate([h, c], axis=-1), backward


def _step(
    kernel: Tensor,
    gamma: Tensor,
    beta: Tensor,
    carry: tuple[Tensor, ...],
    inputs: Tensor,
) -> Stepped:
    (h, c, _), width = carry, kernel.shape[1]
    m, kept = inputs[..., width : width + 1], inputs[..., width + 1 :]
    sums = inputs[..., :width] + recurrent_product(h, kernel)
    found = read(sums, c, kept, gamma, beta)
    new = (m * found.hidden, m * found.cell, sums)
    return new, new


def _factors(
    gradient: Tensor, real: Tensor, before: Tensor, kept: Tensor, found: _Read
) -> Tensor:
    """What a step back reads, (T, B, ·): see `_step_back`, in its order."""
    i, f, g, o = (found.gates[..., k, :] for k in range(GATES))
    tanh = ops.tanh(found.cell)
    shape = ops.shape(real)[:2]
    return packed(
        gradient,
        o * (1 - tanh * tanh),
        kept * g * i * (1 - i),
        before * f * (1 - f),
        kept * i * (1 - g * g),
        tanh * o * (1 - o),
        f,
        found.normal_cell,
        ops.reshape(found.normal, (*shape, GATES * f.shape[-1])),
        real,
        found.inverse_cell,
        ops.reshape(found.inverse, (*shape, GATES)),
    )


def _back(steps: Tensor, kernel: Tensor, gamma: Tensor) -> tuple[Gradients, ...]:
    """Gradients of the first state, of sums, gates and cell states, (T, B, ·) each."""
    units = kernel.shape[0]
    zero = ops.zeros((ops.shape(steps)[1], units), "float32")
    four = ops.concatenate([zero] * GATES, axis=-1)
    step = partial(_step_back, ops.transpose(kernel), gamma)
    first, rest = ops.scan(step, (zero, zero, four, four, zero), steps, reverse=True)
    return first[:2], *rest[2:]


def _step_back(
    transposed: Tensor, gamma: Tensor, carry: tuple[Tensor, ...], inputs: Tensor
) -> Stepped:
    units = transposed.shape[1]
    wide, narrow = inputs[..., : 13 * units], inputs[..., 13 * units :]
    of_h, of_c, to_c, to_i, to_f, to_g, to_o, f, normal_cell, *normal = ops.split(
        wide, 13, axis=-1
    )
    real, inverse_cell, inverse = narrow[:, :1], narrow[:, 1:2], narrow[:, 2:, None]
    dh, dc = real * (carry[0] + of_h), real * (carry[1] + of_c)
    dc = dc + dh * to_c
    ds = _normalized_back(dc * gamma[GATES], normal_cell, inverse_cell)
    dz = ops.stack([ds * to_i, ds * to_f, ds * to_g, dh * to_o], axis=-2)
    da = _normalized_back(dz * gamma[:GATES], ops.stack(normal, axis=-2), inverse)
    da, dz = (ops.reshape(d, ops.shape(carry[2])) for d in (da, dz))
    new = (recurrent_product(da, transposed), ds * f, da, dz, dc)
    return new, new


def _of_scales(
    of_gates: Tensor, of_cell: Tensor, found: _Read
) -> tuple[Tensor, Tensor]:
    """(5, H) gradients of the scales and of the shifts, added up over all frames."""
    gates = ops.reshape(of_gates, ops.shape(found.normal))
    pairs = ((gates * found.normal, of_cell * found.normal_cell), (gates, of_cell))
    scales, shifts = (
        ops.sum(ops.concatenate([a, b[..., None, :]], axis=-2), axis=(0, 1))
        for a, b in pairs
    )
    return scales, shifts
