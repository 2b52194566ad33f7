"""Convolutions of several widths side by side, each over the embedded tokens.

Kim, 2014, "Convolutional Neural Networks for Sentence Classification",
https://arxiv.org/abs/1408.5882, section 2.
"""

from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TextCNNEncoder(Encoder):
    """Feature maps of each width, with a ReLU: (B, T, D) becomes (B, T, K·filters).

    Tokens are in the middle of the kernel, of an even one in the left half of it. A
    decoder that pools the maximum makes the network of the paper.

    Args:
        kernels: tokens under the kernel of each of K convolutions.
        filters: feature maps of each.
        dropout: share of the inputs that is dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import TextCNNEncoder
        >>> encoder = TextCNNEncoder(kernels=(3, 4), filters=5)
        >>> memory = encoder(ops.ones((2, 7, 8)), ops.ones((2, 7), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 7, 10)
    """

    def __init__(
        self,
        kernels: Sequence[int] = (3, 4, 5),
        filters: int = 100,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("kernels", len(kernels), 1, MAX_LAYERS)
        check_range("filters", filters, 1, MAX_SIZE)
        self.kernels = kernels
        self.filters = filters
        self.dropout = dropout
        options = {"padding": "same", "activation": "relu", "dtype": self.dtype_policy}
        self.convolutions = [
            keras.layers.Conv1D(filters, kernel, name=f"width_{i}", **options)
            for i, kernel in enumerate(kernels)
        ]
        self.drop = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy, name="dropout"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        for convolution in self.convolutions:
            convolution.build(input_shape)
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        x = apply_mask(ops.cast(inputs, self.compute_dtype), mask)
        x = self.drop(x, training=training)
        maps = [convolution(x) for convolution in self.convolutions]
        return EncoderOutput(apply_mask(ops.concatenate(maps, axis=-1), mask), mask)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], len(self.kernels) * self.filters)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"filters": 4}
