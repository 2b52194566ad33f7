"""Depthwise convolution over time, in the form that each backend computes fast."""

import keras
import numpy as np
from keras import ops

from s2s_zoo.typing import Tensor


def depthwise_convolution(inputs: Tensor, kernel: Tensor, dilation: int = 1) -> Tensor:
    """Each channel of `inputs` under a kernel of its own, without padding.

    XLA computes depthwise convolutions on processors some ten times slower than the
    products of matrices that JAX is given here.

    Args:
        inputs: (B, T, D).
        kernel: (K, D, 1).
        dilation: frames from one element of the kernel to the next.

    Returns:
        (B, T - (K - 1)·dilation, D).

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import depthwise_convolution
        >>> x = ops.reshape(ops.arange(5.0), (1, 5, 1))
        >>> y = depthwise_convolution(x, ops.ones((2, 1, 1)), dilation=2)
        >>> print(ops.convert_to_numpy(y[0, :, 0]))
        [2. 4. 6.]
    """
    if kernel.shape[0] == 1:
        return inputs * kernel[0, :, 0]
    if keras.backend.backend() != "jax":
        return ops.depthwise_conv(
            inputs, kernel, dilation_rate=dilation, data_format="channels_last"
        )
    if dilation == 1:
        return _as_products(inputs, kernel)
    frames, channels = inputs.shape[1:]
    x = ops.pad(inputs, [(0, 0), (0, -frames % dilation), (0, 0)])
    x = ops.reshape(x, (-1, x.shape[1] // dilation, dilation, channels))
    phases = [_as_products(x[:, :, i], kernel) for i in range(dilation)]
    y = ops.reshape(
        ops.stack(phases, axis=2), (-1, phases[0].shape[1] * dilation, channels)
    )
    return y[:, : frames - (kernel.shape[0] - 1) * dilation]


def _as_products(x: Tensor, kernel: Tensor) -> Tensor:
    """Blocks of K - 1 frames, each a product with the band matrix of a kernel.

    A block of the output reads twice as many frames of the input, so half of what is
    multiplied is zeros.
    """
    size, (frames, channels) = kernel.shape[0] - 1, x.shape[1:]
    outputs = frames - size
    blocks = -(-outputs // size)
    x = ops.pad(x, [(0, 0), (0, (blocks + 1) * size - frames), (0, 0)])
    halves = ops.reshape(x, (-1, blocks + 1, size, channels))
    read = ops.concatenate([halves[:, :-1], halves[:, 1:]], axis=2)
    read = ops.reshape(ops.transpose(read, (3, 0, 1, 2)), (channels, -1, 2 * size))
    y = ops.matmul(read, _band(kernel))
    y = ops.reshape(y, (channels, -1, blocks * size))
    return ops.transpose(y, (1, 2, 0))[:, :outputs]


def _band(kernel: Tensor) -> Tensor:
    """(D, 2·(K - 1), K - 1): column t holds the kernel from row t on."""
    size = kernel.shape[0] - 1
    element = np.arange(2 * size)[:, None] - np.arange(size)[None]
    inside = (element >= 0) & (element <= size)
    taps = ops.transpose(kernel[:, :, 0])
    band = ops.take(taps, np.where(inside, element, 0).reshape(-1), axis=1)
    band = ops.reshape(band, (-1, 2 * size, size))
    return band * ops.cast(inside, kernel.dtype)
