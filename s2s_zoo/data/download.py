"""Fetching files: resumed, retried, and verified by their hash."""

import contextlib
import hashlib
import http.client
import logging
import os
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, cast

from s2s_zoo.errors import UserError, writing

_BLOCK = 1 << 18
_RETRIED_STATUS = (408, 425, 429, 500, 502, 503, 504)

_log = logging.getLogger(__name__)


class _SourceError(UserError):
    """An address that does not give the file; another may."""


class _Interrupted(Exception):
    """A transfer that is worth another attempt."""


_KINDS = {
    (".gz", ".tgz"): (b"\x1f\x8b", "a gzip file"),
    (".bz2",): (b"BZh", "a bz2 file"),
    (".zip",): (b"PK\x03\x04", "a zip file"),
}


def download(
    url: str | Sequence[str],
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
        url: http or https; of several the first that gives the right content counts,
            and every failure is logged.
        destination: the file to write; one that has the hash already is kept.
        sha256: hexadecimal digest of the content. None leaves it to the caller to
            verify what is unpacked; then the content must at least not be empty, no
            web page, and of the kind that the name of `destination` ends in, and its
            digest is logged.
        progress: show a progress bar on stderr.
        attempts: how often to try before giving up.
        backoff: seconds before the second attempt, doubled before each further one.
        timeout: seconds without a byte after which an attempt has failed.

    Raises:
        UserError: all addresses refuse, failed in all attempts, or gave another
            content (it is removed then); or the disk cannot be written.
    """
    urls = [url] if isinstance(url, str) else list(url)
    for address in urls:
        if not address.startswith(("https://", "http://")):
            raise UserError(f"{address}: only http and https addresses are fetched")
    if destination.exists():
        if sha256 is not None:
            _check_hash(destination, sha256, f"{destination}: move it away; it")
        return destination
    with writing(destination):
        destination.parent.mkdir(parents=True, exist_ok=True)
    part = destination.with_name(destination.name + ".part")
    reasons = []
    for number, address in enumerate(urls, start=1):
        try:
            with _progress_bar(destination.name, progress) as report:
                _fetch_all(address, part, attempts, backoff, timeout, report)
            _accept(part, destination, address, sha256)
        except _SourceError as error:
            reasons.append(str(error))
            if number < len(urls):
                _log.warning("%s; the next address is tried", error)
                part.unlink(missing_ok=True)  # of other content, perhaps
            continue
        return destination
    raise UserError("; ".join(reasons))


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
    raise _SourceError(
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
    raise _SourceError(f"{url}: HTTP {error.code} {error.reason}") from error


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
        with writing(path):
            file.write(block)

    with writing(path):
        file = cast(BinaryIO, path.open(mode, buffering=0))
    with file:
        yield write


def _accept(part: Path, destination: Path, url: str, sha256: str | None) -> None:
    """Give a complete download its name, or remove it."""
    try:
        if sha256 is not None:
            _check_hash(part, sha256, f"{url}: the content")
        else:
            _check_kind(part, destination, url)
    except UserError as error:
        part.unlink()
        raise _SourceError(str(error)) from error
    with writing(destination):
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, destination)


def _check_hash(path: Path, sha256: str, what: str) -> None:
    received = file_sha256(path)
    if received == sha256.lower():
        return
    hint = "; it is a web page, such as a login form" if _is_page(path) else ""
    raise UserError(
        f"{what} has another SHA-256: expected {sha256}, received {received}{hint}"
    )


def _check_kind(path: Path, destination: Path, url: str) -> None:
    """Judge a file without a known hash by its first bytes."""
    if path.stat().st_size == 0:
        raise UserError(f"{url}: the content is empty")
    if _is_page(path):
        raise UserError(f"{url}: the content is a web page, such as a login form")
    for endings, (start, kind) in _KINDS.items():
        if destination.name.endswith(endings) and not _head(path).startswith(start):
            raise UserError(f"{url}: the content is not {kind}")
    _log.warning("%s: no hash is known; its SHA-256 is %s", url, file_sha256(path))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(1024)


def _is_page(path: Path) -> bool:
    return _head(path).lstrip()[:1] == b"<"


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
