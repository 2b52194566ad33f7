"""Parts of audio files, and audio of one length."""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import probe_audio, read_audio
from s2s_zoo.errors import UserError

_PART = re.compile(r"(?P<path>.+)#t=(?P<start>\d+(\.\d+)?),(?P<end>\d+(\.\d+)?)")


def read_clip(source: str, sample_rate: int | None = None) -> NDArray[np.float32]:
    """The samples (S,) of a file, or of the part that "FILE#t=START,END" names.

    START and END are seconds, as in a W3C media fragment (2012, section 4.2.1).

    Args:
        source: path, with or without a part.
        sample_rate: Hz; None for that of the file.

    Raises:
        UserError: see `read_audio`, or the file has no such part.
    """
    found = _PART.fullmatch(source)
    path = found["path"] if found else source
    rate = sample_rate or probe_audio(path).sample_rate
    audio = read_audio(path, rate)
    if not found:
        return audio
    start, end = (round(float(found[name]) * rate) for name in ("start", "end"))
    if not start < end <= len(audio):
        seconds = f"{len(audio) / rate:.2f} s"
        raise UserError(f"{source}: a part ends after it starts, within {seconds}")
    return audio[start:end]


def parts_of(path: str, first: float, last: float, seconds: float) -> Iterator[str]:
    """Names of the parts of a file, one after another, of that many seconds.

    Args:
        path: the file.
        first: where the parts begin, as a share of the file.
        last: where they end, likewise.
        seconds: of each.
    """
    length = probe_audio(path).seconds
    start = round(first * length, 3)
    while start + seconds <= last * length:
        yield f"{path}#t={start:.3f},{start + seconds:.3f}"
        start += seconds


def of_length(
    audio: NDArray[np.float32], size: int, shift: int = 0
) -> NDArray[np.float32]:
    """`audio` (S,) in the middle of (size,), silence around it or its ends cut off.

    Args:
        audio: waveform.
        size: samples.
        shift: samples by which it stands later, below 0 earlier.
    """
    start = (size - len(audio)) // 2 + shift
    kept = audio[max(0, -start) : max(0, size - start)]
    framed = np.zeros(size, np.float32)
    framed[max(0, start) : max(0, start) + len(kept)] = kept
    return framed
