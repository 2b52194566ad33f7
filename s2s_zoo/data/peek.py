"""A look at the start of a file, to tell what it holds."""

import zlib
from collections.abc import Iterable
from pathlib import Path

from s2s_zoo.errors import UserError

_BYTES = 64 << 10
_GZIP = 31  # what zlib calls the format with the header of gzip


def head_of(file: Path) -> bytes:
    """The first 64 KiB of a file; nothing of one that does not exist.

    Raises:
        UserError: it cannot be read.
    """
    if not file.is_file():
        return b""
    try:
        with file.open("rb") as opened:
            return opened.read(_BYTES)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from error


def first_line(file: Path) -> str:
    """The first line of a file of text; what is not UTF-8 is replaced."""
    lines = head_of(file).decode("utf-8-sig", errors="replace").splitlines()
    return lines[0] if lines else ""


def holds_keys(file: Path, keys: Iterable[str]) -> bool:
    """Whether the start of a file of JSON has all these keys."""
    head = head_of(file)
    return all(f'"{key}"'.encode() in head for key in keys)


def first_text(file: Path) -> str:
    """The first line of a file, plain or .gz, that is not blank; stripped.

    Nothing of a damaged file.
    """
    head = head_of(file)
    if file.suffix == ".gz":
        try:
            head = zlib.decompressobj(wbits=_GZIP).decompress(head)
        except zlib.error:
            return ""
    lines = head.decode("utf-8-sig", errors="replace").splitlines()
    return next((line.strip() for line in lines if line.strip()), "")
