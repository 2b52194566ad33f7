"""A look at the start of a file, to tell what it holds."""

from collections.abc import Iterable
from pathlib import Path

from s2s_zoo.errors import UserError

_BYTES = 64 << 10


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


def holds_keys(file: Path, keys: Iterable[str]) -> bool:
    """Whether the start of a file of JSON has all these keys."""
    head = head_of(file)
    return all(f'"{key}"'.encode() in head for key in keys)
