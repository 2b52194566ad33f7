"""Audio files in and out: probed and checked before anything is allocated."""

import contextlib
import os
import stat
import wave
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from s2s_zoo.data.wav_header import MAGIC, StreamedWav, WavHeader, read_wav_header
from s2s_zoo.errors import UserError

MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 1_000, 384_000
MAX_HOURS = 4
HELD_SHARE = 0.9
"""The share of the samples a header promises that a truncated file must still hold."""

CANCELLED = 1e-4
"""Share of the energy of the loudest channel below which averaging has lost it: -40 dB.

Of eight channels of which one is not silent, a 64th is left.
"""

_MAX_PEAK = 4.0
_BLOCK = 1 << 20
_ENDLESS = 1 << 62
_CODECS = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law"}
_FORMATS = "WAV, FLAC, OGG/Opus, MP3 and SPHERE"


class AudioError(UserError):
    """An audio file that cannot be used; the message names the file and the reason."""


class EmptyAudioError(AudioError):
    """An audio file without a single sample."""


class CancelledAudioError(AudioError):
    """An audio file whose channels cancel when they are averaged."""


@dataclass(frozen=True)
class AudioInfo:
    """What the header of an audio file says.

    Attributes:
        sample_rate: Hz.
        channels: number of channels.
        samples: samples per channel, S.
        seconds: duration.
    """

    sample_rate: int
    channels: int
    samples: int
    seconds: float


def probe_audio(path: str | os.PathLike[str]) -> AudioInfo:
    """What the header of `path` says, without decoding.

    Args:
        path: a WAV (RIFF, RIFX, RF64), FLAC, OGG, MP3 or SPHERE file.

    Raises:
        EmptyAudioError: the file has 0 bytes.
        AudioError: missing, not audio, or its header is not believable: more than
            `MAX_CHANNELS` channels, a rate outside `MIN_RATE` to `MAX_RATE`, longer
            than `MAX_HOURS`, or far more data than the file holds.
    """
    file = Path(path)
    with _opened(file) as sound:
        samples = sound.frames
        if _is_endless(sound):
            samples = sum(map(len, _blocks(sound, file)))
        return AudioInfo(
            sample_rate=sound.samplerate,
            channels=sound.channels,
            samples=samples,
            seconds=samples / sound.samplerate,
        )


def decode_audio(path: str | os.PathLike[str]) -> tuple[npt.NDArray[np.float32], int]:
    """Decode a file at its own rate.

    Returns:
        The samples (S,) in [-1, 1], channels averaged, and the sample rate in Hz.

    Raises:
        EmptyAudioError: there are no samples.
        CancelledAudioError: hardly anything is left of the channels.
        AudioError: see `probe_audio`; or the samples are not finite numbers, are
            not scaled to [-1, 1], or end long before the header says.
    """
    file = Path(path)
    with _opened(file) as sound:
        audio = np.concatenate([*_decoded(sound, file)])
        return audio, sound.samplerate


def read_audio(
    path: str | os.PathLike[str], sample_rate: int
) -> npt.NDArray[np.float32]:
    """Decode a file at the rate that is wanted.

    Args:
        path: see `probe_audio`.
        sample_rate: Hz; a file of another rate is resampled (soxr, quality HQ).

    Returns:
        The samples (S,) in [-1, 1], channels averaged.

    Raises:
        AudioError: see `decode_audio`.
    """
    return np.concatenate([*stream_audio(path, sample_rate)])


def stream_audio(
    path: str | os.PathLike[str], sample_rate: int
) -> Iterator[npt.NDArray[np.float32]]:
    """What `read_audio` gives in blocks (S,), in memory that does not grow.

    Args:
        path: see `probe_audio`.
        sample_rate: Hz.

    Raises:
        AudioError: see `decode_audio`; what is wrong with the samples is told at
            their end.
    """
    file = Path(path)
    with _opened(file) as sound:
        blocks = _decoded(sound, file)
        if sound.samplerate == sample_rate:
            yield from blocks
        else:
            yield from _resampled(blocks, sound.samplerate, sample_rate, file)


