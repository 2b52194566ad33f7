"""The encoder of ConvS2S (Gehring et al., 2017, https://arxiv.org/abs/1705.03122)."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.gated_convolution import (
    GatedConvolution,
    balanced_sum,
    check_stack,
    scaled_stack,
)
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.positions import LearnedPositions
from s2s_zoo.layers.weight_normalization import WeightNormalizedDense
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvS2SEncoder(Encoder):
    """Learned positions, then gated convolutions over the source.

    Attention compares with what the convolutions give, the keys, and mixes their sum
    with the embedded source, the values (3.3); both are (B, T, D), as the source is.

    Args:
        channels: of each convolution.
        kernels: frames under each convolution.
        attention_layers: attentions that read the memory, N; gradients into the
            convolutions are scaled by 1/2N, as each of them sends some (3.5).
        max_length: frames with a position of their own; those beyond share the last.
        dropout: share of the embedded source and of the convolutions' inputs dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import ConvS2SEncoder
        >>> encoder = ConvS2SEncoder((4,), (3,), attention_layers=2, max_length=8)
        >>> memory = encoder(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence), ops.shape(memory.keys)
        ((2, 5, 4), (2, 5, 4))
    """

    def __init__(
        self,
        channels: Sequence[int],
        kernels: Sequence[int],
        attention_layers: int,
        max_length: int = 1024,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_stack(channels, kernels)
        check_range("attention_layers", attention_layers, 1, MAX_LAYERS)
        self.channels = channels
        self.kernels = kernels
        self.attention_layers = attention_layers
        self.max_length = max_length
        self.dropout = dropout
        policy = self.dtype_policy
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.entry = WeightNormalizedDense(
            channels[0], 1 - dropout, dtype=policy, name="entry"
        )
        sizes = enumerate(zip(channels, kernels, strict=True))
        self.convolutions = [
            GatedConvolution(*size, False, dropout, dtype=policy, name=f"conv_{i}")
            for i, size in sizes
        ]

    def build(self, input_shape: Shape, *_: Shape) -> None:
        *sizes, width = input_shape
        self.positions = LearnedPositions(self.max_length, width, name="positions")
        self.positions.build()
        self.entry.build(input_shape)
        widths = (self.channels[0], *self.channels)
        for convolution, channels in zip(self.convolutions, widths, strict=False):
            convolution.build((*sizes, channels))
        self.exit = WeightNormalizedDense(width, dtype=self.dtype_policy, name="exit")
        self.exit.build((*sizes, widths[-1]))

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        positions = self.positions(ops.arange(ops.shape(inputs)[1], dtype="int32"))
        embedded = self.drop(ops.add(inputs, positions), training=training)
        embedded = apply_mask(embedded, mask)
        x = self.entry(embedded)
        for convolution in self.convolutions:
            x = balanced_sum(*convolution(x, mask, training=training))
        x = _scale_gradient(self.exit(x), 1 / (2 * self.attention_layers))
        keys = apply_mask(x, mask)
        return EncoderOutput(balanced_sum(keys, embedded), mask, keys=keys)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return scaled_stack(part)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape


def _scale_gradient(x: Tensor, scale: float) -> Tensor:
    """`x`, whose gradient is multiplied by `scale` on the way back."""

    @ops.custom_gradient
    def identity(x: Tensor) -> tuple[Tensor, Any]:
        def gradient(*args: Tensor, upstream: Tensor | None = None) -> Tensor:
            return (args[0] if upstream is None else upstream) * scale

        return x, gradient

    return identity(x)
