"""Spectrograms of speech that is to be synthesized, made on the host."""

from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError, check_choice, check_range
from s2s_zoo.parts import PlainPart

MAX_RATE = 768_000
MAX_FFT = 1 << 16
MAX_MELS = 1024

Samples = NDArray[np.float32]


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class SpeechSpectrogram(PlainPart):
    """What a recording is to a synthesizer: frames of logarithms above a floor.

    Frames are those of the front ends: `librosa.stft(center=True,
    pad_mode="constant")`, a periodic Hann window, S > 0 samples giving 1 + S // stride
    frames. A mel channel is scale · log(max(m, floor) / floor) of the filtered
    magnitudes m, so that silence is 0 and nothing is below; a magnitude likewise.

    Attributes:
        sample_rate: samples per second of the recordings.
        fft_length: samples of a transform, even.
        window: samples of a frame.
        stride: samples between frames.
        num_mels: mel filters.
        mel_scale: "htk" or "slaney".
        mel_norm: "none" for filters with a peak of 1, "slaney" for equal areas.
        f_min: lowest frequency in Hz.
        f_max: highest frequency in Hz, None for half the sample rate.
        mel_floor: what is below counts as silence.
        magnitude_floor: the same of magnitudes.
        magnitudes: append the magnitudes of all frequencies to the mel channels.
        scale: of the logarithms.

    Raises:
        ValueError: an option out of its range.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.data.spectrogram import SpeechSpectrogram
        >>> frames = SpeechSpectrogram()(np.zeros(22050, "float32"))
        >>> frames.shape, float(frames.max())
        ((87, 80), 0.0)
    """

    sample_rate: int = 22050
    fft_length: int = 1024
    window: int = 1024
    stride: int = 256
    num_mels: int = 80
    mel_scale: Literal["htk", "slaney"] = "htk"
    mel_norm: Literal["none", "slaney"] = "none"
    f_min: float = 0.0
    f_max: float | None = None
    mel_floor: float = 1e-2
    magnitude_floor: float = 1e-5
    magnitudes: bool = False
    scale: float = 1.0

    def __post_init__(self) -> None:
        check_range("sample_rate", self.sample_rate, 1, MAX_RATE)
        check_range("fft_length", self.fft_length, 2, MAX_FFT)
        check_range("window", self.window, 1, MAX_FFT)
        check_range("stride", self.stride, 1, MAX_FFT)
        check_range("num_mels", self.num_mels, 1, MAX_MELS)
        check_choice("mel_scale", self.mel_scale, ("htk", "slaney"))
        check_choice("mel_norm", self.mel_norm, ("none", "slaney"))
        if self.fft_length % 2:
            raise ValueError(f"fft_length is even. Received: {self.fft_length}")
        for name in ("mel_floor", "magnitude_floor", "scale"):
            check_range(name, getattr(self, name), 1e-12, 1e12)

    def check(self) -> None:
        """Raise a UserError unless its numbers, which are set one by one, fit.

        Raises:
            UserError: frames leave gaps, are longer than the transform, or frequencies
                lie beyond half the sample rate.
        """
        if not self.stride <= self.window <= self.fft_length:
            sizes = (self.stride, self.window, self.fft_length)
            received = ", ".join(map(str, sizes))
            raise UserError(
                f"spectrogram: stride <= window <= fft_length. Received: {received}"
            )
        nyquist = self.sample_rate / 2
        if not 0 <= self.f_min < (self.f_max or nyquist) <= nyquist:
            raise UserError(
                f"spectrogram: 0 <= f_min < f_max <= {nyquist:g} Hz. Received: "
                f"{self.f_min!r} and {self.f_max!r}"
            )

    def unlike(self, other: "SpeechSpectrogram") -> str:
        """What other settings of mel frames another has, in words; empty for none.

        Example:
            >>> from s2s_zoo.data.spectrogram import SpeechSpectrogram
            >>> SpeechSpectrogram().unlike(SpeechSpectrogram(sample_rate=16000))
            'sample_rate 22050 and 16000, f_max 11025.0 and 8000.0'
        """
        one, two = self._of_mels, other._of_mels
        found = (f"{n} {one[n]} and {two[n]}" for n in one if one[n] != two[n])
        return ", ".join(found)

    @property
    def _of_mels(self) -> dict[str, Any]:
        """Settings that mel frames depend on."""
        others = ("magnitude_floor", "magnitudes")
        known = {
            name: value for name, value in vars(self).items() if name not in others
        }
        return known | {"f_max": self.f_max or self.sample_rate / 2}

    @property
    def bins(self) -> int:
        """Frequencies of a magnitude spectrum."""
        return self.fft_length // 2 + 1

    @property
    def width(self) -> int:
        """Channels of a frame."""
        return self.num_mels + (self.bins if self.magnitudes else 0)

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.stride

    def count(self, samples: int) -> int:
        """Frames of that many samples."""
        return 1 + samples // self.stride if samples else 0

    def __call__(self, audio: Samples) -> Samples:
        """(U, D) frames of `audio` (S,)."""
        if not len(audio):
            return np.zeros((0, self.width), np.float32)
        spectrum = self.magnitude(audio)
        channels = [self._logarithm(spectrum @ mel_filters(self), self.mel_floor)]
        if self.magnitudes:
            channels.append(self._logarithm(spectrum, self.magnitude_floor))
        return np.concatenate(channels, axis=1).astype(np.float32)

    def magnitude(self, audio: Samples) -> NDArray[np.float64]:
        """(U, bins) absolute values of the transform of `audio` (S,)."""
        half = self.fft_length // 2
        padded = np.pad(np.asarray(audio, np.float64), half)
        frames = np.lib.stride_tricks.sliding_window_view(padded, self.fft_length)
        spectrum = np.fft.rfft(frames[:: self.stride] * hann(self))
        return np.abs(spectrum)

    def _logarithm(
        self, values: NDArray[np.float64], floor: float
    ) -> NDArray[np.float64]:
        return self.scale * np.log(np.maximum(values, floor) / floor)


@cache
def hann(spectrogram: SpeechSpectrogram) -> NDArray[np.float64]:
    """(fft_length,) periodic Hann window, centred in the transform."""
    spectrogram.check()
    size, room = spectrogram.window, spectrogram.fft_length - spectrogram.window
    taper = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(size) / size)
    return np.pad(taper, (room // 2, room - room // 2))


@cache
def mel_filters(spectrogram: SpeechSpectrogram) -> NDArray[np.float64]:
    """(bins, num_mels), those of `librosa.filters.mel`."""
    from librosa.filters import mel

    spectrogram.check()
    norm = spectrogram.mel_norm
    filters: NDArray[np.float64] = mel(
        sr=spectrogram.sample_rate,
        n_fft=spectrogram.fft_length,
        n_mels=spectrogram.num_mels,
        fmin=spectrogram.f_min,
        fmax=spectrogram.f_max,
        htk=spectrogram.mel_scale == "htk",
        norm=None if norm == "none" else norm,
        dtype=np.float64,
    )
    return np.ascontiguousarray(filters.T)
