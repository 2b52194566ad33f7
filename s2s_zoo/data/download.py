"""Fetching archives, and unpacking them without trusting them."""

import contextlib
import errno
import functools
import gzip
import hashlib
import http.client
import logging
import os
import re
import shutil
import stat
import tarfile
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from s2s_zoo.errors import UserError

_BLOCK = 1 << 18
_TAR_OVERHEAD = 64 << 20
_RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    gzip.BadGzipFile,
    NotImplementedError,
)

_log = logging.getLogger(__name__)


class _Interrupted(Exception):
    """A transfer that is worth another attempt."""


@dataclass(frozen=True)
class _Member:
    """A regular file of an archive."""

    name: str
    size: int
    open: Callable[[], IO[bytes]]


@functools.cache
def _temporary_cache(unusable: Path, reason: str) -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="s2s-zoo-")
    _log.warning(
        "The cache %s is not writable (%s); %s is used until this process ends. "
        "S2S_ZOO_CACHE names another.",
        *(unusable, reason, directory.name),
    )
    return directory


def cache_directory() -> Path:
    """The directory that fetched and made data is kept in.

    $S2S_ZOO_CACHE, else $XDG_CACHE_HOME/s2s-zoo, else ~/.cache/s2s-zoo. Where it
    cannot be written, a temporary directory, and one warning says so.

    Raises:
        UserError: there is no writable temporary directory either.
    """
    directory = _wanted_cache()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        reason = error.strerror or str(error)
    try:
        return Path(_temporary_cache(directory, reason).name)
    except OSError as error:
        raise UserError(
            f"Neither {directory} nor a temporary directory can be written "
            f"({error.strerror}); set S2S_ZOO_CACHE to a directory that can"
        ) from error


def _wanted_cache() -> Path:
    if own := os.environ.get("S2S_ZOO_CACHE"):
        return Path(own).absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "s2s-zoo"
    return Path(os.path.expanduser("~")) / ".cache" / "s2s-zoo"


