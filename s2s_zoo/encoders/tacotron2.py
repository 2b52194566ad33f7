"""The encoder of Tacotron 2 (Shen et al., 2017, https://arxiv.org/abs/1712.05884)."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
from s2s_zoo.layers.recurrent import Recurrence
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class Tacotron2Encoder(Encoder):
    """Convolutions over embedded characters, and a bidirectional LSTM.

    (B, T, D) becomes (B, T, 2H). Each convolution is followed by batch normalization,
    ReLU and dropout (section 2.2).

    Args:
        units: width H of one direction of the LSTM.
        filters: channels of the convolutions.
        layers: convolutions.
        kernel: characters under a kernel.
        dropout: share dropped after each convolution in training.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import Tacotron2Encoder
        >>> encoder = Tacotron2Encoder(units=3, filters=4)
        >>> memory = encoder(ops.ones((2, 5, 6)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 5, 6)
    """

    def __init__(
        self,
        units: int = 256,
        filters: int = 512,
        layers: int = 3,
        kernel: int = 5,
        dropout: float = 0.5,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        self.units = units
        self.filters = filters
        self.layers = layers
        self.kernel = kernel
        self.dropout = dropout
        self._make_layers()

    def _make_layers(self) -> None:
        policy = self.dtype_policy
        self.convolutions = [
            NormalizedConvolution(
                self.filters,
                self.kernel,
                momentum=0.9,
                epsilon=1e-5,
                dtype=policy,
                name=f"convolution_{i}",
            )
            for i in range(self.layers)
        ]
        self.drops = [
            keras.layers.Dropout(self.dropout, dtype=policy, name=f"dropout_{i}")
            for i in range(self.layers)
        ]
        self.recurrence = Recurrence(
            self.units, "lstm", bidirectional=True, dtype=policy, name="rnn"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape = input_shape
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = (*shape[:-1], self.filters)
        self.recurrence.build(shape)
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """Encode `inputs` (B, T, D) to a sequence (B, T, 2H)."""
        x = ops.cast(inputs, self.compute_dtype)
        for convolution, drop in zip(self.convolutions, self.drops, strict=True):
            x, _ = convolution(x, mask, training=training)
            x = drop(ops.relu(x), training=training)
        x = self.recurrence(apply_mask(x, mask), mask)
        return EncoderOutput(x, mask)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"units": 4, "filters": 8, "layers": 1}

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], 2 * self.units)
