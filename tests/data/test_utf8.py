"""Small text files read whole."""

from pathlib import Path

import pytest

from s2s_zoo.data.utf8 import numbered_lines, read_utf8
from s2s_zoo.errors import UserError


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"a\rb\r\rc", "a\nb\n\nc"),
        (b"a\rb\nc\r\n", "a\rb\nc\r\n"),
        (b"\xef\xbb\xbf\xc3\xa9\r", "é\n"),
        (b"", ""),
    ],
)
def test_carriage_returns_alone_are_line_ends(
    tmp_path: Path, content: bytes, text: str
):
    (tmp_path / "a").write_bytes(content)
    assert read_utf8(tmp_path / "a") == text


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_bytes_that_are_no_text_are_found(tmp_path: Path, end: bytes):
    path = tmp_path / "a"
    for bad, message in ((b"\xff", "not UTF-8"), (b"x\0", "NUL byte")):
        path.write_bytes(b"a" + end + end + bad)
        with pytest.raises(UserError, match=f"a:3: {message}"):
            read_utf8(path)
    with pytest.raises(UserError, match="none: cannot be read: No such file"):
        read_utf8(tmp_path / "none")


def test_lines_that_are_not_blank_keep_their_numbers():
    lines = numbered_lines(Path("a"), "one\r\n \n\nfour")
    assert list(lines) == [("a:1", "one"), ("a:4", "four")]
