"""Augmentation of waveforms in the data pipeline, before anything is padded."""

import math
from dataclasses import dataclass
from typing import TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import check_range
from s2s_zoo.parts import PlainPart

ROUNDING = 1e-6
SPEEDS = (0.1, 10.0)
LONGEST_SILENCE = 60.0
LOUDEST = 200
"""Of noise and gain, in dB either way: what float32 holds with room to spare."""

Audio: TypeAlias = NDArray[np.float32]


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class AudioAugmentation(PlainPart):
    """Random changes to a waveform, in this order.

    Attributes:
        speed: playing speeds, by resampling, so that pitch changes too: a tuple is
            drawn from (Ko et al. 2015, "Audio Augmentation for Speech Recognition":
            0.9, 1.0, 1.1), a number r means uniform in [1 - r, 1 + r].
        band_hz: what lies below a frequency uniform up to the first is taken out, and
            what lies above one uniform from the second to half the sample rate.
        silence_seconds: silence at each end, uniform up to so much.
        gain_db: gain uniform between the two, in dB.
        noise_db: white Gaussian noise with a level uniform between the two, in dB
            relative to full scale: standard deviation 10^(dB/20).
        probability: of each change, drawn for each on its own.

    Raises:
        ValueError: a speed that is not positive, or a range the wrong way round.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.data.augmentation import AudioAugmentation
        >>> augment = AudioAugmentation(speed=(0.5,), silence_seconds=0.1)
        >>> audio = augment(np.ones(800, "float32"), 8000, np.random.default_rng(0))
        >>> 1600 <= len(audio) <= 1600 + 2 * 800, augment.longest(0.1)
        (True, 0.4)
    """

    speed: tuple[float, ...] | float = ()
    band_hz: tuple[float, float] | None = None
    silence_seconds: float = 0.0
    gain_db: tuple[float, float] | None = None
    noise_db: tuple[float, float] | None = None
    probability: float = 1.0

    def __post_init__(self) -> None:
        check_range("probability", self.probability, 0, 1)
        if isinstance(self.speed, tuple):
            for ratio in self.speed:
                check_range("speed", ratio, *SPEEDS)
        else:
            check_range("speed", self.speed, 0, 1 - SPEEDS[0])
        check_range("silence_seconds", self.silence_seconds, 0, LONGEST_SILENCE)
        if self.band_hz is not None and not 0 <= self.band_hz[0] < self.band_hz[1]:
            rule = "(low, high) in Hz, from 0 on, the lower first"
            raise ValueError(f"band_hz is {rule}. Received: {self.band_hz!r}")
        for key in ("noise_db", "gain_db"):
            levels = getattr(self, key)
            if levels is not None and not -LOUDEST <= levels[0] <= levels[1] <= LOUDEST:
                rule = f"(lowest, highest) in dB, from -{LOUDEST} to {LOUDEST}"
                raise ValueError(f"{key} is {rule}. Received: {levels!r}")

    def __call__(
        self, audio: Audio, sample_rate: int, rng: np.random.Generator
    ) -> Audio:
        """Augment one waveform.

        Args:
            audio: (S,) waveform, left as it is.
            sample_rate: its samples per second.
            rng: the only source of chance.

        Returns:
            (S / speed,) waveform, rounded down but never empty unless `audio` is, and
            the silence around it.
        """
        if not audio.size:
            return audio
        if self._happens(rng):
            audio = self._resample(audio, sample_rate, rng)
        if self.band_hz is not None and self._happens(rng):
            audio = _limited(audio, sample_rate, self.band_hz, rng)
        if self.silence_seconds and self._happens(rng):
            most = int(self.silence_seconds * sample_rate)
            audio = np.pad(audio, tuple(rng.integers(0, most, 2, endpoint=True)))
        if self.gain_db is not None and self._happens(rng):
            audio = audio * np.float32(10 ** (rng.uniform(*self.gain_db) / 20))
        if self.noise_db is not None and self._happens(rng):
            deviation = np.float32(10 ** (rng.uniform(*self.noise_db) / 20))
            noise = rng.standard_normal(audio.shape, dtype=np.float32)
            audio = audio + deviation * noise
        return audio

    def longest(self, seconds: float) -> float:
        """The greatest duration an utterance of `seconds` may get."""
        return seconds / self._slowest + 2 * self.silence_seconds

    def shortest(self, seconds: float) -> float:
        """The least duration an utterance of `seconds` may get."""
        return seconds / self._fastest

    @property
    def _slowest(self) -> float:
        return min(self._speeds)

    @property
    def _fastest(self) -> float:
        return max(self._speeds)

    @property
    def _speeds(self) -> tuple[float, ...]:
        """Playing speeds, of which the least and the greatest can happen."""
        as_it_is = (1.0,) if self.probability < 1 or not self.speed else ()
        if isinstance(self.speed, tuple):
            return (*self.speed, *as_it_is)
        return 1 - self.speed, 1 + self.speed

    def _resample(
        self, audio: Audio, sample_rate: int, rng: np.random.Generator
    ) -> Audio:
        ratio = self._draw_speed(rng)
        if ratio == 1:
            return audio
        import soxr

        changed = soxr.resample(audio, sample_rate * ratio, sample_rate)
        return changed[: max(1, math.floor(len(audio) / ratio + ROUNDING))]

    def _happens(self, rng: np.random.Generator) -> bool:
        return self.probability == 1 or rng.random() < self.probability

    def _draw_speed(self, rng: np.random.Generator) -> float:
        if isinstance(self.speed, tuple):
            return float(rng.choice(self.speed)) if self.speed else 1.0
        return float(rng.uniform(1 - self.speed, 1 + self.speed))


def _limited(
    audio: Audio, sample_rate: int, band: tuple[float, float], rng: np.random.Generator
) -> Audio:
    """`audio` without what lies below and above a band of random borders, in Hz."""
    highest = sample_rate / 2
    low = rng.uniform(0, min(band[0], highest))
    high = rng.uniform(min(band[1], highest), highest)
    spectrum = np.fft.rfft(audio)
    frequencies = np.fft.rfftfreq(len(audio), 1 / sample_rate)
    spectrum[(frequencies < low) | (frequencies > high)] = 0
    return np.fft.irfft(spectrum, len(audio)).astype(np.float32)
