"""Residual networks of images."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE, ZooLayer
from s2s_zoo.layers.image_convolution import (
    ImageConvolution,
    max_pool,
    window_count,
)
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor

EXPANSION = 4
"""Channels of a bottleneck's output for one of its inner ones."""


class Geometry(NamedTuple):
    """Of a block.

    Attributes:
        width: channels of its first convolution.
        stride: of the block.
        projects: whether a convolution of its own makes the shortcut fit.
    """

    width: int
    stride: int
    projects: bool


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


@keras.saving.register_keras_serializable("s2s_zoo")
class ResNetEncoder(Encoder):
    """A residual network; frames of the memory are the places of its last images.

    A stem, and stages of residual blocks: each stage has twice the channels of the one
    before, and all but the first a stride of 2. He et al., 2015 and 2016; see
    `ResidualBlock`.

    Args:
        blocks: of each stage.
        width: channels of the blocks of the first stage.
        bottleneck: see `ResidualBlock`.
        version: 1, or 2 with a normalization and ReLU at the end.
        stem_kernel: of the first convolution, to `width` channels.
        stem_stride: its stride.
        stem_pool: behind it, the largest of 3 x 3 at a stride of 2.
        strides_last: the stride of a stage is that of its last block instead of its
            first, as in `keras.applications`: then the last stage has none.
        bias: in the stem and where `ResidualBlock` says.
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        l2: λ of the penalty λ/2·‖W‖² on kernels.
        scale_l2: likewise on the scales of normalizations.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import ResNetEncoder
        >>> encoder = ResNetEncoder(blocks=(1, 1), width=4, stem_pool=False)
        >>> encoder.build((None, 16, 16, 3))
        >>> memory = encoder(ops.ones((2, 16, 16, 3)), ops.ones((2, 1), "bool"))
        >>> ops.shape(memory.sequence), ops.shape(memory.mask)
        ((2, 16, 8), (2, 16))
    """

    def __init__(
        self,
        blocks: Sequence[int],
        width: int = 64,
        bottleneck: bool = False,
        version: Literal[1, 2] = 2,
        stem_kernel: int = 7,
        stem_stride: int = 2,
        stem_pool: bool = True,
        strides_last: bool = False,
        bias: bool = False,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        l2: float = 0.0,
        scale_l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("version", version, 1, 2)
        check_range("width", width, 1, MAX_SIZE)
        check_range("blocks", sum(blocks), 1, MAX_LAYERS)
        if min(blocks) < 1:
            raise ValueError(f"blocks of a stage are 1 or more. Received: {blocks}")
        self.blocks = blocks
        self.width = width
        self.bottleneck = bottleneck
        self.version = version
        self.stem_kernel = stem_kernel
        self.stem_stride = stem_stride
        self.stem_pool = stem_pool
        self.strides_last = strides_last
        self.bias = bias
        self.momentum = momentum
        self.epsilon = epsilon
        self.l2 = l2
        self.scale_l2 = scale_l2
        self._make_layers()

    def _make_layers(self) -> None:
        self.stem = ImageConvolution(
            self.width,
            self.stem_kernel,
            self.stem_stride,
            bias=self.bias,
            l2=self.l2,
            dtype=self.dtype_policy,
            name="stem",
        )
        self.residual_blocks = [
            ResidualBlock(
                geometry.width,
                geometry.stride,
                projection=geometry.projects,
                bottleneck=self.bottleneck,
                version=self.version,
                bias=self.bias,
                momentum=self.momentum,
                epsilon=self.epsilon,
                l2=self.l2,
                scale_l2=self.scale_l2,
                dtype=self.dtype_policy,
                name=f"block_{i}",
            )
            for i, geometry in enumerate(self._geometries())
        ]
        self.norm = MaskedBatchNormalization(
            self.momentum,
            self.epsilon,
            self.scale_l2,
            dtype=self.dtype_policy,
            name="norm",
        )

    def _geometries(self) -> Iterator[Geometry]:
        last_stage = len(self.blocks) - 1
        for stage, count in enumerate(self.blocks):
            for place in range(count):
                if self.strides_last:
                    strides = place == count - 1 and stage < last_stage
                else:
                    strides = place == 0 and stage > 0
                width = self.width * 2**stage
                yield Geometry(width, 2 if strides else 1, place == 0)

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.stem.build(input_shape)
        shape = self.stem.compute_output_shape(input_shape)
        if self.version == 1:
            self.norm.build(shape)
        shape = self._pooled_shape(shape)
        for block in self.residual_blocks:
            block.build(shape)
            shape = block.compute_output_shape(shape)
        if self.version == 2:
            self.norm.build(shape)
        self.places = memory_shape(shape)[1]

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """Encode images (B, H, W, C), whose `mask` (B, 1) has one entry each.

        Returns:
            Sequence (B, H'·W', D), row by row, and its mask.
        """
        x = self.stem(inputs)
        if self.version == 1:
            x = ops.relu(self.norm(x, rows_of(mask, x), training=training))
        if self.stem_pool:
            x = max_pool(x, size=3, stride=2, padding="symmetric")
        for block in self.residual_blocks:
            x = block(x, mask, training=training)
        if self.version == 2:
            x = ops.relu(self.norm(x, rows_of(mask, x), training=training))
        return as_memory(x, mask)

    def _pooled_shape(self, shape: Shape) -> Shape:
        if not self.stem_pool:
            return shape
        batch, *sides, channels = shape
        pooled = (window_count(side, 3, 2, "symmetric") for side in sides)
        return (batch, *pooled, channels)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        shape = self._pooled_shape(self.stem.compute_output_shape(input_shape))
        for block in self.residual_blocks:
            shape = block.compute_output_shape(shape)
        return memory_shape(shape)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths * self.places

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        first, *_ = part.keywords["blocks"]
        return {"blocks": (min(first, 2), 1), "width": 4}


def as_memory(x: Tensor, mask: Tensor) -> EncoderOutput:
    """The places of images (B, H, W, C) as frames, real where `mask` (B, 1) is."""
    _, height, width, channels = x.shape
    x = ops.reshape(x, (-1, height * width, channels))
    mask = ops.broadcast_to(mask, ops.shape(x)[:2])
    return EncoderOutput(apply_mask(x, mask), mask)


def memory_shape(shape: Shape) -> Shape:
    """That of the memory of images of a shape (B, H, W, C)."""
    batch, height, width, channels = shape
    return (batch, height * width, channels)


def rows_of(mask: Tensor, x: Tensor) -> Tensor:
    """A mask (B, 1) of images as that of their rows, (B, H) of `x` (B, H, W, C)."""
    return ops.repeat(mask, x.shape[1], axis=1)
