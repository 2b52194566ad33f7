"""Convolutional networks of images, described by the columns of a table."""

from collections.abc import Sequence
from functools import partial
from typing import Any, ClassVar, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.encoders.image_memory import as_memory, memory_shape
from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.image_convolution import (
    PADDINGS,
    ImageConvolution,
    max_pool,
    rows_of,
    window_count,
)
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor

KINDS = ("conv", "norm_conv", "max_pool")


class Row(NamedTuple):
    """A layer: a row of the table of a `CNNEncoder`.

    Attributes:
        kind: "conv", a convolution with a bias; "norm_conv", one without, and a batch
            normalization; either with a ReLU; "max_pool", the largest of each window.
        kernel: rows and columns of a window.
        channels: of a convolution; 0 for pooling.
        stride: rows and columns from one window to the next.
        padding: "same" or "valid", or "symmetric" as of `ImageConvolution`.
    """

    kind: str
    kernel: int
    channels: int
    stride: int
    padding: Any


@keras.saving.register_keras_serializable("s2s_zoo")
class CNNEncoder(Encoder):
    """Convolutions and pooling; frames of the memory are the places of the last images.

    Args:
        kinds: column of kinds of layer; see `Row` for each column.
        kernels: column of sizes of windows.
        channels: column of output channels, 0 for pooling.
        strides: column of strides.
        paddings: column of what lies around images.
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        l2: λ of the penalty λ/2·‖w‖² on kernels and scales.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import CNNEncoder
        >>> encoder = CNNEncoder(
        ...     kinds=("conv", "max_pool", "norm_conv"), kernels=(3, 2, 3),
        ...     channels=(4, 0, 6), strides=(1, 2, 1), paddings=("same",) * 3)
        >>> encoder.build((None, 8, 8, 1))
        >>> memory = encoder(ops.ones((2, 8, 8, 1)), ops.ones((2, 1), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 16, 6)
    """

    TABLE: ClassVar[tuple[str, ...]] = (
        *("kinds", "kernels", "channels", "strides", "paddings"),
    )

    def __init__(
        self,
        kinds: Sequence[str],
        kernels: Sequence[int],
        channels: Sequence[int],
        strides: Sequence[int],
        paddings: Sequence[str],
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.kinds, self.kernels, self.channels = kinds, kernels, channels
        self.strides, self.paddings = strides, paddings
        self.momentum = momentum
        self.epsilon = epsilon
        self.l2 = l2
        self.rows = self._rows()
        self.convolutions = {
            str(i): self._convolution(row, f"convolution_{i}")
            for i, row in enumerate(self.rows)
            if row.channels
        }
        self.norms = {
            str(i): MaskedBatchNormalization(
                momentum, epsilon, l2, dtype=self.dtype_policy, name=f"norm_{i}"
            )
            for i, row in enumerate(self.rows)
            if row.kind == "norm_conv"
        }

    def _rows(self) -> list[Row]:
        columns = [getattr(self, name) for name in self.TABLE]
        sizes = [len(column) for column in columns]
        if len(set(sizes)) != 1 or not self.kinds:
            named = zip(self.TABLE, sizes, strict=True)
            found = ", ".join(f"{size} {name}" for name, size in named)
            raise ValueError(f"the columns of the table are as long. Received: {found}")
        rows = [Row(*row) for row in zip(*columns, strict=True)]
        check_range("layers", len(rows), 1, MAX_LAYERS)
        for row in rows:
            check_choice("kinds", row.kind, KINDS)
            check_choice("paddings", row.padding, PADDINGS)
            if (row.kind == "max_pool") == bool(row.channels):
                raise ValueError(
                    "channels are 0 for max_pool, above 0 for convolutions. Received: "
                    f"{row.channels} for {row.kind}"
                )
        return rows

    def _convolution(self, row: Row, name: str) -> ImageConvolution:
        return ImageConvolution(
            row.channels,
            row.kernel,
            row.stride,
            row.padding,
            bias=row.kind == "conv",
            l2=self.l2,
            dtype=self.dtype_policy,
            name=name,
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape = input_shape
        for i, row in enumerate(self.rows):
            if row.channels:
                self.convolutions[str(i)].build(shape)
            shape = _shape_after(row, shape)
            if str(i) in self.norms:
                self.norms[str(i)].build(shape)
        self.places = memory_shape(shape)[1]

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """Encode images (B, H, W, C), whose `mask` (B, 1) has one entry each.

        Returns:
            Sequence (B, H'·W', D), row by row, and its mask.
        """
        x = ops.cast(inputs, self.compute_dtype)
        for i, row in enumerate(self.rows):
            if row.kind == "max_pool":
                x = max_pool(x, row.kernel, row.stride, row.padding)
                continue
            x = self.convolutions[str(i)](x)
            if norm := self.norms.get(str(i)):
                x = norm(x, rows_of(mask, x), training=training)
            x = ops.relu(x)
        return as_memory(x, mask)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        for row in self.rows:
            input_shape = _shape_after(row, input_shape)
        return memory_shape(input_shape)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths * self.places

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        columns = part.keywords
        return {
            "channels": tuple(min(size, 4) for size in columns["channels"]),
            "kernels": tuple(min(size, 5) for size in columns["kernels"]),
            "strides": tuple(min(stride, 2) for stride in columns["strides"]),
        }


def _shape_after(row: Row, shape: Shape) -> Shape:
    batch, *sides, channels = shape
    after = (window_count(n, row.kernel, row.stride, row.padding) for n in sides)
    return (batch, *after, row.channels or channels)
