"""Unpacking archives without trusting them."""

import bz2
import errno
import functools
import gzip
import os
import re
import shutil
import stat
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from s2s_zoo.errors import UserError, writing

_BLOCK = 1 << 18
_TAR_OVERHEAD = 64 << 20

_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    OSError,
    NotImplementedError,
)
"""An OSError here is of gzip or bz2; those of the file system are told before."""


@dataclass(frozen=True)
class _Member:
    """A regular file of an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


def extract(archive: Path, directory: Path, max_bytes: int) -> None:
    """Unpack a .tar.gz, .tar.bz2 or .zip file that may be hostile.

    Everything is unpacked into a temporary directory inside `directory` and moved to
    its place only when the whole archive proved harmless. Files already in place are
    replaced. Only directories and regular files are made, without their modes.

    Args:
        archive: the file.
        directory: where to put its content; made if missing.
        max_bytes: the most that may be unpacked.

    Raises:
        UserError: an absolute path, "..", link, device, sparse or encrypted member,
            a name that occurs twice, more than `max_bytes`, a damaged archive, or a
            disk that cannot be written.
    """
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".extract-", dir=directory))
    try:
        with writing(directory):
            _unpack(archive, staging, max_bytes)
            _merge(staging, directory)
    except _DAMAGE as error:
        raise UserError(f"{archive}: damaged: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


class _Bounded:
    """A stream of decompressed bytes that refuses to go on for ever."""

    def __init__(self, stream: IO[bytes], archive: Path, limit: int) -> None:
        self._stream = stream
        self._archive = archive
        self._limit = limit
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        size = self._left + 1 if size < 0 else min(size, self._left + 1)
        block = self._stream.read(size)
        self._left -= len(block)
        if self._left < 0:
            raise UserError(f"{self._archive}: unpacks to more than {self._limit} B")
        return block


def _unpack(archive: Path, staging: Path, max_bytes: int) -> None:
    left = max_bytes
    seen: set[str] = set()
    for member in _members(archive, max_bytes):
        target = staging / _safe_name(member.name, archive)
        if str(target) in seen:
            raise UserError(f"{archive}: holds {member.name!r} twice")
        seen.add(str(target))
        left -= member.size
        if left < 0:
            raise UserError(f"{archive}: unpacks to more than {max_bytes} bytes")
        _write_member(member, target, archive)


def _write_member(member: _Member, target: Path, archive: Path) -> None:
    left = member.size
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        output = target.open("xb")
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise UserError(
            f"{archive}: {member.name!r} is both a file and a directory"
        ) from error
    with output, member.open() as content:
        while block := content.read(min(_BLOCK, left + 1)):
            left -= len(block)
            if left < 0:
                break
            output.write(block)
    if left:
        raise UserError(f"{archive}: {member.name!r} is not of the size it claims")


def _members(archive: Path, max_bytes: int) -> Iterator[_Member]:
    """The regular files of an archive; refuses all but those and directories."""
    try:
        with archive.open("rb") as file:
            head = file.read(4)
    except OSError as error:
        raise UserError(f"{archive}: cannot be read: {error.strerror}") from error
    if head[:2] == b"\x1f\x8b":
        return _tar_members(archive, gzip.open, max_bytes)
    if head[:3] == b"BZh":
        return _tar_members(archive, bz2.open, max_bytes)
    if head == b"PK\x03\x04":
        return _zip_members(archive)
    raise UserError(f"{archive}: not a .tar.gz, .tar.bz2 or .zip archive")


def _tar_members(
    archive: Path, unpacked: Callable[[Path], Any], max_bytes: int
) -> Iterator[_Member]:
    limit = 2 * max_bytes + _TAR_OVERHEAD
    with unpacked(archive) as stream:
        bounded = cast(IO[bytes], _Bounded(cast(IO[bytes], stream), archive, limit))
        with tarfile.open(fileobj=bounded, mode="r|") as tar:
            yield from _tar_files(tar, archive)
        while bounded.read(_BLOCK):
            pass  # gzip and bz2 compare checksums only at the end of the stream


def _tar_files(tar: tarfile.TarFile, archive: Path) -> Iterator[_Member]:
    for info in tar:
        if info.isdir():
            _safe_name(info.name, archive)
        elif not info.isreg() or info.issparse():
            raise _irregular(archive, info.name)
        else:
            opened = cast(IO[bytes], tar.extractfile(info))
            yield _Member(info.name, info.size, functools.partial(_same, opened))


def _same(file: IO[bytes]) -> IO[bytes]:
    return file


def _zip_members(archive: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        for info in file.infolist():
            kind = stat.S_IFMT(info.external_attr >> 16)
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR) or info.flag_bits & 1:
                raise _irregular(archive, info.orig_filename)
            if info.is_dir():
                _safe_name(info.orig_filename, archive)
            else:
                opener = functools.partial(file.open, info)
                yield _Member(info.orig_filename, info.file_size, opener)


def _irregular(archive: Path, name: str) -> UserError:
    return UserError(
        f"{archive}: {name!r} is a link, device, sparse or encrypted member; only "
        "plain files and directories are unpacked"
    )


def _safe_name(name: str, archive: Path) -> PurePosixPath:
    """The relative path of a member, proven to stay below the target directory."""
    path = PurePosixPath(name)
    is_odd = re.search(r"[\\\0]", name) or re.match("[A-Za-z]:", name)
    if is_odd or path.is_absolute() or ".." in path.parts:
        raise UserError(f"{archive}: {name!r} would be written outside; refused")
    return path


def _merge(staging: Path, directory: Path) -> None:
    """Move unpacked files to their places without following links found there."""
    root = directory.resolve()
    moves = [
        (path, directory / path.relative_to(staging))
        for path in sorted(staging.rglob("*"))
        if path.is_file()
    ]
    for _, target in moves:
        if not target.parent.resolve().is_relative_to(root) or target.is_dir():
            raise OSError(errno.ELOOP, f"{target} is a directory or leads outside")
    for path, target in moves:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(path, target)
