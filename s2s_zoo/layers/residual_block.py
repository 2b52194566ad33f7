"""The block that residual networks of images are made of."""

from typing import Literal, Unpack

import keras
from keras import ops

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.image_convolution import ImageConvolution, rows_of
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

EXPANSION = 4
"""Channels of a bottleneck's output for one of its inner ones."""


@keras.saving.register_keras_serializable("s2s_zoo")
class ResidualBlock(ZooLayer):
    """A residual block of images (B, H, W, C).

    Version 1 normalizes after each convolution and adds before the last ReLU (He et
    al., 2015, https://arxiv.org/abs/1512.03385); version 2 normalizes before (He et
    al., 2016, https://arxiv.org/abs/1603.05027). Two convolutions of 3; or of 1, 3, 1:
    a bottleneck, which gives 4 times its width.

    Args:
        width: channels of the first convolution.
        stride: of the convolution of 3, the first of two.
        bottleneck: 1, 3 and 1 instead of two of 3.
        projection: a convolution of 1 in the shortcut; without it, a shortcut of
            another stride leaves out rows and columns.
        version: 1 or 2.
        bias: learn one in the convolutions that nothing normalizes in version 2, in all
            of version 1.
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        l2: λ of the penalty λ/2·‖W‖² on kernels.
        scale_l2: likewise on the scales of normalizations.
    """

    def __init__(
        self,
        width: int,
        stride: int = 1,
        bottleneck: bool = False,
        projection: bool = False,
        version: Literal[1, 2] = 2,
        bias: bool = False,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        l2: float = 0.0,
        scale_l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.stride = stride
        self.bottleneck = bottleneck
        self.projection = projection
        self.version = version
        self.bias = bias
        self.momentum = momentum
        self.epsilon = epsilon
        self.l2 = l2
        self.scale_l2 = scale_l2
        self.convolutions = [
            self._convolution(f"convolution_{i}", i == last, **sizes)
            for last in [len(self._sizes()) - 1]
            for i, sizes in enumerate(self._sizes())
        ]
        self.norms = [self._norm(f"norm_{i}") for i in range(len(self.convolutions))]
        if projection:
            self.shortcut = self._convolution(
                "shortcut", True, filters=self.channels, kernel=1, stride=stride
            )
            if version == 1:
                self.shortcut_norm = self._norm("shortcut_norm")

    @property
    def channels(self) -> int:
        """Of what it gives."""
        return self.width * (EXPANSION if self.bottleneck else 1)

    def _sizes(self) -> list[dict[str, int]]:
        if not self.bottleneck:
            first = {"filters": self.width, "kernel": 3, "stride": self.stride}
            return [first, {"filters": self.width, "kernel": 3, "stride": 1}]
        return [
            {"filters": self.width, "kernel": 1, "stride": 1},
            {"filters": self.width, "kernel": 3, "stride": self.stride},
            {"filters": self.channels, "kernel": 1, "stride": 1},
        ]

    def _convolution(
        self, name: str, is_last: bool, filters: int, kernel: int, stride: int
    ) -> ImageConvolution:
        return ImageConvolution(
            filters,
            kernel,
            stride,
            bias=self.bias and (is_last or self.version == 1),
            l2=self.l2,
            dtype=self.dtype_policy,
            name=name,
        )

    def _norm(self, name: str) -> MaskedBatchNormalization:
        return MaskedBatchNormalization(
            self.momentum,
            self.epsilon,
            self.scale_l2,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape = input_shape
        if self.projection:
            self.shortcut.build(shape)
            if self.version == 1:
                self.shortcut_norm.build(self.shortcut.compute_output_shape(shape))
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            if self.version == 2:
                norm.build(shape)
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
            if self.version == 1:
                norm.build(shape)

    def call(
        self, inputs: Tensor, real: Tensor, training: bool | None = None
    ) -> Tensor:
        """The block of `inputs` (B, H, W, C), images where `real` (B, 1) is True."""
        inputs = ops.cast(inputs, self.compute_dtype)
        if self.version == 1:
            return self._after(inputs, real, training)
        return self._before(inputs, real, training)

    def _after(self, inputs: Tensor, real: Tensor, training: bool | None) -> Tensor:
        """Version 1: convolution, normalization, ReLU."""
        x = inputs
        for i, layers in enumerate(zip(self.convolutions, self.norms, strict=True)):
            convolution, norm = layers
            x = convolution(ops.relu(x) if i else x)
            x = norm(x, rows_of(real, x), training=training)
        added = self._shortcut(inputs)
        if self.projection:
            added = self.shortcut_norm(added, rows_of(real, added), training=training)
        return ops.relu(x + added)

    def _before(self, inputs: Tensor, real: Tensor, training: bool | None) -> Tensor:
        """Version 2: normalization, ReLU, convolution."""
        x, added = inputs, None
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = ops.relu(norm(x, rows_of(real, x), training=training))
            if added is None:
                added = self._shortcut(x if self.projection else inputs)
            x = convolution(x)
        return x + added

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.projection:
            return self.shortcut(x)
        return x[:, :: self.stride, :: self.stride] if self.stride > 1 else x

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        for convolution in self.convolutions:
            input_shape = convolution.compute_output_shape(input_shape)
        return input_shape
