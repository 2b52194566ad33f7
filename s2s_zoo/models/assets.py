"""Files beside a model that its task needs, such as a tokenizer."""

from collections.abc import Mapping
from pathlib import Path

from s2s_zoo.errors import UserError

LIMIT = 64 << 20


def write_assets(directory: Path, assets: Mapping[str, bytes]) -> None:
    """Write files by name into `directory`, which is made if there are any.

    Raises:
        UserError: a file is above 64 MiB, so that it would not be read again.
    """
    for name, content in assets.items():
        if len(content) > LIMIT:
            raise UserError(
                f"{directory / name} would have {len(content):,} bytes: a file of at "
                f"most {LIMIT >> 20} MiB can be stored with a model"
            )
        directory.mkdir(parents=True, exist_ok=True)
        write_whole(directory / name, content)


def write_whole(path: Path, content: bytes) -> None:
    """Write a file; where the disk is full, the one that was there stays."""
    partial = path.with_name(f".{path.name}.partial")
    try:
        partial.write_bytes(content)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_assets(directory: Path) -> dict[str, bytes]:
    """The files of `directory` by name; none where it does not exist.

    Raises:
        UserError: a link, a folder or a file above 64 MiB is among them.
    """
    if not directory.is_dir():
        return {}
    return {path.name: _content(path) for path in sorted(directory.iterdir())}


def _content(path: Path) -> bytes:
    if path.is_symlink() or not path.is_file() or path.stat().st_size > LIMIT:
        raise UserError(f"{path} is no plain file of at most {LIMIT >> 20} MiB")
    return path.read_bytes()
