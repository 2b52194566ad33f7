"""The cells of recurrent networks: one step of rows, forth and back."""

from typing import TypeAlias

from keras import ops

from s2s_zoo.typing import Tensor

Stepped: TypeAlias = tuple[tuple[Tensor, ...], tuple[Tensor, ...]]
Gradients: TypeAlias = tuple[Tensor, ...]


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


def packed(*tensors: Tensor) -> Tensor:
    """One tensor to scan over: Keras' TensorFlow scan over several needs static T."""
    return ops.concatenate(
        [ops.cast(tensor, tensors[0].dtype) for tensor in tensors], axis=-1
    )


def weighted_mean(weights: Tensor, values: Tensor) -> Tensor:
    """(B, C) float32 sum of `values` (B, T, C) under `weights` (B, T)."""
    weights = ops.cast(weights, values.dtype)[:, None]
    return ops.cast(ops.matmul(weights, values)[:, 0], "float32")


def over_steps(weights: Tensor, rows: Tensor, like: Tensor) -> Tensor:
    """(B, T, C) sum over steps of `weights` (U, B, T) times `rows` (U, B, C)."""
    weights = ops.transpose(ops.cast(weights, like.dtype), (1, 2, 0))
    rows = ops.transpose(ops.cast(rows, like.dtype), (1, 0, 2))
    return ops.matmul(weights, rows)


def kernel_gradient(left: Tensor, right: Tensor, kernel: Tensor) -> Tensor:
    """Gradient of `kernel` (M, N): products of (U, B, M) and (U, B, N) added up."""
    left = ops.reshape(ops.cast(left, kernel.dtype), (-1, kernel.shape[0]))
    right = ops.reshape(ops.cast(right, kernel.dtype), (-1, kernel.shape[1]))
    return ops.matmul(ops.transpose(left), right)
