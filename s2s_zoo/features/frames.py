"""Frames that were computed before, as an encoder reads them."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.features.base import Features
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class FrameFeatures(Features):
    """Frames of a spectrogram as they are.

    Args:
        frame_size: D, channels of a frame.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import FrameFeatures
        >>> x, mask = FrameFeatures(4)(ops.ones((2, 5, 4)), ops.array([5, 3]))
        >>> ops.shape(x), int(ops.sum(mask))
        ((2, 5, 4), 8)
    """

    def __init__(self, frame_size: int, **kwargs: Unpack[LayerKwargs]) -> None:
        super().__init__(**kwargs)
        check_range("frame_size", frame_size, 1, MAX_SIZE)
        self.frame_size = frame_size

    @property
    def source_shape(self) -> Shape:
        return (None, None, self.frame_size)

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """The (B, T, D) frames of `source` and their mask (B, T)."""
        mask = sequence_mask(lengths, ops.shape(source)[1])
        return apply_mask(ops.cast(source, "float32"), mask), mask

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths

    def feature_shape(self, source_shape: Shape) -> Shape:
        return (source_shape[0], None, self.frame_size)
