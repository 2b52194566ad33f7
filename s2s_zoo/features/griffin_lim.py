"""From spectrograms back to waveforms, by the phase that fits them best."""

from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.data.spectrogram import SpeechSpectrogram, hann, mel_filters
from s2s_zoo.errors import check_range
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.layers.threefry import threefry, uniform
from s2s_zoo.parts import PlainPart
from s2s_zoo.typing import Tensor

TINY = float(np.finfo(np.float32).tiny)
Spectrum = tuple[Tensor, Tensor]
"""Real and imaginary part, (B, U, bins) float32 each."""


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class GriffinLim(PlainPart):
    """Waveforms whose magnitudes are nearest to those given.

    Griffin and Lim, 1984, with the momentum of Perraudin et al., 2013 ("A fast
    Griffin-Lim algorithm"), in the steps of `librosa.griffinlim`. Rows of a batch do
    not change each other, nor does padding change a row.

    Attributes:
        iterations: transforms forth and back.
        momentum: of the phase; 0 for the original algorithm.
        sharpness: power that magnitudes are raised to before, so that harmonics stand
            out (Wang et al., 2017, section 3.4, had 1.2).
        mel_iterations: multiplicative updates that find the magnitudes of a mel
            spectrogram (Lee and Seung, 2001).

    Raises:
        ValueError: an option out of its range.

    Example:
        >>> import numpy as np
        >>> from keras import ops
        >>> from s2s_zoo.data.spectrogram import SpeechSpectrogram
        >>> from s2s_zoo.features.griffin_lim import GriffinLim
        >>> spectrogram = SpeechSpectrogram()
        >>> frames = spectrogram(np.sin(np.arange(2560, dtype="float32") / 9))
        >>> audio = GriffinLim(iterations=2)(frames[None], ops.array([11]), spectrogram)
        >>> ops.shape(audio)
        (1, 2560)
    """

    iterations: int = 60
    momentum: float = 0.99
    sharpness: float = 1.0
    mel_iterations: int = 30

    def __post_init__(self) -> None:
        check_range("iterations", self.iterations, 1, 10_000)
        check_range("momentum", self.momentum, 0, 1)
        check_range("sharpness", self.sharpness, 0.1, 10)
        check_range("mel_iterations", self.mel_iterations, 1, 10_000)

    def __call__(
        self, frames: Tensor, lengths: Tensor, spectrogram: SpeechSpectrogram
    ) -> Tensor:
        """Waveforms of frames as a `SpeechSpectrogram` gives them.

        Args:
            frames: (B, U, D).
            lengths: (B,) int32 real frames of each.
            spectrogram: what the frames mean.

        Returns:
            (B, (U - 1) · stride) float32, zero from (length - 1) · stride on.
        """
        frames = ops.cast(frames, "float32")
        if spectrogram.magnitudes:
            floor = spectrogram.magnitude_floor
            found = _values(frames[..., spectrogram.num_mels :], floor, spectrogram)
        else:
            mels = _values(frames, spectrogram.mel_floor, spectrogram)
            found = self.magnitudes(mels, spectrogram)
        return self.waveforms(found**self.sharpness, lengths, spectrogram)

    def magnitudes(self, mels: Tensor, spectrogram: SpeechSpectrogram) -> Tensor:
        """(B, U, bins) magnitudes above 0 that the filters make `mels` of.

        Args:
            mels: (B, U, num_mels) filtered magnitudes.
            spectrogram: its filters.
        """
        filters = mel_filters(spectrogram).astype("float32")
        forth, back = ops.convert_to_tensor(filters), ops.convert_to_tensor(filters.T)
        wanted = ops.matmul(mels, back)
        covered = (filters.sum(axis=1) > 0).astype("float32")
        sizes = np.maximum(filters @ filters.sum(axis=0), 1e-6)
        start = wanted / ops.convert_to_tensor(sizes)

        def update(_: Any, found: Tensor) -> Tensor:
            made = ops.matmul(ops.matmul(found, forth), back)
            return ops.reshape(found * wanted / (made + TINY), ops.shape(found))

        found = ops.fori_loop(0, self.mel_iterations, update, start)
        return found * ops.convert_to_tensor(covered)

    def waveforms(
        self,
        magnitudes: Tensor,
        lengths: Tensor,
        spectrogram: SpeechSpectrogram,
        phase: Tensor | None = None,
    ) -> Tensor:
        """As `__call__`, of magnitudes.

        Args:
            magnitudes: (B, U, bins).
            lengths: (B,) int32 frames.
            spectrogram: its transform.
            phase: (B, U, bins) radians to begin with, None for random ones, the same
                at each call.
        """
        framing = _Framing(spectrogram, lengths, ops.shape(magnitudes)[1])
        wanted = framing.real_frames(ops.cast(magnitudes, "float32"))
        angle = _phase(wanted) if phase is None else phase
        start = (wanted * ops.cos(angle), wanted * ops.sin(angle))
        zero = ops.zeros_like(wanted)
        share = self.momentum / (1 + self.momentum)

        def improve(_: Any, state: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            rebuilt = framing.transform(framing.invert(state[:2]))
            ahead = [a - share * b for a, b in zip(rebuilt, state[2:], strict=True)]
            size = ops.sqrt(ops.square(ahead[0]) + ops.square(ahead[1])) + TINY
            new = (*(wanted * part / size for part in ahead), *rebuilt)
            return tuple(ops.reshape(part, ops.shape(wanted)) for part in new)

        found = ops.fori_loop(0, self.iterations, improve, (*start, zero, zero))
        return framing.invert(found[:2])


class _Framing:
    """The transform of a batch and its inverse.

    Args:
        spectrogram: window and stride.
        lengths: (B,) real frames.
        count: U, frames with padding.
    """

    def __init__(
        self, spectrogram: SpeechSpectrogram, lengths: Tensor, count: Tensor | int
    ) -> None:
        self.size, self.stride = spectrogram.fft_length, spectrogram.stride
        self.blocks, self.count = -(-self.size // self.stride), count
        self.window = ops.convert_to_tensor(hann(spectrogram).astype("float32"))
        self.lengths = lengths
        real = ops.cast(sequence_mask(lengths, count), "float32")[..., None]
        self.mask = real
        squares = self._overlap(real * ops.square(self.window))
        self.weight = ops.where(squares > TINY, squares, 1.0)

    def real_frames(self, x: Tensor) -> Tensor:
        """(B, U, ...) zero on padding."""
        return x * self.mask

    def invert(self, spectrum: Spectrum) -> Tensor:
        """(B, (U - 1) · stride) waveforms, zero past the end of each."""
        frames = ops.irfft(spectrum, fft_length=self.size) * self.window
        audio = self._overlap(self.real_frames(frames)) / self.weight
        samples = ops.maximum(self.lengths - 1, 0) * self.stride
        real = sequence_mask(samples, ops.shape(audio)[1])
        return ops.where(real, audio, 0.0)

    def transform(self, audio: Tensor) -> Spectrum:
        """Spectra (B, U, bins) of (B, (U - 1) · stride) waveforms."""
        half, rows = self.size // 2, self.count + self.blocks - 1
        after = rows * self.stride - (self.count - 1) * self.stride - half
        padded = ops.pad(audio, ((0, 0), (half, after)))
        blocks = ops.reshape(padded, (-1, rows, self.stride))
        parts = [blocks[:, i : i + self.count] for i in range(self.blocks)]
        frames = ops.concatenate(parts, axis=-1)[..., : self.size]
        real, imaginary = ops.rfft(frames * self.window, fft_length=self.size)
        return self.real_frames(real), self.real_frames(imaginary)

    def _overlap(self, frames: Tensor) -> Tensor:
        """(B, (U - 1) · stride) sums of frames (B, U, size) where they lie."""
        room = self.blocks * self.stride - self.size
        frames = ops.pad(frames, ((0, 0), (0, 0), (0, room)))
        parts = [
            ops.pad(
                frames[..., i * self.stride : (i + 1) * self.stride],
                ((0, 0), (i, self.blocks - 1 - i), (0, 0)),
            )
            for i in range(self.blocks)
        ]
        rows = self.count + self.blocks - 1
        audio = ops.reshape(sum(parts), (-1, rows * self.stride))
        half = self.size // 2
        return audio[:, half : half + (self.count - 1) * self.stride]


def _values(x: Tensor, floor: float, spectrogram: SpeechSpectrogram) -> Tensor:
    """What logarithms above a floor stand for; silence is 0, not the floor."""
    return floor * (ops.exp(ops.maximum(x, 0.0) / spectrogram.scale) - 1.0)


def _phase(like: Tensor) -> Tensor:
    """(1, U, bins) radians that depend on frame and bin alone."""
    frame = ops.arange(ops.shape(like)[1], dtype="int32")[:, None]
    frequency = ops.arange(like.shape[-1], dtype="int32")[None]
    word, _ = threefry((ops.zeros_like(frame), frequency), (frame, frequency))
    return 2 * np.pi * uniform(word)[None]
