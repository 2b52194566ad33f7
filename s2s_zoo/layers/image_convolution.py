"""Convolutions and pooling of images, in the order of dimensions of the device.

Layers take and give (B, H, W, C) everywhere, and kernels are (H, W, C, filters), so
that weights and results do not know what they were computed on.
"""

from collections.abc import Callable
from typing import Literal, TypeAlias, Unpack

import keras
from keras import ops

from s2s_zoo.distribution import Order, image_order
from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

Padding: TypeAlias = Literal["symmetric", "same", "valid"]

PADDINGS = ("symmetric", "same", "valid")


@keras.saving.register_keras_serializable("s2s_zoo")
class ImageConvolution(ZooLayer):
    """A convolution of images (B, H, W, C) to (B, H', W', filters).

    Args:
        filters: output channels.
        kernel: rows and columns under the kernel.
        stride: rows and columns from one output to the next.
        padding: zeros around an image: "symmetric", (kernel - 1) // 2 on every side;
            "same", so many that there are ⌈H / stride⌉ outputs, the odd one below and
            to the right; "valid", none. The first two are the same at stride 1.
        bias: learn one.
        l2: λ of the penalty λ/2·‖W‖².

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import ImageConvolution
        >>> ops.shape(ImageConvolution(8, kernel=3, stride=2)(ops.ones((2, 9, 9, 3))))
        (2, 5, 5, 8)
    """

    def __init__(
        self,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: Padding = "symmetric",
        bias: bool = False,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("filters", filters, 1, MAX_SIZE)
        check_range("kernel", kernel, 1, MAX_SIZE)
        check_range("stride", stride, 1, MAX_SIZE)
        check_choice("padding", padding, PADDINGS)
        self.filters = filters
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.bias = bias
        self.l2 = l2

    def build(self, input_shape: Shape) -> None:
        self.weights_of_kernel = self.add_weight(
            shape=(self.kernel, self.kernel, input_shape[-1], self.filters),
            initializer=keras.initializers.VarianceScaling(),
            regularizer=l2_penalty(self.l2),
            name="kernel",
        )
        if self.bias:
            self.shift = self.add_weight(
                shape=(self.filters,), initializer="zeros", name="bias"
            )

    def call(self, inputs: Tensor) -> Tensor:
        x = ops.cast(inputs, self.compute_dtype)
        x = self._product(x) if self.kernel == 1 else self._convolved(x)
        return x + self.shift if self.bias else x

    def _product(self, x: Tensor) -> Tensor:
        """Of each pixel with the kernel of 1, which XLA does not see by itself."""
        if self.stride > 1:
            x = x[:, :: self.stride, :: self.stride]
        return ops.matmul(x, self.weights_of_kernel[0, 0])

    def _convolved(self, x: Tensor) -> Tensor:
        x, padding = padded(x, self.kernel, self.stride, self.padding)

        def convolve(x: Tensor, order: Order) -> Tensor:
            return ops.conv(
                x, self.weights_of_kernel, self.stride, padding, data_format=order
            )

        return in_order(convolve, x)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        batch, *sides, _ = input_shape
        sizes = self.kernel, self.stride, self.padding
        return (batch, *(window_count(side, *sizes) for side in sides), self.filters)


def max_pool(x: Tensor, size: int, stride: int, padding: Padding) -> Tensor:
    """The largest of each window of images (B, H, W, C).

    Args:
        x: images.
        size: rows and columns of a window.
        stride: rows and columns from one to the next.
        padding: as of `ImageConvolution`; what "same" adds is never the largest.
    """
    x, how = padded(x, size, stride, padding, pooling=True)
    return in_order(lambda x, order: ops.max_pool(x, size, stride, how, order), x)


def padded(
    x: Tensor, size: int, stride: int, padding: Padding, pooling: bool = False
) -> tuple[Tensor, str]:
    """Images with what "symmetric" adds, and what is left to the operation to add."""
    side = (size - 1) // 2
    if padding != "symmetric" or not side:
        return x, "valid" if padding == "symmetric" else padding
    if stride == 1 and size % 2 and not pooling:
        return x, "same"
    sides = ((0, 0), (side, side), (side, side), (0, 0))
    return ops.pad(x, sides), "valid"


def window_count(
    length: int | None, size: int, stride: int, padding: Padding
) -> int | None:
    """How many windows there are along a side of an image, None for an open one."""
    if length is None:
        return None
    if padding == "same":
        return -(-length // stride)
    added = 2 * ((size - 1) // 2) if padding == "symmetric" else 0
    count = (length + added - size) // stride + 1
    if count < 1:
        raise ValueError(
            f"a window of {size} does not fit a side of {length}: the images are too "
            "small for this network"
        )
    return count


def in_order(operation: Callable[[Tensor, Order], Tensor], x: Tensor) -> Tensor:
    """The result (B, H, W, C) of an operation in the order of the device."""
    if image_order() == "channels_last":
        return operation(x, "channels_last")
    moved = operation(ops.transpose(x, (0, 3, 1, 2)), "channels_first")
    return ops.transpose(moved, (0, 2, 3, 1))


def rows_of(mask: Tensor, x: Tensor) -> Tensor:
    """A mask (B, 1) of images as that of their rows, (B, H) of `x` (B, H, W, C)."""
    return ops.repeat(mask, x.shape[1], axis=1)
