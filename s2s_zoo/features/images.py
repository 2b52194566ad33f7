"""Images to what a convolutional encoder reads."""

from collections.abc import Sequence
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.features.base import Features
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ImageFeatures(Features):
    """Bytes (B, 1, H, W, C) to (B, H, W, C), normalized channel by channel.

    An image counts as one frame. (x / 255 - mean) / deviation; zeros where there is no
    image.

    Args:
        size: H and W.
        channels: C, 1 for grey or 3 for red, green and blue.
        mean: of x / 255 of each channel, or one for all.
        deviation: likewise, its standard deviation.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import ImageFeatures
        >>> features = ImageFeatures(size=(8, 6), channels=3)
        >>> source = ops.ones((2, 1, 8, 6, 3), "uint8")
        >>> x, mask = features(source, ops.array([1, 0]))
        >>> ops.shape(x), ops.shape(mask)
        ((2, 8, 6, 3), (2, 1))
    """

    def __init__(
        self,
        size: Sequence[int],
        channels: int,
        mean: Sequence[float] = (0.5,),
        deviation: Sequence[float] = (0.25,),
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        if len(size) != 2:
            raise ValueError(f"size is (height, width). Received: {size}")
        for side in size:
            check_range("size", side, 1, MAX_SIZE)
        check_channels(channels)
        for name, values in (("mean", mean), ("deviation", deviation)):
            if len(values) not in (1, channels):
                raise ValueError(
                    f"{name} has 1 or {channels} numbers. Received: {values}"
                )
        if min(deviation) <= 0:
            raise ValueError(f"deviation is above 0. Received: {deviation}")
        self.size = size
        self.channels = channels
        self.mean = mean
        self.deviation = deviation

    @property
    def source_shape(self) -> Shape:
        return (None, None, *self.size, self.channels)

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Normalize `source` (B, 1, H, W, C) of bytes; `lengths` are 1, or 0 of none.

        Returns:
            (B, H, W, C) float32, and the mask (B, 1).
        """
        mask = sequence_mask(lengths, 1)
        x = ops.cast(source[:, 0], "float32") / 255.0
        mean, deviation = (
            ops.convert_to_tensor(values, "float32")
            for values in (self.mean, self.deviation)
        )
        x = (x - mean) / deviation
        return ops.where(mask[:, :, None, None], x, 0.0), mask

    def feature_shape(self, source_shape: Shape) -> Shape:
        return (source_shape[0], *self.size, self.channels)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths


def check_channels(channels: int) -> None:
    """Raise a ValueError unless images can have so many channels."""
    if channels not in (1, 3):
        raise ValueError(f"channels are 1 or 3. Received: {channels}")
