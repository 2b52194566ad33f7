"""Small text files, read whole."""

from collections.abc import Iterator
from pathlib import Path

from s2s_zoo.errors import UserError


def read_utf8(path: Path) -> str:
    """The text of a UTF-8 file without byte-order mark.

    Where carriage returns alone end the lines, they become line feeds.

    Raises:
        UserError: it cannot be read; or is not UTF-8 or holds NUL, with the line.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    return decode_utf8(data, str(path))


def decode_utf8(data: bytes, where: str) -> str:
    """As `read_utf8`, of bytes that messages call `where`."""
    if b"\n" not in data:
        data = data.replace(b"\r", b"\n")
    if (nul := data.find(b"\0")) >= 0:
        raise UserError(f"{where}:{_line_of(data, nul)}: NUL byte; want UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(data, error.start)
        raise UserError(f"{where}:{line}: not UTF-8: {error.reason}") from error


def numbered_lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, each with its "file:line"."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line.rstrip("\r")


def _line_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1
