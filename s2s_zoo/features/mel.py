"""Log mel filterbank energies and their cepstra."""

from typing import Literal, TypeAlias, Unpack

import keras
import numpy as np
from keras import ops

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.features.audio import MIN_FLOOR, AudioFeatures, AudioOptions
from s2s_zoo.typing import Shape, Tensor

MelScale: TypeAlias = Literal["slaney", "htk"]
MelNorm: TypeAlias = Literal["slaney", "none"]

MAX_FILTERS = 1024


class LogMelOptions(AudioOptions, total=False):
    """Keyword arguments `MFCC` passes on to `LogMel`."""

    mel_scale: MelScale
    mel_norm: MelNorm
    f_min: float
    f_max: float | None
    floor: float


@keras.saving.register_keras_serializable("s2s_zoo")
class LogMel(AudioFeatures):
    """Natural logarithm of mel filterbank energies: log(power @ filters + floor).

    The filters are those of `librosa.filters.mel`.

    Args:
        num_features: D, mel filters.
        mel_scale: "slaney" (linear below 1 kHz) or "htk".
        mel_norm: "slaney" for filters of equal area, "none" for a peak of 1.
        f_min: lowest frequency in Hz.
        f_max: highest frequency in Hz; None is half the sample rate.
        floor: added to the energies; the default is below the rounding of 16-bit
            audio.
        **options: those of `AudioFeatures`.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import LogMel
        >>> features = LogMel(num_features=26, mel_scale="htk")
        >>> x, mask = features(ops.ones((2, 8000)), ops.array([8000, 4000]))
        >>> ops.shape(x), int(ops.sum(mask[1]))
        ((2, 51, 26), 26)
    """

    def __init__(
        self,
        num_features: int = 64,
        *,
        mel_scale: MelScale = "slaney",
        mel_norm: MelNorm = "slaney",
        f_min: float = 0.0,
        f_max: float | None = None,
        floor: float = 1e-10,
        **options: Unpack[AudioOptions],
    ) -> None:
        super().__init__(num_features, **options)
        self.mel_scale, self.mel_norm = mel_scale, mel_norm
        self.f_min, self.f_max = f_min, f_max
        self.floor = floor
        self._check_mel()

    @property
    def num_filters(self) -> int:
        """Mel filters."""
        return self.num_features

    def build(self, source_shape: Shape, lengths_shape: Shape) -> None:
        from librosa.filters import mel

        filters = mel(
            sr=self.sample_rate,
            n_fft=self.fft_samples,
            n_mels=self.num_filters,
            fmin=self.f_min,
            fmax=self.f_max,
            htk=self.mel_scale == "htk",
            norm=None if self.mel_norm == "none" else self.mel_norm,
        )
        self._filters = np.ascontiguousarray(filters.T)
        super().build(source_shape, lengths_shape)

    def from_power(self, power: Tensor) -> Tensor:
        filters = ops.convert_to_tensor(self._filters, "float32")
        return ops.log(ops.matmul(power, filters) + self.floor)

    def _check_mel(self) -> None:
        check_range("num_features", self.num_features, 1, MAX_FILTERS)
        check_range("floor", self.floor, MIN_FLOOR, 1.0)
        check_choice("mel_scale", self.mel_scale, ("slaney", "htk"))
        check_choice("mel_norm", self.mel_norm, ("slaney", "none"))
        nyquist = self.sample_rate / 2
        if not 0 <= self.f_min < (self.f_max or nyquist) <= nyquist:
            rule = f"0 <= f_min < f_max <= {nyquist:g} Hz"
            raise ValueError(f"{rule}. Received: {self.f_min!r} and {self.f_max!r}")


@keras.saving.register_keras_serializable("s2s_zoo")
class MFCC(LogMel):
    """Mel-frequency cepstral coefficients: an orthonormal DCT-II of `LogMel`.

    Equal to `librosa.feature.mfcc` of the log mel energies.

    Args:
        num_features: D, the lowest coefficients, the zeroth among them.
        num_mels: mel filters; None takes twice `num_features`.
        lifter: L of the sine lifter 1 + L/2 sin(pi (n + 1) / L) on coefficient n; 0
            for none. Without effect where normalization is "per_feature".
        **options: those of `LogMel`.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import MFCC
        >>> features = MFCC(num_features=13, lifter=22.0)
        >>> x, mask = features(ops.ones((2, 8000)), ops.array([8000, 4000]))
        >>> ops.shape(x), features.frame_rate
        ((2, 51, 13), 100.0)
    """

    def __init__(
        self,
        num_features: int = 13,
        *,
        num_mels: int | None = None,
        lifter: float = 0.0,
        **options: Unpack[LogMelOptions],
    ) -> None:
        super().__init__(num_features, **options)
        self.num_mels = num_mels
        self.lifter = lifter
        check_range("num_mels", self.num_filters, num_features, MAX_FILTERS)

    @property
    def num_filters(self) -> int:
        return self.num_mels or 2 * self.num_features

    def build(self, source_shape: Shape, lengths_shape: Shape) -> None:
        filters, orders = self.num_filters, np.arange(self.num_features)
        centres = np.arange(filters)[:, None] + 0.5
        cosines = np.cos(np.pi / filters * centres * orders)
        cosines *= np.where(orders == 0, 1.0, np.sqrt(2.0)) / np.sqrt(filters)
        if self.lifter:
            sines = np.sin(np.pi * (orders + 1) / self.lifter)
            cosines *= 1 + self.lifter / 2 * sines
        self._cosines = cosines
        super().build(source_shape, lengths_shape)

    def from_power(self, power: Tensor) -> Tensor:
        cosines = ops.convert_to_tensor(self._cosines, "float32")
        return ops.matmul(super().from_power(power), cosines)
