import hashlib
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data import download as download_module
from s2s_zoo.data.download import download, tree_sha256
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
        if span and start >= len(content):
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


def test_tree_digest_equals_the_shells(tmp_path: Path):
    (tmp_path / "wav").mkdir()
    for name in ("b.wav", "a.wav", "z 1.wav", "c.txt"):
        (tmp_path / "wav" / name).write_text(f"content of {name}")
    command = "sha256sum wav/*.wav | LC_ALL=C sort | sha256sum"
    expected = subprocess.run(
        command, shell=True, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert tree_sha256(tmp_path, "wav/*.wav") == expected.stdout.split()[0]


@pytest.fixture
def mirror() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


def fetch_any(first: Server, second: Server, path: Path, sha256: str | None) -> Path:
    urls = [first.url, second.url]
    return download(urls, path, sha256, progress=False, attempts=2, backoff=0.01)


PAGE = b"<!DOCTYPE html><form>password</form>"


@pytest.mark.parametrize("sha256", [SHA256, None])
@pytest.mark.parametrize("fault", ["404", "503", "page", "drop"])
def test_the_next_mirror_is_tried(
    server: Server, mirror: Server, tmp_path: Path, caplog, fault: str, sha256
):
    """Fault 24: not found, busy, a login page with status 200, a broken transfer."""
    server.faults = [] if fault == "page" else [fault] * 2
    if fault == "page":
        server.content = PAGE
    path = fetch_any(server, mirror, tmp_path / "file", sha256)
    assert path.read_bytes() == CONTENT
    assert mirror.requests == [None]
    assert [file.name for file in tmp_path.iterdir()] == ["file"]
    assert f"{server.url}: " in caplog.text
    assert "the next address is tried" in caplog.text


def test_the_first_mirror_is_enough(server: Server, mirror: Server, tmp_path: Path):
    fetch_any(server, mirror, tmp_path / "file", SHA256)
    assert mirror.requests == []


def test_every_mirror_that_failed_is_named(
    server: Server, mirror: Server, tmp_path: Path
):
    server.faults, mirror.content = ["404"], PAGE
    message = f"{server.url}: HTTP 404 .*; {mirror.url}: the content has another SHA"
    with pytest.raises(UserError, match=message):
        fetch_any(server, mirror, tmp_path / "file", SHA256)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("file", b"", "is empty"),
        ("file", PAGE, "is a web page"),
        ("a.tgz", CONTENT, "is not a gzip file"),
        ("a.zip", CONTENT, "is not a zip file"),
    ],
)
def test_without_a_hash_the_kind_is_checked(
    server: Server, tmp_path: Path, name: str, content: bytes, message: str
):
    server.content = content
    with pytest.raises(UserError, match=f"the content {message}"):
        fetch(server, tmp_path / name, None)
    assert list(tmp_path.iterdir()) == []


def test_without_a_hash_the_hash_is_told(server: Server, tmp_path: Path, caplog):
    fetch(server, tmp_path / "file", None)
    assert f"no hash is known; its SHA-256 is {SHA256}" in caplog.text
