"""Features of audio of one length: frames of which there are always as many."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.features.audio import AudioFeatures
from s2s_zoo.features.base import Features
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MAX_SECONDS = 600.0


@keras.saving.register_keras_serializable("s2s_zoo")
class ClipFeatures(Features):
    """The features of clips of `seconds`: (B, T, D), or the images (B, T, D, 1).

    A clip is a whole: its padding is silence, and none of its frames is masked.

    Args:
        frontend: makes frames of waveforms, whose rate is its own.
        seconds: of every clip.
        image: whether what they give is an image of one channel, which counts as one
            frame.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import ClipFeatures, LogMel
        >>> features = ClipFeatures(LogMel(num_features=40), seconds=0.5)
        >>> features.feature_shape(features.source_shape)
        (None, 51, 40)
    """

    def __init__(
        self,
        frontend: AudioFeatures,
        seconds: float = 1.0,
        image: bool = False,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("seconds", seconds, 0.01, MAX_SECONDS)
        self.frontend = frontend
        self.seconds = seconds
        self.image = image

    @property
    def samples(self) -> int:
        """Samples of a clip, S."""
        return round(self.seconds * self.frontend.sample_rate)

    @property
    def source_shape(self) -> Shape:
        return (None, self.samples)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.frontend.frame_rate

    def build(self, source_shape: Shape, lengths_shape: Shape) -> None:
        self.frontend.build(source_shape, lengths_shape)
        self.built = True

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames (B, T, D) or images of `source` (B, S); an empty row has none."""
        is_real = ops.cast(lengths, "int32") > 0
        whole = ops.where(is_real, self.samples, 0)
        x, mask = self.frontend(source, whole, training=training)
        return (x[..., None], is_real[:, None]) if self.image else (x, mask)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        frames = 1 if self.image else self._frames
        return ops.where(ops.cast(lengths, "int32") > 0, frames, 0)

    def feature_shape(self, source_shape: Shape) -> Shape:
        shape = (source_shape[0], self._frames, self.frontend.num_features)
        return (*shape, 1) if self.image else shape

    @property
    def _frames(self) -> int:
        return self.samples // self.frontend.stride_samples + 1
