"""The encoder of OpenSeq2Seq's Centaur."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.residual_convolution import ResidualStack
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class CentaurEncoder(Encoder):
    """Residual convolutions over embedded characters, and a linear layer.

    (B, T, D) becomes (B, T, units). Each convolution is followed by batch
    normalization, ReLU and dropout.

    Args:
        units: width of the output.
        layers: convolutions.
        kernel: characters under a kernel.
        dropout: share dropped after each convolution in training.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import CentaurEncoder
        >>> encoder = CentaurEncoder(units=3, layers=2)
        >>> memory = encoder(ops.ones((2, 5, 6)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 5, 3)
    """

    def __init__(
        self,
        units: int = 256,
        layers: int = 4,
        kernel: int = 3,
        dropout: float = 0.1,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.layers = layers
        self.kernel = kernel
        self.dropout = dropout
        policy = self.dtype_policy
        self.convolutions = ResidualStack(
            layers, kernel, dropout=dropout, dtype=policy, name="convolutions"
        )
        self.exit = keras.layers.Dense(
            units, use_bias=False, dtype=policy, name="dense"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.convolutions.build(input_shape)
        self.exit.build(input_shape)
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        x = ops.cast(inputs, self.compute_dtype)
        x = self.convolutions(x, mask, training=training)
        return EncoderOutput(apply_mask(self.exit(x), mask), mask)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"units": 6, "layers": 2}

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.units)
