"""What keras-hub's converters make of audio and images, in the graph of the model."""

from collections.abc import Sequence
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.features.base import Features
from s2s_zoo.hub import describe, keras_hub, load, make
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

_FLOOR = 1e-10
_RANGE = 8.0
"""Powers of ten below the loudest that are told apart."""


@keras.saving.register_keras_serializable("s2s_zoo")
class KerasHubAudio(Features):
    """Waveforms as the converter of a Whisper preset prepares them.

    Every waveform is cut or filled with silence to the seconds the converter states,
    30 for the published presets, since the encoder attends to silence too: so neither
    padding nor neighbours change a result. Features are
    max(log₁₀ mel, its maximum - 8) / 4 + 1 (Radford et al., 2023, section 2.2).

    Args:
        converter: name of a keras-hub preset, a local preset directory, or the
            description `{"name": …, "config": …}` that it becomes.

    Raises:
        ValueError: no converter for Whisper.
        UserError: no such preset, or keras-hub is not installed.

    Example:
        >>> from s2s_zoo.features import KerasHubAudio
        >>> whisper = {"name": "keras_hub>WhisperAudioConverter"}
        >>> features = KerasHubAudio(whisper | {"config": {"max_audio_length": 1}})
        >>> features.converter["config"]
        {'max_audio_length': 1}
    """

    def __init__(
        self, converter: str | dict[str, Any], **kwargs: Unpack[LayerKwargs]
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(converter, str):
            kind = keras_hub().layers.AudioConverter
            converter = describe(load(kind, converter, "audio converter"))
        self.converter = dict(converter)

    def build(self, *_: Shape) -> None:
        made = make(keras_hub().layers.WhisperAudioConverter, self.converter)
        self._sizes = {
            "sequence_length": made.num_fft_bins,
            "sequence_stride": made.stride,
            "fft_length": made.num_fft_bins,
        }
        self._samples: int = made.num_samples
        self._filters = made.mel_filters
        self.sample_rate: int = made.sampling_rate
        self.built = True

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self._sizes["sequence_stride"]

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, D) features of `source` (B, S), T the same always, and their mask."""
        audio = ops.cast(source, "float32")[:, : self._samples]
        audio = ops.where(sequence_mask(lengths, ops.shape(audio)[1]), audio, 0.0)
        rest = self._samples - ops.shape(audio)[1]
        x = self._log_mel(ops.pad(audio, ((0, 0), (0, rest))))
        mask = sequence_mask(self.output_lengths(lengths), ops.shape(x)[1])
        return x, mask

    def _log_mel(self, audio: Tensor) -> Tensor:
        real, imaginary = ops.stft(audio, **self._sizes, window="hann", center=True)
        power = (ops.square(real) + ops.square(imaginary))[:, :-1]
        mel = ops.matmul(power, ops.convert_to_tensor(self._filters, "float32"))
        x = ops.log10(ops.maximum(mel, _FLOOR))
        loudest = ops.max(x, axis=(1, 2), keepdims=True)
        return (ops.maximum(x, loudest - _RANGE) + 4.0) / 4.0

    def output_lengths(self, lengths: Tensor) -> Tensor:
        stride = self._sizes["sequence_stride"]
        frames = (ops.cast(lengths, "int32") + stride - 1) // stride
        return ops.minimum(frames, self._samples // stride)

    def feature_shape(self, source_shape: Shape) -> Shape:
        frames = self._samples // self._sizes["sequence_stride"]
        return (source_shape[0], frames, self._filters.shape[1])


@keras.saving.register_keras_serializable("s2s_zoo")
class KerasHubImages(Features):
    """Bytes (B, 1, H, W, C) as the converter of a keras-hub preset prepares images.

    The size of the images is that of the task; the converter scales and moves their
    values, and would resize them.

    Args:
        size: H and W.
        converter: name of a keras-hub preset, a local preset directory, or the
            description `{"name": …, "config": …}` that it becomes.
        channels: C.

    Raises:
        ValueError: no converter of images.
        UserError: no such preset, or keras-hub is not installed.

    Example:
        >>> from s2s_zoo.features import KerasHubImages
        >>> resnet = {"name": "keras_hub>ResNetImageConverter"}
        >>> features = KerasHubImages((8, 8), resnet | {"config": {"scale": 0.5}})
        >>> features.converter["config"]
        {'scale': 0.5}
    """

    def __init__(
        self,
        size: Sequence[int],
        converter: str | dict[str, Any],
        channels: int = 3,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        if isinstance(converter, str):
            kind = keras_hub().layers.ImageConverter
            converter = describe(load(kind, converter, "image converter"))
        self.size = size
        self.channels = channels
        self.converter = dict(converter)

    def build(self, *_: Shape) -> None:
        made = make(keras_hub().layers.ImageConverter, self.converter, "float32")
        self._resizing = made.resizing if made.image_size else None
        self._size = tuple(made.image_size or self.size)
        self._scale = 1.0 if made.scale is None else made.scale
        self._offset = 0.0 if made.offset is None else made.offset
        self.built = True

    @property
    def source_shape(self) -> Shape:
        return (None, None, *self.size, self.channels)

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, H', W', C) float32 of `source` (B, 1, H, W, C), and the mask (B, 1)."""
        mask = sequence_mask(lengths, 1)
        x = ops.cast(source[:, 0], "float32")
        if self._resizing is not None:
            x = self._resizing(x)
        scale, offset = (
            ops.convert_to_tensor(value, "float32")
            for value in (self._scale, self._offset)
        )
        return ops.where(mask[:, :, None, None], x * scale + offset, 0.0), mask

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths

    def feature_shape(self, source_shape: Shape) -> Shape:
        return (source_shape[0], *self._size, self.channels)
