"""The base of the audio frontends: framing, power spectra, normalization."""

import abc
from collections.abc import Iterable
from functools import partial
from typing import Any, Literal, TypeAlias, Unpack

import keras
import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.features.base import MAX_SEED, Features
from s2s_zoo.features.statistics import RunningStatistics
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

Window: TypeAlias = Literal["hann", "hamming", "none"]
Normalization: TypeAlias = Literal["per_feature", "global", "none"]

VARIANCE_FLOOR = 1e-10
MAX_RATE = 768_000
MAX_STRIDE_SECONDS = 10.0
SCALED_FEATURES = 16
MAX_FFT = 1 << 16
"""Samples of a transform; the window is no longer."""

MIN_FLOOR = float(np.finfo(np.float32).tiny)
"""What is added to powers, so that their logarithm is finite."""

WINDOW_COEFFICIENT = {"hann": 0.5, "hamming": 0.54, "none": 1.0}


class AudioOptions(LayerKwargs, total=False):
    """Keyword arguments every frontend passes on to `AudioFeatures`."""

    sample_rate: int
    window_seconds: float
    stride_seconds: float
    window: Window
    fft_length: int | None
    pre_emphasis: float
    dither: float
    normalization: Normalization
    seed: int


class AudioFeatures(Features):
    """Waveforms to features, one frame every `stride_seconds`.

    Frames are those of `librosa.stft(center=True, pad_mode="constant")`: frame t is
    centred on sample t x stride, the window is centred in the transform, and S > 0
    samples give 1 + S // stride frames. Pre-emphasis is y[t] - c y[t-1], the first
    sample kept. Padding never changes a result, and a row without variation
    normalizes to zeros. The layer computes in float32 whatever the global policy and
    has no weights.

    Args:
        num_features: D, features per frame.
        sample_rate: samples per second of the waveforms.
        window_seconds: length of a frame.
        stride_seconds: distance between frames.
        window: "hann" or "hamming" (periodic), or "none" for a rectangle.
        fft_length: even transform length in samples; None takes the next power of two
            that holds the window, 0 the window itself, or one more where it is odd.
        pre_emphasis: the coefficient c; 0 leaves the waveform alone.
        dither: standard deviation of white noise added in training.
        normalization: zero mean and unit variance over the unpadded frames, "global"
            with one mean and deviation per row or "per_feature" with D of them, or
            "none".
        seed: seed of the dither.

    Raises:
        ValueError: an option out of its range.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import AudioFeatures
        >>> class Energy(AudioFeatures):
        ...     def from_power(self, power):
        ...         return ops.sum(power, axis=-1, keepdims=True)
        >>> features = Energy(num_features=1)
        >>> x, mask = features(ops.ones((2, 8000)), ops.array([8000, 4000]))
        >>> ops.shape(x), ops.shape(mask)
        ((2, 51, 1), (2, 51))
    """

    def __init__(
        self,
        num_features: int,
        *,
        sample_rate: int = 16000,
        window_seconds: float = 0.02,
        stride_seconds: float = 0.01,
        window: Window = "hann",
        fft_length: int | None = None,
        pre_emphasis: float = 0.97,
        dither: float = 0.0,
        normalization: Normalization = "per_feature",
        seed: int = 0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.num_features = num_features
        self.sample_rate = sample_rate
        self.window_seconds = window_seconds
        self.stride_seconds = stride_seconds
        self.window = window
        self.fft_length = fft_length
        self.pre_emphasis = pre_emphasis
        self.dither = dither
        self.normalization = normalization
        self.seed = seed
        self._check_options()
        if dither:
            self.seed_generator = keras.random.SeedGenerator(seed)

    @abc.abstractmethod
    def from_power(self, power: Tensor) -> Tensor:
        """(B, T, bins) power spectra to (B, T, D) features."""

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        size = part.keywords.get("num_features", SCALED_FEATURES)
        return {"num_features": min(size, SCALED_FEATURES)}

    @property
    def window_samples(self) -> int:
        """Samples in a frame."""
        return round(self.window_seconds * self.sample_rate)

    @property
    def stride_samples(self) -> int:
        """Samples between frames."""
        return round(self.stride_seconds * self.sample_rate)

    @property
    def fft_samples(self) -> int:
        """Length of the transform in samples."""
        if self.fft_length is None:
            return 1 << (self.window_samples - 1).bit_length()
        return self.fft_length or self.window_samples + self.window_samples % 2

    @property
    def bins(self) -> int:
        """How many of the lowest frequency bins `from_power` reads."""
        return self.fft_samples // 2 + 1

    @property
    def frame_rate(self) -> float:
        """Frames per second."""
        return self.sample_rate / self.stride_samples

    @property
    def context_frames(self) -> int:
        """Frames at a cut through a waveform that differ from those of the whole."""
        return -(-(self.window_samples // 2 + 1) // self.stride_samples)

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames of that many samples: (B,) to (B,) int32; no samples, no frames."""
        lengths = ops.cast(lengths, "int32")
        return ops.where(lengths > 0, lengths // self.stride_samples + 1, 0)

    def feature_shape(self, source_shape: Shape) -> Shape:
        return (source_shape[0], None, self.num_features)

    def build(self, source_shape: Shape, lengths_shape: Shape) -> None:
        size, a = self.window_samples, WINDOW_COEFFICIENT[self.window]
        taper = a - (1 - a) * np.cos(2 * np.pi * np.arange(size) / size)
        blocks = -(-size // self.stride_samples)
        taper = np.pad(taper, (0, blocks * self.stride_samples - size))
        self._taper = taper.reshape(blocks, self.stride_samples).astype("float32")
        self.built = True

    def call(
        self,
        source: Tensor,
        lengths: Tensor,
        training: bool | None = None,
        statistics: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Features of a padded batch.

        Args:
            source: (B, S) waveforms, or (B, T, D) features computed before, which are
                only normalized.
            lengths: (B,) unpadded samples, or frames of computed features.
            training: whether to dither.
            statistics: (B, 2, D) that rows are normalized by, of the whole that each
                is a part of, as `measure` gives them; None for those of the row.

        Returns:
            (B, T, D) float32 features, zero past each row's length, and the (B, T)
            bool mask of the unpadded frames.
        """
        x, mask = self.raw(source, lengths, bool(training))
        if statistics is None:
            return self._normalize(x, mask), mask
        mean, factor = statistics[:, :1], statistics[:, 1:]
        return ops.where(mask[..., None], (x - mean) * factor, 0.0), mask

    def raw(
        self, source: Tensor, lengths: Tensor, training: bool = False
    ) -> tuple[Tensor, Tensor]:
        """Features as `call` gives them, before they are normalized.

        Returns:
            (B, T, D) float32, without meaning past each row's length, and the mask.
        """
        source = ops.cast(source, "float32")
        if len(source.shape) == 2:
            source = self.from_power(self._power(source, lengths, training))
            lengths = self.output_lengths(lengths)
        return source, sequence_mask(lengths, ops.shape(source)[1])

    def measure(
        self, parts: Iterable[NDArray[np.float32]]
    ) -> NDArray[np.float32] | None:
        """What a source is normalized by whose raw frames come in parts.

        Args:
            parts: (T, D) each, on the host.

        Returns:
            (2, D) mean, and what differences from it are multiplied by, which is 0
            where nothing varies; None where features are not normalized.
        """
        if self.normalization == "none":
            return None
        whole = self.normalization == "global"
        found = RunningStatistics()
        for part in parts:
            found.add(part.reshape(-1, 1) if whole else part)
        factor = 1 / np.sqrt(found.variance + VARIANCE_FLOOR)
        factor = np.where(found.variance > 0, factor, 0.0)
        rows = [np.broadcast_to(x, self.num_features) for x in (found.mean, factor)]
        return np.stack(rows).astype("float32")

    def _power(self, audio: Tensor, lengths: Tensor, training: bool) -> Tensor:
        """(B, S) waveforms to (B, T, bins) power spectra."""
        frames = self._frames(self._prepare(audio, lengths, training))
        real, imaginary = ops.rfft(frames, fft_length=self.fft_samples)
        real, imaginary = real[..., : self.bins], imaginary[..., : self.bins]
        return ops.square(real) + ops.square(imaginary)

    def _frames(self, audio: Tensor) -> Tensor:
        """(B, S) waveforms to (B, T, window) tapered frames.

        A frame is a few consecutive blocks of one stride, so framing is a reshape.
        Where it stands within the transform changes the phase alone.
        """
        blocks, stride = self._taper.shape
        before = self.fft_samples // 2 - (self.fft_samples - self.window_samples) // 2
        count = ops.shape(audio)[1] // stride + 1
        audio = ops.pad(audio, ((0, 0), (before, blocks * stride - before)))
        needed = count + blocks - 1
        audio = ops.reshape(audio[:, : needed * stride], (-1, needed, stride))
        tapers = ops.convert_to_tensor(self._taper)
        parts = [audio[:, i : i + count] * tapers[i] for i in range(blocks)]
        return ops.concatenate(parts, axis=-1)[..., : self.window_samples]

    def _prepare(self, audio: Tensor, lengths: Tensor, training: bool) -> Tensor:
        """Dither, pre-emphasize and silence the padding."""
        if training and self.dither:
            noise = keras.random.normal(
                ops.shape(audio), dtype="float32", seed=self.seed_generator
            )
            audio = audio + self.dither * noise
        if self.pre_emphasis:
            previous = ops.pad(audio[:, :-1], ((0, 0), (1, 0)))
            audio = audio - self.pre_emphasis * previous
        return ops.where(sequence_mask(lengths, ops.shape(audio)[1]), audio, 0.0)

    def _normalize(self, features: Tensor, mask: Tensor) -> Tensor:
        """Zero past the length, normalized over what is not.

        Statistics are taken of the differences from the first value, so that a row
        that never varies comes out as zeros, not as amplified rounding.
        """
        keep = mask[..., None]
        if self.normalization == "none":
            return ops.where(keep, features, 0.0)
        whole = self.normalization == "global"
        axes = (1, 2) if whole else (1,)
        first = features[:, :1, :1] if whole else features[:, :1]
        count = ops.sum(ops.cast(keep, "float32"), axis=1, keepdims=True)
        count = ops.maximum(count, 1.0) * (features.shape[-1] if whole else 1)
        centred = ops.where(keep, features - first, 0.0)
        mean = ops.sum(centred, axis=axes, keepdims=True) / count
        centred = ops.where(keep, centred - mean, 0.0)
        variance = ops.sum(ops.square(centred), axis=axes, keepdims=True) / count
        return centred * ops.rsqrt(variance + VARIANCE_FLOOR)

    def _check_options(self) -> None:
        check_choice("window", self.window, WINDOW_COEFFICIENT)
        accepted = ("per_feature", "global", "none")
        check_choice("normalization", self.normalization, accepted)
        check_range("num_features", self.num_features, 1, MAX_FFT // 2 + 1)
        check_range("pre_emphasis", self.pre_emphasis, 0, 1)
        check_range("dither", self.dither, 0, 1)
        check_range("seed", self.seed, 0, MAX_SEED)
        check_range("sample_rate", self.sample_rate, 1, MAX_RATE)
        self._check_seconds("window_seconds", MAX_FFT / self.sample_rate)
        self._check_seconds("stride_seconds", MAX_STRIDE_SECONDS)
        size, fft = self.window_samples, self.fft_samples
        if not size <= fft <= MAX_FFT or fft % 2:
            rule = f"an even number from the window's {size} samples to {MAX_FFT}"
            raise ValueError(f"fft_length is {rule}. Received: {fft}")

    def _check_seconds(self, name: str, most: float) -> None:
        seconds = getattr(self, name)
        if not 0 < seconds <= most or round(seconds * self.sample_rate) < 1:
            rule = f"from one sample to {most:g} s"
            raise ValueError(f"{name} is {rule}. Received: {seconds!r}")
