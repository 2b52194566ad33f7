"""Folders of the cache that are there whole or not at all, and proven undamaged."""

import hashlib
import json
import logging
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from s2s_zoo.data.cache import cache_directory
from s2s_zoo.errors import writing
from s2s_zoo.json_text import parse_json

_MANIFEST = "manifest.json"
_BLOCK = 4 << 20
_CONTENT_BYTES = 16 << 20

_log = logging.getLogger(__name__)


def stored_folder(kind: str, key: str, fill: Callable[[Path], None]) -> Path:
    """A folder of the cache with what `fill` makes, made where it is missing.

    It is filled in a temporary place, synced and renamed, so that a killed process
    leaves no half folder and of several processes one wins. A manifest lists its files
    with sizes and checksums; a folder that does not agree with it is made anew.

    Args:
        kind: what it holds; the folder of the cache it lies in.
        key: of everything its content follows from; see `digest`.
        fill: writes files into the directory it gets.

    Raises:
        UserError: the cache cannot be written, or what `fill` raises.
    """
    folder = cache_directory() / kind / key
    if _is_sound(folder, key):
        return folder
    with writing(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        if folder.exists():
            _log.warning("%s is damaged or not ours; it is made anew", folder)
            _remove(folder)
        with tempfile.TemporaryDirectory(
            prefix=".making-", dir=folder.parent, ignore_cleanup_errors=True
        ) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            fill(made)
            _write_manifest(made, key)
            _put(made, folder, key)
    return folder


def digest(*parts: str | bytes) -> str:
    """The SHA-256 of several parts, each with its length."""
    found = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part
        found.update(b"%d:" % len(content) + content)
    return found.hexdigest()


def file_identity(path: Path) -> str:
    """What tells one state of a file from another.

    Small files by their content; large ones by path, size and time of change.
    """
    status = path.stat()
    if status.st_size <= _CONTENT_BYTES:
        return digest(path.read_bytes())
    place = str(path.resolve())
    return digest(place, f"{status.st_size} {status.st_mtime_ns}")


def _put(made: Path, folder: Path, key: str) -> None:
    try:
        os.replace(made, folder)
    except OSError:
        if not _is_sound(folder, key):  # else another process was faster
            raise
    _sync(folder.parent)


def _remove(folder: Path) -> None:
    if folder.is_dir() and not folder.is_symlink():
        shutil.rmtree(folder)
    else:
        folder.unlink()


def _write_manifest(folder: Path, key: str) -> None:
    files = {}
    for path in sorted(folder.iterdir()):
        files[path.name] = {"bytes": path.stat().st_size, "crc32": _crc32(path)}
        _sync(path)
    manifest = folder / _MANIFEST
    manifest.write_text(json.dumps({"key": key, "files": files}), encoding="utf-8")
    _sync(manifest)
    _sync(folder)


def _is_sound(folder: Path, key: str) -> bool:
    try:
        listed = parse_json((folder / _MANIFEST).read_text(encoding="utf-8"))
        files = listed["files"].items()
        return listed["key"] == key and all(
            (folder / name).stat().st_size == found["bytes"]
            and _crc32(folder / name) == found["crc32"]
            for name, found in files
        )
    except (OSError, ValueError, LookupError, AttributeError, TypeError):
        return False


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb", buffering=0) as file:
        while block := file.read(_BLOCK):
            value = zlib.crc32(block, value)
    return value


def _sync(path: Path) -> None:
    if os.name == "nt" and path.is_dir():
        return  # Windows cannot open directories
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
