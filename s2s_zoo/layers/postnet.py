"""Convolutions over the frames that a decoder wrote."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, ZooLayer
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MOMENTUM, EPSILON = 0.9, 1e-5
"""Of batch normalization; OpenSeq2Seq kept a tenth of the running statistics."""


@keras.saving.register_keras_serializable("s2s_zoo")
class Postnet(ZooLayer):
    """What is added to frames that were written from left to right.

    Shen et al., 2017, section 2.2: convolutions with batch normalization and tanh, the
    last one without it, and dropout after each.

    Args:
        layers: convolutions.
        filters: channels of all but the last.
        kernel: frames under a kernel.
        dropout: share dropped in training.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.postnet import Postnet
        >>> postnet = Postnet(layers=2, filters=8, kernel=3)
        >>> y = postnet(ops.ones((1, 6, 4)), ops.ones((1, 6), "bool"))
        >>> ops.shape(y)
        (1, 6, 4)
    """

    def __init__(
        self,
        layers: int = 5,
        filters: int = 512,
        kernel: int = 5,
        dropout: float = 0.5,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        self.layers = layers
        self.filters = filters
        self.kernel = kernel
        self.dropout = dropout
        self.drops = [
            keras.layers.Dropout(dropout, dtype=self.dtype_policy, name=f"dropout_{i}")
            for i in range(layers)
        ]

    def build(self, input_shape: Shape, *_: Shape) -> None:
        channels = input_shape[-1]
        widths = [self.filters] * (self.layers - 1) + [channels]
        self.convolutions = [
            NormalizedConvolution(
                width,
                self.kernel,
                momentum=MOMENTUM,
                epsilon=EPSILON,
                dtype=self.dtype_policy,
                name=f"convolution_{i}",
            )
            for i, width in enumerate(widths)
        ]
        for convolution in self.convolutions:
            convolution.build((None, None, channels))
            channels = self.filters
        self.built = True

    def call(
        self, frames: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, U, D) to be added to `frames` (B, U, D), zero where `mask` is False."""
        x = ops.cast(frames, self.compute_dtype)
        for i, convolution in enumerate(self.convolutions):
            x, _ = convolution(x, mask, training=training)
            x = ops.tanh(x) if i + 1 < self.layers else x
            x = self.drops[i](x, training=training)
        return apply_mask(x, mask)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable("s2s_zoo")
class MagnitudeHead(ZooLayer):
    """Magnitudes of all frequencies from mel frames, as OpenSeq2Seq's "both" mode.

    Two convolutions with batch normalization and ReLU, then a linear one.

    Args:
        size: frequencies F.
        filters: channels of both convolutions.
        kernel: frames under a kernel.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.postnet import MagnitudeHead
        >>> y = MagnitudeHead(9)(ops.ones((1, 6, 4)), ops.ones((1, 6), "bool"))
        >>> ops.shape(y)
        (1, 6, 9)
    """

    def __init__(
        self,
        size: int,
        filters: tuple[int, ...] = (256, 512),
        kernel: int = 4,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.size = size
        self.filters = filters
        self.kernel = kernel
        policy = self.dtype_policy
        self.convolutions = [
            NormalizedConvolution(
                width,
                kernel,
                momentum=MOMENTUM,
                epsilon=EPSILON,
                dtype=policy,
                name=f"convolution_{i}",
            )
            for i, width in enumerate(filters)
        ]
        self.dense = keras.layers.Dense(
            size, use_bias=False, dtype=policy, name="dense"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        channels = input_shape[-1]
        for convolution in self.convolutions:
            convolution.build((None, None, channels))
            channels = convolution.filters
        self.dense.build((None, None, channels))
        self.built = True

    def call(
        self, frames: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, U, F) of `frames` (B, U, D), zero where `mask` is False."""
        x = ops.cast(frames, self.compute_dtype)
        for convolution in self.convolutions:
            x = ops.relu(convolution(x, mask, training=training)[0])
        return apply_mask(self.dense(x), mask)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.size)