def write_wav(
    path: str | os.PathLike[str], audio: npt.ArrayLike, sample_rate: int
) -> None:
    """Write a mono WAV file of 16-bit PCM.

    Args:
        path: the file to write.
        audio: (S,) in [-1, 1]; what lies outside is clipped.
        sample_rate: Hz.

    Raises:
        AudioError: `audio` has another shape or is not finite, or the file cannot
            be written.
    """
    samples = np.asarray(audio, np.float64)
    if samples.ndim != 1 or not np.isfinite(samples).all():
        shape = "x".join(map(str, samples.shape))
        raise AudioError(f"{path}: want finite samples (S,), received {shape}")
    pcm = np.clip(np.rint(samples * 32768.0), -32768, 32767).astype("<i2")
    try:
        with Path(path).open("wb") as output, wave.open(output, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(sample_rate)
            file.writeframes(pcm.tobytes())
    except OSError as error:
        raise AudioError(f"{path}: cannot be written: {error.strerror}") from error


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A checked, open `soundfile.SoundFile`; decoder errors become AudioError."""
    import soundfile

    header = _check_file(path)
    with contextlib.ExitStack() as stack:
        source: Any = str(path)
        if header and header.is_streamed:
            source = stack.enter_context(StreamedWav(path, header))
        try:
            sound = stack.enter_context(soundfile.SoundFile(source))
            _check_limits(path, sound.channels, sound.samplerate)
            if _is_endless(sound):
                sound.seekable = lambda: False  # so that reading does not seek
            else:
                _check_length(path, sound.frames, sound.samplerate)
            yield sound
        except soundfile.SoundFileError as error:
            raise AudioError(f"{path}: cannot be decoded: {error}") from error


def _is_endless(sound: Any) -> bool:
    """Whether the header leaves the length open, as of FLAC written into a pipe."""
    return bool(sound.frames >= _ENDLESS)


def _blocks(sound: Any, path: Path) -> Iterator[npt.NDArray[np.float32]]:
    """All samples, in blocks (S, C) that are valid until the next."""
    done = 0
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        done += len(block)
        _check_length(path, done, sound.samplerate)
        yield block


def _decoded(sound: Any, path: Path) -> Iterator[npt.NDArray[np.float32]]:
    """All samples, in blocks (S,) of one channel in [-1, 1], checked at their end."""
    claimed = 0 if _is_endless(sound) else sound.frames
    count, bad, peak = 0, 0, 0.0
    for block in _mixed(_blocks(sound, path), path):
        count += len(block)
        bad += int(np.count_nonzero(~np.isfinite(block)))
        peak = max(peak, float(np.abs(block).max()))
        yield np.clip(block, -1.0, 1.0)
    _check_samples(count, claimed, bad, peak, path)


def _mixed(
    blocks: Iterable[npt.NDArray[np.float32]], path: Path
) -> Iterator[npt.NDArray[np.float32]]:
    """The channels averaged, in blocks (S,).

    Raises:
        CancelledAudioError: hardly anything is left of the loudest.
    """
    energy, left = np.zeros(1), 0.0
    for block in blocks:
        if block.shape[1] == 1:
            yield block[:, 0]
            continue
        mixed = block.mean(axis=1)
        energy = energy + np.square(block, dtype=np.float64).sum(axis=0)
        left += float(np.square(mixed, dtype=np.float64).sum())
        yield mixed
    if left < CANCELLED * energy.max():
        raise CancelledAudioError(
            f"{path}: its {len(energy)} channels cancel when averaged; keep one of them"
        )


def _resampled(
    blocks: Iterable[npt.NDArray[np.float32]], rate: int, wanted: int, path: Path
) -> Iterator[npt.NDArray[np.float32]]:
    """Blocks (S,) at another rate.

    Raises:
        EmptyAudioError: nothing is left.
    """
    import soxr

    stream = soxr.ResampleStream(rate, wanted, 1, dtype="float32", quality="HQ")
    read, left, end = 0, 0, np.zeros(0, np.float32)
    for block in chain(blocks, [end]):
        resampled = stream.resample_chunk(block, last=block is end)
        read, left = read + len(block), left + len(resampled)
        yield np.clip(resampled, -1.0, 1.0)
    if not left:
        raise EmptyAudioError(
            f"{path}: too short: {read} samples at {rate} Hz leave none at {wanted} Hz"
        )


def _check_file(path: Path) -> WavHeader | None:
    """Raise an AudioError unless a file may be decoded; the header of a WAV file."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"{path}: not a file")
        if status.st_size == 0:
            raise EmptyAudioError(f"{path}: the file is empty (0 bytes)")
        with path.open("rb") as stream:
            return _check_header(stream, path, status.st_size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: cannot be read: {reason}") from error


def _check_header(stream: BinaryIO, path: Path, size: int) -> WavHeader | None:
    head = stream.read(12)
    if head[:4] in MAGIC and head[8:] == b"WAVE":
        return _checked_wav(stream, path, size)
    if path.suffix.lower() == ".raw" or not _is_audio(head):
        raise AudioError(
            f"{path}: not an audio file: {_FORMATS} are read, this starts with {head!r}"
        )
    return None


def _is_audio(head: bytes) -> bool:
    is_mp3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    return is_mp3 or head.startswith((b"fLaC", b"OggS", b"ID3", b"NIST_1A"))


def _checked_wav(stream: BinaryIO, path: Path, size: int) -> WavHeader:
    try:
        header = read_wav_header(stream, path, size)
    except UserError as error:
        raise AudioError(str(error)) from error
    if header.codec not in _CODECS:
        known = ", ".join(_CODECS.values())
        raise AudioError(
            f"{path}: WAV codec 0x{header.codec:04x} is not read; {known} are"
        )
    _check_limits(path, header.channels, header.sample_rate)
    if header.claimed * HELD_SHARE > header.held and not header.is_streamed:
        raise AudioError(
            f"{path}: truncated: its header claims {header.claimed} bytes of samples, "
            f"the file holds {header.held}"
        )
    return header


def _check_limits(path: Path, channels: int, sample_rate: int) -> None:
    if not 1 <= channels <= MAX_CHANNELS:
        raise AudioError(f"{path}: {channels} channels; 1 to {MAX_CHANNELS} are read")
    if not MIN_RATE <= sample_rate <= MAX_RATE:
        raise AudioError(
            f"{path}: a sample rate of {sample_rate} Hz; {MIN_RATE} to {MAX_RATE} are "
            "read"
        )


def _check_length(path: Path, samples: int, sample_rate: int) -> None:
    if samples > MAX_HOURS * 3600 * sample_rate:
        raise AudioError(
            f"{path}: {samples / sample_rate / 3600:.1f} hours; up to {MAX_HOURS} are "
            "read"
        )


def _check_samples(count: int, claimed: int, bad: int, peak: float, path: Path) -> None:
    if not count:
        raise EmptyAudioError(f"{path}: holds no samples")
    if count < HELD_SHARE * claimed:
        raise AudioError(
            f"{path}: truncated: its header claims {claimed} samples, {count} could be "
            "decoded"
        )
    if bad:
        raise AudioError(f"{path}: {bad} samples are NaN or infinite")
    if peak > _MAX_PEAK:
        raise AudioError(
            f"{path}: samples reach {peak:g}; float samples must lie in [-1, 1]"
        )
