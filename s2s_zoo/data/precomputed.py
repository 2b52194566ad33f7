"""Precomputed features in .npz archives."""

import functools
import os
import threading
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from s2s_zoo.errors import UserError
from s2s_zoo.npz import parse_array, read_member

FEATURE_RATE = 100.0
"""Frames per second of precomputed features."""

_OPEN_ARCHIVES = 8


def load_features(source: str) -> npt.NDArray[np.float32]:
    """Read precomputed features; safe to call from several threads.

    Args:
        source: "/abs/archive.npz#key".

    Returns:
        Features (T, D).

    Raises:
        UserError: no such archive or key, or the array is not a finite matrix.
    """
    place, _, key = source.rpartition(".npz#")
    path = Path(f"{place}.npz")
    content = _archive(path).read(key)
    try:
        return _parse_matrix(content)
    except ValueError as error:
        raise UserError(f"{source}: {error}") from error


def feature_keys(path: Path) -> frozenset[str]:
    """The keys of an archive of precomputed features."""
    return _archive(path).keys


class _Archive:
    """An open .npz file that several threads may read."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()
        try:
            self._zip = zipfile.ZipFile(path)
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not a readable .npz archive: {error}") from error
        names = (name for name in self._zip.namelist() if name.endswith(".npy"))
        self.keys = frozenset(name.removesuffix(".npy") for name in names)

    def read(self, key: str) -> bytes:
        if key not in self.keys:
            raise UserError(f"{self.path}: no array {key!r}")
        try:
            with self._lock:
                return read_member(self._zip, f"{key}.npy")
        except ValueError as error:
            raise UserError(f"{self.path}: {error}") from error


def _archive(path: Path) -> _Archive:
    try:
        status = path.stat()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    with _archives_lock:
        return _open_archive(path, status.st_mtime_ns, status.st_size, os.getpid())


_archives_lock = threading.Lock()


@functools.lru_cache(maxsize=_OPEN_ARCHIVES)
def _open_archive(path: Path, modified: int, size: int, process: int) -> _Archive:
    """The open archive of a version of a file; a forked process opens its own."""
    del modified, size, process
    return _Archive(path)


def _parse_matrix(content: bytes) -> npt.NDArray[np.float32]:
    array = parse_array(content)
    if array.dtype.kind not in "fiu" or array.ndim != 2 or not array.size:
        raise ValueError(f"want numbers (T, D), received {array.dtype} {array.shape}")
    features = np.ascontiguousarray(array, np.float32)
    if not np.isfinite(features).all():
        raise ValueError("features are NaN or infinite")
    return features
