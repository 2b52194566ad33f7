"""The encoder of a model whose decoder reads features as they are."""

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.typing import EncoderOutput, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class FrameEncoder(Encoder):
    """Hands features on as the memory; it has no weights.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import FrameEncoder
        >>> memory = FrameEncoder()(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 5, 4)
    """

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """The memory of `inputs` (B, T, D): they themselves."""
        x = apply_mask(ops.cast(inputs, self.compute_dtype), mask)
        return EncoderOutput(x, mask)

    @property
    def context_frames(self) -> int:
        return 0

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape
