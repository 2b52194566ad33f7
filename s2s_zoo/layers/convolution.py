"""Convolutions over padded spectrograms."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.distribution import convolves_by_onednn
from s2s_zoo.errors import check_range
from s2s_zoo.layers.activation import clipped_relu
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.masking import apply_mask, mask_lengths, sequence_mask
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

NARROW = 14
"""Width of a kernel up to which oneDNN is fast."""


def strided_lengths(lengths: Tensor, stride: int) -> Tensor:
    """⌈lengths / stride⌉ of (B,) or an int: frames left by a centred convolution.

    Example:
        >>> from s2s_zoo.layers import strided_lengths
        >>> strided_lengths(9, stride=2)
        5
    """
    return (lengths + stride - 1) // stride


class _Convolution(keras.layers.Conv2D):
    """As of Keras; where oneDNN computes it, a sum of narrower ones.

    A wide one of several channels takes it 1.5 times as long, and for some numbers of
    rows and frames a hundred times.
    """

    def convolution_op(self, inputs: Tensor, kernel: Tensor) -> Tensor:
        width, step = kernel.shape[1], self.strides[1]
        size, channels = inputs.shape[2:]
        parts = -(-width // NARROW)
        if parts == 1 or channels == 1 or size is None or not convolves_by_onednn():
            return super().convolution_op(inputs, kernel)
        part, last = -(-width // parts), (size - width) // step * step
        found = []
        for start in range(0, width, part):
            narrow = kernel[:, start : start + part]
            seen = inputs[:, :, start : start + last + narrow.shape[1]]
            found.append(super().convolution_op(seen, narrow))
        return sum(found[1:], found[0])


@keras.saving.register_keras_serializable("s2s_zoo")
class SpectrogramConvolution(ZooLayer):
    """2-D convolution over time and frequency, batch normalization, clipped ReLU.

    Frames are centred under the kernel with the same zeros on both sides whatever
    the padding of the batch, so an output frame depends on real frames alone.

    Args:
        filters: output channels.
        kernel: (time, frequency) size.
        stride: (time, frequency) step.
        ceiling: largest activation, None for no limit.
        l2: λ of the penalty λ/2·(‖W‖² + ‖γ‖²).

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import SpectrogramConvolution
        >>> layer = SpectrogramConvolution(filters=2, kernel=(3, 5), stride=(2, 2))
        >>> y, mask = layer(ops.ones((1, 9, 8, 1)), ops.ones((1, 9), "bool"))
        >>> ops.shape(y), ops.shape(mask)
        ((1, 5, 4, 2), (1, 5))
    """

    def __init__(
        self,
        filters: int,
        kernel: tuple[int, int],
        stride: tuple[int, int] = (1, 1),
        ceiling: float | None = None,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel = kernel
        self.stride = stride
        self.ceiling = ceiling
        self.l2 = l2
        self.convolution = _Convolution(
            filters,
            kernel,
            stride,
            padding="valid",
            use_bias=False,
            data_format="channels_last",
            kernel_regularizer=l2_penalty(l2),
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.normalization = MaskedBatchNormalization(
            l2=l2, dtype=self.dtype_policy, name="normalization"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        # the padding added in `call` makes room for kernels wider than the input
        self.convolution.build((None, None, None, input_shape[-1]))
        self.normalization.build((*input_shape[:-1], self.filters))

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Convolve `inputs` (B, T, F, C), zero where `mask` (B, T) is False.

        Returns:
            (B, ⌈T/stride⌉, ⌈F/stride⌉, filters), zero on padding, and its mask.
        """
        sides = [((k - 1) // 2, k // 2) for k in self.kernel]
        x = self.convolution(ops.pad(inputs, [(0, 0), *sides, (0, 0)]))
        lengths = strided_lengths(mask_lengths(mask), self.stride[0])
        mask = sequence_mask(lengths, ops.shape(x)[1])
        x = self.normalization(x, mask, training=training)
        return apply_mask(clipped_relu(x, self.ceiling), mask), mask

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        batch, *sizes, _ = input_shape
        sizes = [
            None if size is None else strided_lengths(size, step)
            for size, step in zip(sizes, self.stride, strict=True)
        ]
        return (batch, *sizes, self.filters)


@keras.saving.register_keras_serializable("s2s_zoo")
class RowConvolution(ZooLayer):
    """Depthwise convolution over time, batch normalization, clipped ReLU.

    The row convolution of Deep Speech 2 (Amodei et al., 2016, §3.7) as OpenSeq2Seq
    ran it: centred on the frame instead of looking ahead, in float32 throughout.

    Args:
        width: frames under the kernel.
        ceiling: largest activation, None for no limit.
        l2: λ of the penalty λ/2·(‖W‖² + ‖γ‖²).

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import RowConvolution
        >>> y = RowConvolution(width=3)(ops.ones((2, 7, 4)), ops.ones((2, 7), "bool"))
        >>> ops.shape(y)
        (2, 7, 4)
    """

    computes_in_float32 = True

    def __init__(
        self,
        width: int,
        ceiling: float | None = None,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("width", width, 1, MAX_SIZE)
        self.width = width
        self.ceiling = ceiling
        self.l2 = l2
        self.normalization = MaskedBatchNormalization(
            l2=l2, dtype="float32", name="normalization"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.kernel = self.add_weight(
            shape=(self.width, input_shape[-1], 1),
            regularizer=l2_penalty(self.l2),
            name="kernel",
        )
        self.normalization.build(input_shape)

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """Convolve `inputs` (B, T, D), zero where `mask` (B, T) is False."""
        sides = ((self.width - 1) // 2, self.width // 2)
        x = ops.pad(ops.cast(inputs, "float32"), [(0, 0), sides, (0, 0)])
        x = ops.depthwise_conv(x, self.kernel, data_format="channels_last")
        x = self.normalization(x, mask, training=training)
        return apply_mask(clipped_relu(x, self.ceiling), mask)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape
