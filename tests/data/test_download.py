import gzip
import hashlib
import io
import logging
import os
import stat
import subprocess
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data import download as download_module
from s2s_zoo.data.download import cache_directory, download, extract, tree_sha256
from s2s_zoo.errors import UserError

CONTENT = np.random.default_rng(0).bytes(3_000_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Server:
    """A local web server whose answers are given by a list of faults."""

    def __init__(self) -> None:
        self.faults: list[str] = []
        self.requests: list[str | None] = []
        self.content = CONTENT
        handler = type("Handler", (Handler,), {"owner": self})
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/file.tar.gz"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    owner: Server

    def do_GET(self) -> None:
        span = self.headers.get("Range")
        self.owner.requests.append(span)
        fault = self.owner.faults.pop(0) if self.owner.faults else ""
        if fault.isdecimal():
            self.send_error(int(fault))
            return
        content = self.owner.content
        start = int(span.removeprefix("bytes=").removesuffix("-")) if span else 0
        if fault == "no range":
            start = 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._answer(content, start, fault)

    def _answer(self, content: bytes, start: int, fault: str) -> None:
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(content) - start))
        if start:
            first = 0 if fault == "wrong range" else start
            last = len(content) - 1
            self.send_header("Content-Range", f"bytes {first}-{last}/{len(content)}")
        self.end_headers()
        end = start + 1_000_000 if fault == "drop" else len(content)
        self.wfile.write(content[start:end])

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def fetch(server: Server, path: Path, sha256: str | None = SHA256, **kw) -> Path:
    kw = {"progress": False, "backoff": 0.01, **kw}
    return download(server.url, path, sha256, **kw)


def test_fetches(server: Server, tmp_path: Path):
    path = tmp_path / "new" / "file"
    assert fetch(server, path) == path
    assert path.read_bytes() == CONTENT
    assert os.listdir(path.parent) == ["file"]
    fetch(server, path)
    assert server.requests == [None]


