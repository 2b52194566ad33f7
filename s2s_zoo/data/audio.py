"""Audio files in and out: probed and checked before anything is allocated."""

import contextlib
import os
import stat
import struct
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from s2s_zoo.errors import UserError

MAX_CHANNELS = 8
MIN_RATE, MAX_RATE = 1_000, 384_000
MAX_HOURS = 4
HELD_SHARE = 0.9
"""The share of the samples a header promises that a truncated file must still hold."""

_MAX_PEAK = 4.0
_BLOCK = 1 << 20
_MAX_CHUNKS = 4096
_CODECS = {1: "PCM", 3: "float", 6: "A-law", 7: "mu-law"}
_EXTENSIBLE = 0xFFFE
_FORMATS = "WAV, FLAC, OGG/Opus, MP3 and SPHERE"


class AudioError(UserError):
    """An audio file that cannot be used; the message names the file and the reason."""


class EmptyAudioError(AudioError):
    """An audio file without a single sample."""


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


@dataclass(frozen=True)
class _WavHeader:
    codec: int
    channels: int
    sample_rate: int
    claimed: int
    held: int


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
    with _opened(Path(path)) as sound:
        return _info(sound)


def decode_audio(path: str | os.PathLike[str]) -> tuple[npt.NDArray[np.float32], int]:
    """Decode a file at its own rate.

    Returns:
        The samples (S,) in [-1, 1], channels averaged, and the sample rate in Hz.

    Raises:
        EmptyAudioError: there are no samples.
        AudioError: see `probe_audio`; or the samples are not finite numbers, are
            not scaled to [-1, 1], or end long before the header says.
    """
    file = Path(path)
    with _opened(file) as sound:
        info = _info(sound)
        blocks = list(_mono_blocks(sound))
    audio = np.concatenate(blocks) if blocks else np.zeros(0, np.float32)
    _check_samples(audio, info.samples, file)
    return np.clip(audio, -1.0, 1.0), info.sample_rate


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
    audio, rate = decode_audio(path)
    if rate == sample_rate:
        return audio
    import soxr

    resampled = soxr.resample(audio, rate, sample_rate, quality="HQ")
    if not len(resampled):
        raise EmptyAudioError(
            f"{path}: too short: {len(audio)} samples at {rate} Hz leave none at "
            f"{sample_rate} Hz"
        )
    return np.clip(np.asarray(resampled, np.float32), -1.0, 1.0)


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

    _check_file(path)
    try:
        with soundfile.SoundFile(str(path)) as sound:
            _check_limits(path, sound.channels, sound.samplerate)
            _check_length(path, sound.frames, sound.samplerate)
            yield sound
    except soundfile.SoundFileError as error:
        raise AudioError(f"{path}: cannot be decoded: {error}") from error


def _info(sound: Any) -> AudioInfo:
    return AudioInfo(
        sample_rate=sound.samplerate,
        channels=sound.channels,
        samples=sound.frames,
        seconds=sound.frames / sound.samplerate,
    )


def _mono_blocks(sound: Any) -> Iterator[npt.NDArray[np.float32]]:
    while len(block := sound.read(_BLOCK, dtype="float32", always_2d=True)):
        yield block[:, 0] if block.shape[1] == 1 else block.mean(axis=1)


def _check_file(path: Path) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            raise AudioError(f"{path}: not a file")
        if status.st_size == 0:
            raise EmptyAudioError(f"{path}: the file is empty (0 bytes)")
        with path.open("rb") as stream:
            _check_header(stream, path, status.st_size)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise AudioError(f"{path}: cannot be read: {reason}") from error


def _check_header(stream: BinaryIO, path: Path, size: int) -> None:
    head = stream.read(12)
    if head[:4] in (b"RIFF", b"RIFX", b"RF64") and head[8:] == b"WAVE":
        _check_wav(_wav_header(stream, path, size), path)
    elif path.suffix.lower() == ".raw" or not _is_audio(head):
        raise AudioError(
            f"{path}: not an audio file: {_FORMATS} are read, this starts with {head!r}"
        )


def _is_audio(head: bytes) -> bool:
    is_mp3 = len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2
    return is_mp3 or head.startswith((b"fLaC", b"OggS", b"ID3", b"NIST_1A"))


def _wav_header(stream: BinaryIO, path: Path, size: int) -> _WavHeader:
    """Read the chunks up to the samples; `stream` stands after RIFF....WAVE."""
    stream.seek(0)
    order = ">" if stream.read(4) == b"RIFX" else "<"
    stream.seek(12)
    layout: tuple[int, int, int] | None = None
    long_size: int | None = None
    for _ in range(_MAX_CHUNKS):
        chunk = stream.read(8)
        if len(chunk) < 8:
            break
        kind, length = struct.unpack(f"{order}4sI", chunk)
        start = stream.tell()
        if kind == b"data" and layout is not None:
            claimed = length if long_size is None else long_size
            return _WavHeader(*layout, claimed=claimed, held=size - start)
        if kind == b"fmt ":
            layout = _wav_layout(stream.read(min(length, 40)), order, path)
        elif kind == b"ds64":
            long_size = _long_size(stream.read(16), order, path)
        stream.seek(start + length + length % 2)
    missing = "format" if layout is None else "data"
    raise AudioError(f"{path}: a WAV file without a {missing} chunk")


def _wav_layout(chunk: bytes, order: str, path: Path) -> tuple[int, int, int]:
    if len(chunk) < 16:
        raise AudioError(f"{path}: a WAV file with a truncated format chunk")
    codec, channels, rate = struct.unpack_from(f"{order}HHI", chunk)
    if codec == _EXTENSIBLE and len(chunk) >= 26:
        (codec,) = struct.unpack_from(f"{order}H", chunk, 24)
    return codec, channels, rate


def _long_size(chunk: bytes, order: str, path: Path) -> int:
    if len(chunk) < 16:
        raise AudioError(f"{path}: an RF64 file with a truncated ds64 chunk")
    return int(struct.unpack(f"{order}QQ", chunk)[1])


def _check_wav(header: _WavHeader, path: Path) -> None:
    if header.codec not in _CODECS:
        known = ", ".join(_CODECS.values())
        raise AudioError(
            f"{path}: WAV codec 0x{header.codec:04x} is not read; {known} are"
        )
    _check_limits(path, header.channels, header.sample_rate)
    if header.claimed * HELD_SHARE > header.held:
        raise AudioError(
            f"{path}: truncated: its header claims {header.claimed} bytes of samples, "
            f"the file holds {header.held}"
        )


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


def _check_samples(audio: npt.NDArray[np.float32], claimed: int, path: Path) -> None:
    if not len(audio):
        raise EmptyAudioError(f"{path}: holds no samples")
    if len(audio) < HELD_SHARE * claimed:
        raise AudioError(
            f"{path}: truncated: its header claims {claimed} samples, {len(audio)} "
            "could be decoded"
        )
    if not np.isfinite(audio).all():
        bad = int(np.count_nonzero(~np.isfinite(audio)))
        raise AudioError(f"{path}: {bad} samples are NaN or infinite")
    peak = float(np.abs(audio).max())
    if peak > _MAX_PEAK:
        raise AudioError(
            f"{path}: samples reach {peak:g}; float samples must lie in [-1, 1]"
        )
