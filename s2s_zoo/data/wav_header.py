"""The header of a WAV file (RIFF, RIFX, RF64), and files whose header was streamed.

Whoever writes a WAV file into a pipe cannot go back to state its size. Recorders and
converters leave a placeholder there instead, and the samples end where the file does.
"""

import io
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from s2s_zoo.errors import UserError

MAGIC = (b"RIFF", b"RIFX", b"RF64")

_MAX_CHUNKS = 4096
_EXTENSIBLE = 0xFFFE
_PLACEHOLDERS = (1 << 31, 1 << 32, 1 << 63, 1 << 64)
_MARGIN = 4096
"""How far below one of the placeholders a size may be: headers are subtracted."""


@dataclass(frozen=True)
class WavHeader:
    """What stands before the samples.

    Attributes:
        codec: of the samples, 1 for PCM.
        channels: number of channels.
        sample_rate: Hz.
        claimed: bytes of samples that the header states.
        held: bytes from the first sample to the end of the file.
        ends_in_chunks: what follows the samples, as many as are stated, are chunks.
        size_at: where the file states how many samples it holds.
        size_format: as `struct` reads that.
    """

    codec: int
    channels: int
    sample_rate: int
    claimed: int
    held: int
    ends_in_chunks: bool
    size_at: int
    size_format: str

    @property
    def is_streamed(self) -> bool:
        """Whether the size is a placeholder: the samples end where the file does."""
        if self.claimed == 0:
            return self.held > 0 and not self.ends_in_chunks
        is_far = self.claimed > self.held
        return is_far and any(0 <= p - self.claimed <= _MARGIN for p in _PLACEHOLDERS)


def read_wav_header(stream: BinaryIO, path: Path, size: int) -> WavHeader:
    """Read the chunks up to the samples.

    Args:
        stream: the file.
        path: what messages call it.
        size: bytes of the file.

    Raises:
        UserError: it has no format or no samples, or a chunk is cut.
    """
    stream.seek(0)
    order = ">" if stream.read(4) == b"RIFX" else "<"
    layout: tuple[int, int, int] | None = None
    stated: tuple[int, int, str] | None = None
    at = 12
    for _ in range(_MAX_CHUNKS):
        stream.seek(at)
        chunk = stream.read(8)
        if len(chunk) < 8:
            break
        kind, length = struct.unpack(f"{order}4sI", chunk)
        start = at + 8
        if kind == b"data" and layout is not None:
            claimed, size_at, size_format = stated or (length, at + 4, f"{order}I")
            ends = claimed == 0 and _are_chunks(stream, start, size, order)
            held = size - start
            return WavHeader(*layout, claimed, held, ends, size_at, size_format)
        if kind == b"fmt ":
            layout = _layout(stream.read(min(length, 40)), order, path)
        elif kind == b"ds64":
            stated = _long_size(stream.read(16), order, path), start + 8, f"{order}Q"
        at = start + length + length % 2
    missing = "format" if layout is None else "data"
    raise UserError(f"{path}: a WAV file without a {missing} chunk")


class StreamedWav(io.RawIOBase):
    """A WAV file that states the size it has instead of a placeholder.

    Args:
        path: the file.
        header: its header.
    """

    def __init__(self, path: Path, header: WavHeader) -> None:
        super().__init__()
        self.name = str(path)
        self._file = path.open("rb")
        self._at = header.size_at
        largest = (1 << 8 * struct.calcsize(header.size_format)) - 1
        self._size = struct.pack(header.size_format, min(header.held, largest))

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def readinto(self, buffer: Any) -> int:
        start = self._file.tell()
        content = bytearray(self._file.read(len(buffer)))
        for i, byte in enumerate(self._size, start=self._at - start):
            if 0 <= i < len(content):
                content[i] = byte
        buffer[: len(content)] = content
        return len(content)

    def close(self) -> None:
        self._file.close()
        super().close()


def _are_chunks(stream: BinaryIO, at: int, size: int, order: str) -> bool:
    """Whether chunks begin at `at` that end where the file does."""
    for _ in range(_MAX_CHUNKS):
        if at >= size:
            return True
        stream.seek(at)
        chunk = stream.read(8)
        if len(chunk) < 8 or not all(0x20 <= byte < 0x7F for byte in chunk[:4]):
            return False
        (length,) = struct.unpack(f"{order}I", chunk[4:])
        at += 8 + length + length % 2
    return False


def _layout(chunk: bytes, order: str, path: Path) -> tuple[int, int, int]:
    if len(chunk) < 16:
        raise UserError(f"{path}: a WAV file with a truncated format chunk")
    codec, channels, rate = struct.unpack_from(f"{order}HHI", chunk)
    if codec == _EXTENSIBLE and len(chunk) >= 26:
        (codec,) = struct.unpack_from(f"{order}H", chunk, 24)
    return codec, channels, rate


def _long_size(chunk: bytes, order: str, path: Path) -> int:
    if len(chunk) < 16:
        raise UserError(f"{path}: an RF64 file with a truncated ds64 chunk")
    return int(struct.unpack(f"{order}QQ", chunk)[1])