def test_progress_goes_to_stderr(
    server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    fetch(server, tmp_path / "file", progress=True)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "file" in captured.err


def test_dropped_connections_are_resumed(server: Server, tmp_path: Path):
    server.faults = ["drop", "503", "drop"]
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.requests == [
        None,
        "bytes=1000000-",
        "bytes=1000000-",
        "bytes=2000000-",
    ]


def test_a_later_run_resumes(server: Server, tmp_path: Path):
    server.faults = ["drop", "drop"]
    with pytest.raises(UserError, match=r"failed 2 times.*after 2000000 of 3000000"):
        fetch(server, tmp_path / "file", attempts=2)
    assert (tmp_path / "file.part").read_bytes() == CONTENT[:2_000_000]
    assert not (tmp_path / "file").exists()
    fetch(server, tmp_path / "file")
    assert server.requests[-1] == "bytes=2000000-"


@pytest.mark.parametrize("fault", ["no range", "wrong range"])
def test_servers_that_cannot_resume(server: Server, tmp_path: Path, fault: str):
    server.faults = ["drop", fault]
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT


def test_a_complete_part_needs_no_transfer(server: Server, tmp_path: Path):
    (tmp_path / "file.part").write_bytes(CONTENT)
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT
    assert server.requests == ["bytes=3000000-"]


def test_a_part_that_is_too_long_starts_over(server: Server, tmp_path: Path):
    (tmp_path / "file.part").write_bytes(CONTENT + b"x")
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_final(server: Server, tmp_path: Path, status: int):
    server.faults = [str(status)]
    with pytest.raises(UserError, match=f"{server.url}: HTTP {status}"):
        fetch(server, tmp_path / "file")
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_busy_server_is_asked_again(server: Server, tmp_path: Path, status: int):
    server.faults = [str(status)] * 2
    assert fetch(server, tmp_path / "file").read_bytes() == CONTENT


def test_backoff_is_exponential(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    pauses: list[float] = []
    monkeypatch.setattr(download_module.time, "sleep", pauses.append)
    server.faults = ["503"] * 4
    with pytest.raises(UserError, match="failed 4 times, last: HTTP 503"):
        fetch(server, tmp_path / "file", attempts=4, backoff=1.0)
    assert pauses == [1.0, 2.0, 4.0]


def test_wrong_content_is_removed(server: Server, tmp_path: Path):
    server.content = b"\n <!DOCTYPE html><form>password</form>"
    received = hashlib.sha256(server.content).hexdigest()
    expected = rf"expected {SHA256}, received {received}; it is a web page"
    with pytest.raises(UserError, match=expected):
        fetch(server, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_wrong_data_is_not_called_a_web_page(server: Server, tmp_path: Path):
    server.content = CONTENT[:-1] + b"?"
    with pytest.raises(UserError, match=r"received [0-9a-f]{64}$"):
        fetch(server, tmp_path / "file")
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_there_is_verified_and_kept(server: Server, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"mine")
    with pytest.raises(UserError, match="move it away"):
        fetch(server, tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"mine"
    assert server.requests == []


def test_nobody_answers(tmp_path: Path):
    server = Server()
    url = server.url
    server.close()
    with pytest.raises(UserError, match=r"failed 2 times.*refused"):
        download(url, tmp_path / "file", None, progress=False, attempts=2, backoff=0.0)


@pytest.mark.parametrize("url", ["file:///etc/passwd", "ftp://a/b", "/etc/passwd"])
def test_other_addresses_are_refused(tmp_path: Path, url: str):
    with pytest.raises(UserError, match="only http and https"):
        download(url, tmp_path / "file", None)


def test_a_full_disk_is_named(server: Server, tmp_path: Path):
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full, a device that is always full")
    (tmp_path / "file.part").symlink_to("/dev/full")
    with pytest.raises(UserError, match=r"file\.part: cannot be written: No space"):
        fetch(server, tmp_path / "file")
    assert len(server.requests) == 1


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def member(name: str, content: bytes = b"x", **attributes) -> tuple:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def zip_of(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for info, content in members:
            file.writestr(info, content)
    return path


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_extracts_tar(tmp_path: Path, target: Path):
    archive = tar_of(
        tmp_path / "a.tar.gz",
        member("./top", b"", type=tarfile.DIRTYPE),
        member("./top/a.txt", b"one", mode=0o4777),
        member("top/b/c.txt", CONTENT),
    )
    extract(archive, target, 4_000_000)
    assert tree(target) == {"top/a.txt": b"one", "top/b/c.txt": CONTENT}
    assert not (target / "top/a.txt").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert os.listdir(target) == ["top"]


def test_extracts_zip(tmp_path: Path, target: Path):
    archive = zip_of(tmp_path / "a.zip", ("top/", b""), ("top/a.txt", b"one"))
    extract(archive, target, 3)
    assert tree(target) == {"top/a.txt": b"one"}


def test_extracts_into_what_is_there(tmp_path: Path, target: Path):
    (target / "top").mkdir(parents=True)
    (target / "top/a.txt").write_bytes(b"old")
    (target / "top/other.txt").write_bytes(b"other")
    extract(tar_of(tmp_path / "a.tar.gz", member("top/a.txt", b"new")), target, 9)
    assert tree(target) == {"top/a.txt": b"new", "top/other.txt": b"other"}


UNSAFE_NAMES = ["../a", "x/../../a", "/etc/a", "..", "x\\..\\a", "C:/a", "c:a"]


@pytest.mark.parametrize("name", UNSAFE_NAMES)
@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_names_that_lead_outside(tmp_path: Path, target: Path, name: str, pack: str):
    good = ("good.txt", b"good")
    if pack == "tar":
        archive = tar_of(tmp_path / "a", member(*good), member(name))
    else:
        archive = zip_of(tmp_path / "a", good, (name, b"x"))
    refuse(archive, target, "would be written outside; refused")


def refuse(archive: Path, target: Path, message: str, max_bytes: int = 1000) -> None:
    """Extraction must fail and leave nothing, inside the target or beside it."""
    before = tree(archive.parent)
    with pytest.raises(UserError, match=message) as failure:
        extract(archive, target, max_bytes)
    assert str(archive) in str(failure.value)
    assert tree(archive.parent) == before
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
    ],
)
def test_tar_links_and_devices(tmp_path: Path, target: Path, kind: bytes):
    odd = member("odd", b"", type=kind, linkname="/etc/passwd")
    archive = tar_of(tmp_path / "a", member("good"), odd)
    if kind == tarfile.CONTTYPE:
        extract(archive, target, 1000)
        return
    refuse(archive, target, "'odd' is a link, device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zip_links_and_devices(tmp_path: Path, target: Path, kind: int):
    odd = zipfile.ZipInfo("odd")
    odd.external_attr = (kind | 0o777) << 16
    archive = zip_of(tmp_path / "a", ("good", b"x"), (odd, b"/etc/passwd"))
    refuse(archive, target, "'odd' is a link, device")


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a/b", "a//b")])
def test_duplicates(tmp_path: Path, target: Path, names: tuple[str, str]):
    archive = tar_of(tmp_path / "a", *(member(name) for name in names))
    refuse(archive, target, "twice")


def test_zip_duplicates(tmp_path: Path, target: Path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zip_of(tmp_path / "a", ("a", b"1"), ("a", b"2"))
    refuse(archive, target, "twice")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_file_and_directory_of_one_name(
    tmp_path: Path, target: Path, names: tuple[str, str]
):
    archive = tar_of(tmp_path / "a", *(member(name) for name in names))
    refuse(archive, target, "both a file and a directory")


@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_more_than_allowed(tmp_path: Path, target: Path, pack: str):
    if pack == "tar":
        archive = tar_of(
            tmp_path / "a", member("a", bytes(600)), member("b", bytes(401))
        )
    else:
        archive = zip_of(tmp_path / "a", ("a", bytes(600)), ("b", bytes(401)))
    refuse(archive, target, "unpacks to more than 1000 bytes")
    extract(archive, target, 1001)


def test_a_terabyte_is_refused_by_its_header(tmp_path: Path, target: Path):
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 40
    archive = tmp_path / "a"
    archive.write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))
    refuse(archive, target, "unpacks to more than 1000 bytes")


def test_a_hidden_header_cannot_fill_the_memory(tmp_path: Path, target: Path):
    """An extended header that claims 7 GB of names, packed into a few kB."""
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = 7 << 30
    archive = tmp_path / "a"
    with gzip.open(archive, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(70):
            file.write(bytes(1 << 20))
    refuse(archive, target, "unpacks to more than")


def test_a_zip_member_larger_than_it_claims(tmp_path: Path, target: Path):
    archive = zip_of(tmp_path / "a", ("zeros", bytes(100_000)))
    content = archive.read_bytes().replace(
        (100_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    )
    archive.write_bytes(content)
    refuse(archive, target, "damaged|not of the size")


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncated_archives(tmp_path: Path, target: Path, keep: float):
    for archive in (
        tar_of(tmp_path / "a", member("a", CONTENT)),
        zip_of(tmp_path / "b", ("a", CONTENT)),
    ):
        content = archive.read_bytes()
        archive.write_bytes(content[: int(len(content) * keep)])
        refuse(archive, target, "damaged", 4_000_000)


def test_flipped_bits(tmp_path: Path, target: Path):
    for archive in (
        tar_of(tmp_path / "a", member("a", CONTENT)),
        zip_of(tmp_path / "b", ("a", CONTENT)),
    ):
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 255
        archive.write_bytes(content)
        refuse(archive, target, "damaged", 4_000_000)


def test_not_an_archive(tmp_path: Path, target: Path):
    (tmp_path / "a").write_text("<html>")
    refuse(tmp_path / "a", target, r"not a \.tar\.gz or \.zip")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        extract(tmp_path / "absent", target, 1000)


def test_links_in_the_target_are_not_followed(tmp_path: Path, target: Path):
    (tmp_path / "outside").mkdir()
    target.mkdir()
    (target / "top").symlink_to(tmp_path / "outside")
    archive = tar_of(tmp_path / "a", member("top/a.txt"))
    with pytest.raises(UserError, match="leads outside"):
        extract(archive, target, 1000)
    assert list((tmp_path / "outside").iterdir()) == []


def test_tree_digest_equals_the_shells(tmp_path: Path):
    (tmp_path / "wav").mkdir()
    for name in ("b.wav", "a.wav", "z 1.wav", "c.txt"):
        (tmp_path / "wav" / name).write_text(f"content of {name}")
    command = "sha256sum wav/*.wav | LC_ALL=C sort | sha256sum"
    expected = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert tree_sha256(tmp_path, "wav/*.wav") == expected.stdout.split()[0]


def test_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("S2S_ZOO_CACHE", raising=False)
    assert cache_directory() == tmp_path / "home/.cache/s2s-zoo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg/s2s-zoo"
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"
    assert list((tmp_path / "own").iterdir()) == []


@pytest.fixture
def unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Makes the cache unwritable even for the superuser: a file stands in its way."""

    def prepare(temporary: str) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "file" / "cache"))
        monkeypatch.setattr("tempfile.tempdir", temporary)
        download_module._temporary_cache.cache_clear()

    return prepare


def test_an_unwritable_cache_warns_once(
    tmp_path: Path,
    unwritable: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
):
    unwritable(str(tmp_path))
    with caplog.at_level(logging.WARNING):
        first, second = cache_directory(), cache_directory()
    assert first == second
    assert first.parent == tmp_path
    (first / "file").write_text("it is writable")
    assert len(caplog.records) == 1
    assert "file/cache is not writable" in caplog.text
    assert "S2S_ZOO_CACHE" in caplog.text


def test_no_writable_place_at_all(tmp_path: Path, unwritable: Callable[[str], None]):
    unwritable(str(tmp_path / "file"))
    with pytest.raises(UserError, match="set S2S_ZOO_CACHE"):
        cache_directory()
