"""What a recording sounds like, whatever it says (Skerry-Ryan et al., 2018)."""

from collections.abc import Sequence
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, ZooLayer
from s2s_zoo.layers.convolution import SpectrogramConvolution
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.recurrent import Recurrence
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ReferenceEncoder(ZooLayer):
    """One vector for a recording, from its spectrogram.

    Convolutions of 3 × 3 over time and frequency, each of stride 2 and followed by
    batch normalization and ReLU, a GRU over what is left of time, and a dense layer
    with tanh of its last state (Skerry-Ryan et al., 2018, section 3.1.2,
    https://arxiv.org/abs/1803.09047; Wang et al., 2018, section 3.2,
    https://arxiv.org/abs/1803.09017). Zeros stand on both sides of an image, so that
    nothing depends on how far it is padded.

    Args:
        filters: channels of each convolution.
        units: width of the GRU and of the vector.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.reference_encoder import ReferenceEncoder
        >>> layer = ReferenceEncoder(filters=(2, 4), units=3)
        >>> ops.shape(layer(ops.ones((1, 9, 8)), ops.ones((1, 9), "bool")))
        (1, 3)
    """

    def __init__(
        self,
        filters: Sequence[int] = (32, 32, 64, 64, 128, 128),
        units: int = 128,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("filters", len(filters), 1, MAX_LAYERS)
        self.filters = filters
        self.units = units
        policy = self.dtype_policy
        self.convolutions = [
            SpectrogramConvolution(
                channels, (3, 3), (2, 2), dtype=policy, name=f"convolution_{i}"
            )
            for i, channels in enumerate(filters)
        ]
        self.recurrence = Recurrence(units, "gru", dtype=policy, name="rnn")
        self.dense = keras.layers.Dense(units, "tanh", dtype=policy, name="dense")

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape: Shape = (*input_shape, 1)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        self.recurrence.build((*shape[:2], shape[2] * shape[3]))
        self.dense.build((None, self.units))
        self.built = True

    def call(
        self, frames: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, units) of `frames` (B, U, M), real where `mask` (B, U) is True."""
        x = apply_mask(ops.cast(frames, self.compute_dtype), mask)[..., None]
        for convolution in self.convolutions:
            x, mask = convolution(x, mask, training=training)
        x = ops.reshape(x, (-1, ops.shape(x)[1], x.shape[2] * x.shape[3]))
        _, (state,) = self.recurrence.read(x, mask)
        return self.dense(ops.cast(state, self.compute_dtype))

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (input_shape[0], self.units)
