"""The unit of convolutional recognizers: convolution, normalization, activation."""

from typing import Literal, TypeAlias, Unpack

import keras

from s2s_zoo.errors import check_choice
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.frame_convolution import ConvolutionKind, FrameConvolution
from s2s_zoo.layers.instance_normalization import MaskedInstanceNormalization
from s2s_zoo.layers.normalization import LayerNormalization, MaskedBatchNormalization
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

Normalizer: TypeAlias = Literal["batch", "layer", "instance", "none"]
NORMALIZERS = ("batch", "layer", "instance", "none")


@keras.saving.register_keras_serializable("s2s_zoo")
class NormalizedConvolution(ZooLayer):
    """Convolution over frames and normalization, with neither bias nor activation.

    Args:
        filters: C, output channels.
        kernel: frames under the kernel.
        kind: of the convolution, as of `FrameConvolution`.
        stride: frames from one output frame to the next.
        dilation: frames from one element of the kernel to the next.
        bands: frequencies under the kernel of "conv2d".
        normalization: "batch" over the unpadded frames of all examples, "instance" of
            each, "layer" of each frame, or "none".
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        l2: λ of the penalty λ/2·‖W‖² on kernels.
        scale_l2: the same on the scale of batch normalization.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import NormalizedConvolution
        >>> layer = NormalizedConvolution(filters=8, kernel=3, stride=2)
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
        normalization: Normalizer = "batch",
        momentum: float = 0.9,
        epsilon: float = 1e-3,
        l2: float = 0.0,
        scale_l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("normalization", normalization, NORMALIZERS)
        self.filters = filters
        self.kernel = kernel
        self.kind = kind
        self.stride = stride
        self.dilation = dilation
        self.bands = bands
        self.normalization = normalization
        self.momentum = momentum
        self.epsilon = epsilon
        self.l2 = l2
        self.scale_l2 = scale_l2
        self.convolution = FrameConvolution(
            filters,
            kernel,
            kind=kind,
            stride=stride,
            dilation=dilation,
            bands=bands,
            l2=l2,
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.normalizer = self._make_normalizer()

    def _make_normalizer(self) -> ZooLayer | None:
        options: LayerKwargs = {"dtype": self.dtype_policy, "name": "normalization"}
        if self.normalization == "batch":
            return MaskedBatchNormalization(
                momentum=self.momentum,
                epsilon=self.epsilon,
                l2=self.scale_l2,
                **options,
            )
        if self.normalization == "instance":
            return MaskedInstanceNormalization(self.epsilon, **options)
        if self.normalization == "layer":
            return LayerNormalization(self.epsilon, **options)
        return None

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.convolution.build(input_shape)
        if self.normalizer:
            self.normalizer.build(self.compute_output_shape(input_shape))

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Convolve `inputs` (B, T, ..., D), read as zero where `mask` (B, T) is False.

        Returns:
            (B, ⌈T/stride⌉, ..., C) and its mask; padded frames hold no meaning.
        """
        x, mask = self.convolution(inputs, mask)
        if self.normalizer:
            x = self.normalizer(x, mask, training=training)
        return x, mask

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return self.convolution.compute_output_shape(input_shape)
