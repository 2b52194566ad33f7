"""Convolutions over the frames of padded sequences, by kind."""

from typing import Literal, TypeAlias, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.convolution import strided_lengths
from s2s_zoo.layers.depthwise import depthwise_convolution
from s2s_zoo.layers.masking import apply_mask, mask_lengths, sequence_mask
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

ConvolutionKind: TypeAlias = Literal["conv1d", "separable", "causal", "conv2d"]
KINDS = ("conv1d", "separable", "causal", "conv2d")


@keras.saving.register_keras_serializable("s2s_zoo")
class FrameConvolution(ZooLayer):
    """Convolution over time without a bias; padding and neighbours change nothing.

    Frames are centred under the kernel with the same zeros on both sides whatever the
    padding of the batch.

    Args:
        filters: C, output channels.
        kernel: frames under the kernel.
        kind: "conv1d"; "separable", a kernel for each channel and then a mixture of
            the channels (Kriman et al., 2019, https://arxiv.org/abs/1910.10261, 3.1);
            "causal", which looks at the frame and those before it; or "conv2d", over
            time and frequency.
        stride: frames from one output frame to the next.
        dilation: frames from one element of the kernel to the next.
        bands: frequencies under the kernel of "conv2d".
        l2: λ of the penalty λ/2·‖W‖².

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import FrameConvolution
        >>> layer = FrameConvolution(filters=8, kernel=11, kind="separable", stride=2)
        >>> y, mask = layer(ops.ones((2, 9, 4)), ops.ones((2, 9), "bool"))
        >>> ops.shape(y), ops.shape(mask)
        ((2, 5, 8), (2, 5))
    """

    def __init__(
        self,
        filters: int,
        kernel: int,
        kind: ConvolutionKind = "conv1d",
        stride: int = 1,
        dilation: int = 1,
        bands: int = 1,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("kind", kind, KINDS)
        sizes = {"filters": filters, "kernel": kernel, "stride": stride}
        for name, size in (sizes | {"dilation": dilation, "bands": bands}).items():
            check_range(name, size, 1, MAX_SIZE)
        if bands > 1 and kind != "conv2d":
            raise ValueError(f"bands are of a conv2d. Received: {bands} of a {kind}")
        self.filters = filters
        self.kernel = kernel
        self.kind = kind
        self.stride = stride
        self.dilation = dilation
        self.bands = bands
        self.l2 = l2

    def build(self, input_shape: Shape, *_: Shape) -> None:
        channels = input_shape[-1]
        shape: Shape = (self.kernel, channels, self.filters)
        if self.kind == "conv2d":
            shape = (self.kernel, self.bands, channels, self.filters)
        if self.kind == "separable":
            one_each = keras.initializers.RandomNormal(stddev=self.kernel**-0.5)
            self.depthwise = self._weight(
                "depthwise", (self.kernel, channels, 1), one_each
            )
            shape = (1, channels, self.filters)
        self.weight = self._weight("kernel", shape, "glorot_normal")

    def _weight(self, name: str, shape: Shape, initializer: object) -> keras.Variable:
        penalty = l2_penalty(self.l2)
        return self.add_weight(
            name=name, shape=shape, initializer=initializer, regularizer=penalty
        )

    def call(self, inputs: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
        """Convolve `inputs`, read as zero where `mask` (B, T) is False.

        Args:
            inputs: (B, T, D), or (B, T, F, D) of a "conv2d".
            mask: real frames.

        Returns:
            (B, ⌈T/stride⌉, C), or (B, ⌈T/stride⌉, F, C), and its mask; padded frames
            hold no meaning.
        """
        x = self._padded(apply_mask(inputs, mask))
        if self.kind == "separable":
            x = depthwise_convolution(x, self.depthwise, self.dilation)
            x = ops.matmul(x[:, :: self.stride], self.weight[0])
        elif self.kernel == self.bands == 1:
            kernel = ops.reshape(self.weight, (x.shape[-1], self.filters))
            x = ops.matmul(x[:, :: self.stride], kernel)
        else:
            x = self._convolve(x)
        lengths = strided_lengths(mask_lengths(mask), self.stride)
        return x, sequence_mask(lengths, ops.shape(x)[1])

    def _padded(self, x: Tensor) -> Tensor:
        reach = (self.kernel - 1) * self.dilation
        before = reach if self.kind == "causal" else reach // 2
        sides = [(before, reach - before)]
        if self.kind == "conv2d":
            sides.append(((self.bands - 1) // 2, self.bands // 2))
        if not reach and self.bands == 1:
            return x
        return ops.pad(x, [(0, 0), *sides, (0, 0)])

    def _convolve(self, x: Tensor) -> Tensor:
        steps, gaps = [self.stride], [self.dilation]
        if self.kind == "conv2d":
            steps, gaps = [*steps, 1], [*gaps, 1]
        if self.dilation == 1:
            return ops.conv(x, self.weight, steps, data_format="channels_last")
        ones = [1] * len(gaps)  # backends convolve either with steps or with gaps
        x = ops.conv(
            x, self.weight, ones, dilation_rate=gaps, data_format="channels_last"
        )
        return x[:, :: self.stride]

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        batch, time, *bands, _ = input_shape
        frames = time and strided_lengths(time, self.stride)
        return (batch, frames, *bands, self.filters)