def download(
    url: str,
    destination: Path,
    sha256: str | None,
    *,
    progress: bool = True,
    attempts: int = 6,
    backoff: float = 1.0,
    timeout: float = 30.0,
) -> Path:
    """Fetch a file; what a broken attempt left in `destination`.part is resumed.

    Args:
        url: http or https.
        destination: the file to write; one that has the hash already is kept.
        sha256: hexadecimal digest of the content. None leaves it to the caller to
            verify what is unpacked.
        progress: show a progress bar on stderr.
        attempts: how often to try before giving up.
        backoff: seconds before the second attempt, doubled before each further one.
        timeout: seconds without a byte after which an attempt has failed.

    Raises:
        UserError: the server refuses, all attempts failed, the disk cannot be
            written, or the content has another hash (it is removed then).
    """
    if not url.startswith(("https://", "http://")):
        raise UserError(f"{url}: only http and https addresses are fetched")
    if destination.exists():
        if sha256 is not None:
            _check_hash(destination, sha256, f"{destination}: move it away; it")
        return destination
    part = destination.with_name(destination.name + ".part")
    with _writing(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
    with _progress_bar(destination.name, progress) as report:
        _fetch_all(url, part, attempts, backoff, timeout, report)
    _accept(part, destination, url, sha256)
    return destination


def extract(archive: Path, directory: Path, max_bytes: int) -> None:
    """Unpack a .tar.gz or .zip file that may be hostile.

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
    with _writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
        staging = Path(tempfile.mkdtemp(prefix=".extract-", dir=directory))
    try:
        with _writing(directory):
            _unpack(archive, staging, max_bytes)
            _merge(staging, directory)
    except _DAMAGE as error:
        raise UserError(f"{archive}: damaged: {error}") from error
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def tree_sha256(directory: Path, pattern: str) -> str:
    """One digest for many files, equal to the shell's `sha256sum FILES | sort`, hashed.

    The SHA-256 of the sorted lines "hexdigest  relative/path", each ended by a line
    feed, of the regular files below `directory` that match the glob `pattern`.
    """
    lines = sorted(
        f"{file_sha256(path)}  {path.relative_to(directory).as_posix()}\n"
        for path in directory.glob(pattern)
        if path.is_file()
    )
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The hexadecimal SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def _writing(target: Path) -> Iterator[None]:
    """Turn failures to write into a UserError naming `target`."""
    try:
        yield
    except OSError as error:
        if isinstance(error, gzip.BadGzipFile):
            raise
        reason = error.strerror or error
        raise UserError(f"{target}: cannot be written: {reason}") from error


def _fetch_all(
    url: str,
    part: Path,
    attempts: int,
    backoff: float,
    timeout: float,
    report: Callable[[int, int | None], None],
) -> None:
    for attempt in range(attempts):
        try:
            _fetch(url, part, timeout, report)
            return
        except _Interrupted as error:
            reason = error
        if attempt + 1 < attempts:
            pause = backoff * 2**attempt
            _log.info("%s: %s; next attempt in %g s", url, reason, pause)
            time.sleep(pause)
    raise UserError(
        f"{url}: failed {attempts} times, last: {reason}; {part} keeps what has come, "
        "run again to resume"
    )


def _fetch(
    url: str, part: Path, timeout: float, report: Callable[[int, int | None], None]
) -> None:
    """One attempt to get the rest of `part`."""
    start = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "s2s-zoo"})
    if start:
        request.add_header("Range", f"bytes={start}-")
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            _append(response, part, start, report)
    except urllib.error.HTTPError as error:
        with error:
            _refused(error, url, part, start)
    except (http.client.HTTPException, TimeoutError, OSError) as error:
        raise _Interrupted(f"{type(error).__name__}: {error}") from error


def _refused(error: urllib.error.HTTPError, url: str, part: Path, start: int) -> None:
    """Judge an HTTP error: the file is complete, try again, or give up."""
    if error.code == http.client.REQUESTED_RANGE_NOT_SATISFIABLE and start:
        if error.headers.get("Content-Range") == f"bytes */{start}":
            return
        part.unlink()
        raise _Interrupted("the server cannot resume") from error
    if error.code in _RETRIED_STATUS:
        raise _Interrupted(f"HTTP {error.code} {error.reason}") from error
    raise UserError(f"{url}: HTTP {error.code} {error.reason}") from error


def _append(
    response: http.client.HTTPResponse,
    part: Path,
    start: int,
    report: Callable[[int, int | None], None],
) -> None:
    resumed = response.status == http.client.PARTIAL_CONTENT
    span = response.headers.get("Content-Range", "")
    if resumed and not span.startswith(f"bytes {start}-"):
        part.unlink()
        raise _Interrupted(f"asked for bytes from {start}, received {span!r}")
    length = response.headers.get("Content-Length", "")
    done = start if resumed else 0
    total = done + int(length) if length.isdecimal() else None
    with _write_to(part, "ab" if resumed else "wb") as write:
        while block := response.read(_BLOCK):
            write(block)
            done += len(block)
            report(done, total)
    if total is not None and done < total:
        raise _Interrupted(f"connection lost after {done} of {total} bytes")


@contextlib.contextmanager
def _write_to(path: Path, mode: str) -> Iterator[Callable[[bytes], None]]:
    """A function that appends to a file; a full disk is no network failure."""

    def write(block: bytes) -> None:
        with _writing(path):
            file.write(block)

    with _writing(path):
        file = cast(BinaryIO, path.open(mode, buffering=0))
    with file:
        yield write


def _accept(part: Path, destination: Path, url: str, sha256: str | None) -> None:
    """Give a complete download its name, or remove it."""
    if sha256 is not None:
        try:
            _check_hash(part, sha256, f"{url}: the content")
        except UserError:
            part.unlink()
            raise
    with _writing(destination):
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)


def _check_hash(path: Path, sha256: str, what: str) -> None:
    received = file_sha256(path)
    if received == sha256.lower():
        return
    with path.open("rb") as file:
        is_page = file.read(1024).lstrip()[:1] == b"<"
    hint = "; it is a web page, such as a login form" if is_page else ""
    raise UserError(
        f"{what} has another SHA-256: expected {sha256}, received {received}{hint}"
    )


@contextlib.contextmanager
def _progress_bar(
    name: str, shown: bool
) -> Iterator[Callable[[int, int | None], None]]:
    if not shown:
        yield lambda done, total: None
        return
    from rich import progress
    from rich.console import Console

    columns = (
        progress.TextColumn("{task.description}"),
        progress.BarColumn(),
        progress.DownloadColumn(),
        progress.TransferSpeedColumn(),
        progress.TimeRemainingColumn(),
    )
    with progress.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


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
        return _tar_members(archive, max_bytes)
    if head == b"PK\x03\x04":
        return _zip_members(archive)
    raise UserError(f"{archive}: not a .tar.gz or .zip archive")


def _tar_members(archive: Path, max_bytes: int) -> Iterator[_Member]:
    limit = 2 * max_bytes + _TAR_OVERHEAD
    with gzip.open(archive) as stream:
        bounded = cast(IO[bytes], _Bounded(cast(IO[bytes], stream), archive, limit))
        with tarfile.open(fileobj=bounded, mode="r|") as tar:
            yield from _tar_files(tar, archive)
        while bounded.read(_BLOCK):
            pass  # gzip compares its checksum only at the end of the stream


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
