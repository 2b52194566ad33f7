"""Residual networks of images."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.encoders.image_memory import as_memory, memory_shape
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE
from s2s_zoo.layers.image_convolution import (
    ImageConvolution,
    max_pool,
    rows_of,
    window_count,
)
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.layers.residual_block import ResidualBlock
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


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
