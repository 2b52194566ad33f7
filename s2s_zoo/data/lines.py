"""Lines of text files of any size, found by an index of where each begins."""

import gzip
import os
import shutil
import threading
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.stored import digest, file_identity, stored_folder
from s2s_zoo.errors import UserError

INDEXED_BYTES = 32 << 20
"""Size from which on the index of a file is kept in the cache."""

MAX_LINE_BYTES = 64 << 20

_BLOCK = 8 << 20
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_FEED, _RETURN = b"\n", b"\r"
_SPACES = 32
_VERSION = "lines 1"


class Lines:
    """The lines of a UTF-8 file, plain or compressed by gzip.

    Lines end with line feeds, or where there is none with carriage returns. The text
    stays on disk. Of a file compressed, a plain copy is made in the cache.

    Args:
        path: the file.
        called: what messages call it instead.

    Attributes:
        path: the file, as messages call it.
        identity: of the content.
        size: bytes of the text.
        is_large: the index is kept in the cache.
        blank: of each line, whether it holds nothing but white space and control
            characters (N,).

    Raises:
        UserError: it cannot be read; or is not UTF-8 or holds NUL, with the line.
    """

    def __init__(self, path: Path, called: Path | None = None) -> None:
        self.path = called or path
        try:
            self.identity = file_identity(path)
            plain = _unpacked(path, self.identity) if path.suffix == ".gz" else path
            self._file: BinaryIO = plain.open("rb", buffering=0)
            self.size = plain.stat().st_size
        except OSError as error:
            raise UserError(f"{path}: cannot be read: {error.strerror}") from error
        self._lock = threading.Lock()
        self._end = _line_end(self._file)
        if self._end == _RETURN:
            self.identity = digest(self.identity, self._end)
        self.is_large = self.size >= INDEXED_BYTES
        if self.is_large:
            self._starts, self.blank = self._stored_index()
        else:
            self._starts, self.blank = _index(self._file, path, self._end)

    def __len__(self) -> int:
        return len(self.blank)

    def where(self, row: int | np.int64) -> str:
        """The "file:line" of a row counted from 0."""
        return f"{self.path}:{row + 1}"

    def read(self, rows: Sequence[int] | NDArray[np.int64]) -> list[str]:
        """The lines with these ascending row numbers, without their ends."""
        starts, ends = self._starts[rows], self._starts[np.asarray(rows) + 1]
        if not len(starts):
            return []
        wanted = int(np.sum(ends - starts))
        if int(ends[-1] - starts[0]) <= 2 * wanted:
            first, block = int(starts[0]), self._bytes(int(starts[0]), int(ends[-1]))
            spans = zip(starts.tolist(), ends.tolist(), strict=True)
            return [_text(block[a - first : b - first]) for a, b in spans]
        spans = zip(starts.tolist(), ends.tolist(), strict=True)
        return [_text(self._bytes(a, b)) for a, b in spans]

    def _bytes(self, start: int, end: int) -> bytes:
        if hasattr(os, "pread"):
            content = os.pread(self._file.fileno(), end - start, start)
        else:
            with self._lock:
                self._file.seek(start)
                content = self._file.read(end - start)
        if len(content) != end - start:
            raise UserError(f"{self.path}: has changed since it was opened")
        return content

    def _stored_index(self) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        def fill(folder: Path) -> None:
            starts, blank = _index(self._file, self.path, self._end)
            np.save(folder / "starts.npy", starts)
            np.save(folder / "blank.npy", blank)

        folder = stored_folder("lines", digest(_VERSION, self.identity), fill)
        return (
            np.load(folder / "starts.npy", mmap_mode="r"),
            np.load(folder / "blank.npy", mmap_mode="r"),
        )


def _text(line: bytes) -> str:
    return line.decode().rstrip("\r\n")


def _unpacked(path: Path, identity: str) -> Path:
    """The plain copy of a compressed file."""

    def fill(folder: Path) -> None:
        try:
            with gzip.open(path) as packed, (folder / "text").open("wb") as plain:
                shutil.copyfileobj(packed, plain, _BLOCK)
        except (gzip.BadGzipFile, EOFError, zlib.error) as error:
            raise UserError(f"{path}: damaged: {error}") from error

    return stored_folder("unpacked", digest(_VERSION, identity), fill) / "text"


def _line_end(file: BinaryIO) -> bytes:
    """A line feed, unless a file has carriage returns alone."""
    file.seek(0)
    end = _FEED
    while block := file.read(_BLOCK):
        if _FEED in block:
            return _FEED
        if _RETURN in block:
            end = _RETURN
    return end


def _index(
    file: BinaryIO, path: Path, end: bytes
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Where each line starts, and after them the end (N+1,); which are blank (N,)."""
    starts, blank = [np.zeros(0, np.int64)], [np.zeros(0, np.bool_)]
    place = lines = 0
    for block in _whole_lines(file, path, end):
        _check(block, path, lines, end)
        head = place == 0 and block.startswith(_BYTE_ORDER_MARK)
        if head:
            block = b"   " + block[3:]
        content = np.frombuffer(block, np.uint8)
        ends = np.flatnonzero(content == ord(end)) + 1
        if block[-1:] != end:
            ends = np.append(ends, len(block))
        begins = np.concatenate([[0], ends[:-1]])
        blank.append(~np.logical_or.reduceat(content > _SPACES, begins))
        begins[0] = 3 if head else 0
        starts.append(begins + place)
        place, lines = place + len(block), lines + len(begins)
    starts.append(np.array([place], np.int64))
    return np.concatenate(starts), np.concatenate(blank)


def _whole_lines(file: BinaryIO, path: Path, end: bytes) -> Iterator[bytes]:
    """The content in blocks that end where lines end."""
    file.seek(0)
    rest = b""
    while block := file.read(_BLOCK):
        content = rest + block
        cut = content.rfind(end) + 1
        if cut:
            yield content[:cut]
        rest = content[cut:]
        if len(rest) > MAX_LINE_BYTES:
            raise UserError(
                f"{path}: a line of more than {MAX_LINE_BYTES >> 20} MiB; is it text?"
            )
    if rest:
        yield rest


def _check(block: bytes, path: Path, lines: int, end: bytes) -> None:
    if (nul := block.find(b"\0")) >= 0:
        line = lines + block.count(end, 0, nul) + 1
        raise UserError(f"{path}:{line}: NUL byte; want UTF-8 text")
    if block.isascii():
        return
    try:
        block.decode()
    except UnicodeDecodeError as error:
        line = lines + block.count(end, 0, error.start) + 1
        raise UserError(f"{path}:{line}: not UTF-8: {error.reason}") from error
