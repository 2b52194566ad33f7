"""Parallel text: alignment never shifts, and every fault is named with its line."""

import gzip
import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data import lines as lines_module
from s2s_zoo.data.lines import Lines
from s2s_zoo.data.pair_formats import (
    read_aligned,
    read_columns,
    read_json,
    read_tmx,
)
from s2s_zoo.data.pairs import (
    JoinedPairs,
    Pair,
    PairSequence,
    PairView,
)
from s2s_zoo.errors import UserError


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(params=["in memory", "stored"])
def index(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Small files are treated as large ones too, and read in tiny blocks."""
    if request.param == "stored":
        monkeypatch.setattr(lines_module, "INDEXED_BYTES", 0)
        monkeypatch.setattr(lines_module, "_BLOCK", 7)


def write(path: Path, content: bytes | str) -> Path:
    data = content.encode() if isinstance(content, str) else content
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


def texts(pairs: PairSequence) -> list[tuple[str, str]]:
    return [(pair.source, pair.target) for pair in pairs]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_aligned_files(tmp_path: Path, ending: str):
    """Fault 16: what has a blank side is dropped and counted, nothing shifts."""
    source = write(tmp_path / f"a.en{ending}", "one\n\nthree\nfour \t\n  \nsix")
    target = write(tmp_path / f"a.de{ending}", "eins\nzwei\ndrei\n \t \r\n\nsechs\n")
    pairs = read_aligned(source, target)
    name = source.name
    assert list(pairs) == [
        Pair(f"{name}:1", "one", "eins"),
        Pair(f"{name}:3", "three", "drei"),
        Pair(f"{name}:6", "six", "sechs"),
    ]
    assert pairs[-1] == pairs[2] == Pair(f"{name}:6", "six", "sechs")
    assert pairs.blank == 3
    assert pairs.blank_names(2) == [f"{name}:2", f"{name}:4"]
    with pytest.raises(IndexError):
        pairs[3]


@pytest.mark.parametrize("end", ["", "\n"])
def test_unequal_line_counts(tmp_path: Path, end: str):
    source = write(tmp_path / "a.en", "a\nb\nc" + end)
    target = write(tmp_path / "a.de", "a\nb\n")
    with pytest.raises(UserError, match=r"a\.en has 3 lines, .*a\.de has 2"):
        read_aligned(source, target)


@pytest.mark.usefixtures("index")
def test_byte_order_mark_and_crlf(tmp_path: Path):
    """Fault 15."""
    source = write(tmp_path / "a.en", b"\xef\xbb\xbfone\r\ntwo\r\n")
    target = write(tmp_path / "a.de", b"\xef\xbb\xbf\r\nzw\xc3\xb6i\r\n")
    assert texts(read_aligned(source, target)) == [("two", "zwöi")]
    assert Lines(source).read([0]) == ["one"]


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_carriage_returns_alone_end_lines(tmp_path: Path, ending: str):
    """As old Macs wrote them, where the file has no line feed at all."""
    source = write(tmp_path / f"a.en{ending}", b"\xef\xbb\xbfone\r\rthree\r")
    target = write(tmp_path / f"a.de{ending}", "eins\nzwei\ndrei\r\n")
    pairs = read_aligned(source, target)
    assert texts(pairs) == [("one", "eins"), ("three", "drei")]
    assert pairs.blank_names(9) == [f"a.en{ending}:2"]
    mixed = write(tmp_path / "mixed", "a\rb\nc\r\n")
    assert Lines(mixed).read([0, 1]) == ["a\rb", "c"]
    table = write(tmp_path / "a.tsv", "a\tb\rc\td\te\r")
    with pytest.raises(UserError, match=r"a\.tsv:2: .* received 3 columns"):
        read_columns(table)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\tb\rb\xe9d\tx\r", r"a\.tsv:2: not UTF-8"),
        (b"a\tb\r\0\tb\r", r"a\.tsv:2: NUL byte"),
        (b"fine\nfine \xc3\xa9\nb\xe9d\nx\n", r"a\.tsv:3: not UTF-8"),
        (b"fine\tx\nlast \xc3", r"a\.tsv:2: not UTF-8: unexpected end"),
        (b"surrogate\n\xed\xa0\x80\n", r"a\.tsv:2: not UTF-8"),
        (b"a\tb\n\0\tb\n", r"a\.tsv:2: NUL byte"),
        (b"a\tb\n\na b\n", r"a\.tsv:3: want source<TAB>target, received 1 columns"),
        (b"a\tb\nc\td\te\n", r"a\.tsv:2: .* received 3 columns: 'c\\td\\te'"),
    ],
)
def test_bad_lines_are_named(tmp_path: Path, content: bytes, message: str):
    with pytest.raises(UserError, match=message):
        read_columns(write(tmp_path / "a.tsv", content))


def test_columns(tmp_path: Path):
    path = write(tmp_path / "a.tsv", "a\tb\n\nc\t\n \td\ne\tf\n")
    pairs = read_columns(path)
    assert list(pairs) == [Pair("a.tsv:1", "a", "b"), Pair("a.tsv:5", "e", "f")]
    assert pairs.blank == 3
    swapped = read_columns(path, swapped=True)
    assert texts(swapped) == [("b", "a"), ("f", "e")]
    assert swapped.identity != pairs.identity == read_columns(path).identity


@pytest.mark.parametrize(
    "keys", [("document", "summary"), ("prompt", "reply"), ("source", "target")]
)
def test_json_lines(tmp_path: Path, keys: tuple[str, str]):
    rows = [("x", "y"), ("", "z"), ("ä\nb", "ü")]
    lines = [json.dumps({**dict(zip(keys, row, strict=True)), "n": 1}) for row in rows]
    path = write(tmp_path / "a.jsonl", "\n" + "\n".join(lines))
    pairs = read_json(path)
    assert list(pairs) == [Pair("a.jsonl:2", "x", "y"), Pair("a.jsonl:4", "ä\nb", "ü")]
    assert pairs.blank == 2


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("{", "2: not JSON"),
        ("[" * 100_000, "2: not JSON"),
        ("[1]", r"2: want an object, received '\[1\]'"),
        ('{"source": "a"}', "2: 'target' must be text, received None"),
        ('{"source": 3, "target": "b"}', "2: 'source' must be text, received 3"),
        (r'{"source": "\ud800", "target": "b"}', "2: 'source' must be text"),
        (r'{"source": "a", "target": "\u0000"}', "2: 'target' must be text"),
    ],
)
def test_bad_json_lines_are_named(tmp_path: Path, line: str, message: str):
    path = write(tmp_path / "a.jsonl", f'{{"source": "a", "target": "b"}}\n{line}\n')
    with pytest.raises(UserError, match=rf"a\.jsonl:{message}"):
        read_json(path)


@pytest.mark.usefixtures("index")
@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("ending", ["", ".gz"])
def test_json_arrays(tmp_path: Path, ending: str, indent: int | None):
    """Names count the objects."""
    rows = [{"prompt": "a\nb", "reply": "ü"}, {"prompt": " ", "reply": "x"}]
    rows.append({"prompt": "c", "reply": "d"})
    array = write(tmp_path / f"a.json{ending}", json.dumps(rows, indent=indent))
    pairs = read_json(array)
    assert list(pairs) == [
        Pair(f"{array.name}:1", "a\nb", "ü"),
        Pair(f"{array.name}:3", "c", "d"),
    ]
    assert pairs.blank_names(9) == [f"{array.name}:2"]
    assert read_json(array).identity == pairs.identity
    one = write(tmp_path / f"one.json{ending}", json.dumps(rows[0], indent=1))
    assert list(read_json(one)) == [Pair(f"one.json{ending}:1", "a\nb", "ü")]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('[{"source": "a", "target": "b"},\n {"source": "a"}]', "2: 'target' must be"),
        ('[{"source": "a", "target": "b"}, 7]', "2: want an object, received '7'"),
        ('[\n{"source": "a", "target": "b"}\n', "[23]: not JSON"),
        ('{\n"source": "a"\n', "[23]: not JSON"),
        ('{"source": "a"\n}}', "1: not JSON"),
        ('[{"text": "a"}]', "1: want objects with source,target"),
        ("[]", r"want objects with source,target or document"),
        ('"text"', "1: want an object"),
    ],
)
def test_bad_json_arrays_are_named(tmp_path: Path, content: str, message: str):
    with pytest.raises(UserError, match=rf"a\.json:?.*{message}"):
        read_json(write(tmp_path / "a.json", content))


def test_json_documents_have_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("s2s_zoo.data.pair_formats.MAX_DOCUMENT_BYTES", 20)
    with pytest.raises(UserError, match=r"a\.json: JSON of 0 MiB that is not one obj"):
        read_json(write(tmp_path / "a.json", '[{"source": "a", "target": "b"}]'))


@pytest.mark.parametrize("content", ["", '{"text": "a"}\n'])
def test_json_lines_of_something_else(tmp_path: Path, content: str):
    with pytest.raises(UserError, match="want objects with source,target or document,"):
        read_json(write(tmp_path / "a.jsonl", content))


TMX = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE tmx SYSTEM "tmx14.dtd">
<tmx version="1.4"><header srclang="en"/><body>
<tu><tuv xml:lang="en-GB"><seg>Press <bpt i="1">&lt;b&gt;</bpt>OK<ept i="1">x</ept>
 now</seg></tuv><tuv xml:lang="DE"><seg>Jetzt <hi>OK</hi> drücken</seg></tuv></tu>
<tu><tuv xml:lang="en"><seg>alone</seg></tuv></tu>
<tu><tuv lang="de"><seg>zwei &amp; drei</seg></tuv>
<tuv lang="en"><note>n</note><seg>two &amp; three</seg></tuv></tu>
</body></tmx>"""


@pytest.mark.parametrize("ending", ["", ".gz"])
def test_translation_memory(tmp_path: Path, ending: str):
    path = write(tmp_path / f"a.tmx{ending}", TMX)
    name = path.name
    pairs = read_tmx(path, "en", "de")
    assert list(pairs) == [
        Pair(f"{name}:1", "Press OK now", "Jetzt OK drücken"),
        Pair(f"{name}:3", "two & three", "zwei & drei"),
    ]
    assert pairs.blank_names(5) == [f"{name}:2"]
    assert texts(read_tmx(path, "de", "EN"))[1] == ("zwei & drei", "two & three")
    with pytest.raises(
        UserError, match="'en' and 'fr'; its languages are: de, en, en-"
    ):
        read_tmx(path, "en", "fr")


BOMB = """<!DOCTYPE tmx [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;&a;">]>
<tmx><body><tu><tuv lang="en"><seg>&b;</seg></tuv></tu></body></tmx>"""
OUTSIDE = """<!DOCTYPE tmx [<!ENTITY a SYSTEM "file:///etc/passwd">]>
<tmx><body><tu><tuv lang="en"><seg>&a;</seg></tuv></tu></body></tmx>"""


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (BOMB, "refused: EntitiesForbidden"),
        (OUTSIDE, "refused: EntitiesForbidden"),
        (TMX[:-20], "not well-formed XML"),
        ("<tu/>", "its languages are: none"),
    ],
)
def test_bad_translation_memories(tmp_path: Path, content: str, message: str):
    with pytest.raises(UserError, match=message):
        read_tmx(write(tmp_path / "a.tmx", content), "en", "de")


def test_damaged_or_missing_files(tmp_path: Path):
    good = write(tmp_path / "a.tsv.gz", "a\tb\n" * 500).read_bytes()
    (tmp_path / "cut.tsv.gz").write_bytes(good[:-10])
    (tmp_path / "flip.tsv.gz").write_bytes(good[:-6] + b"\0" + good[-5:])
    (tmp_path / "page.tsv.gz").write_bytes(b"<html>")
    for name in ("cut", "flip", "page"):
        with pytest.raises(UserError, match=rf"{name}\.tsv\.gz: damaged"):
            read_columns(tmp_path / f"{name}.tsv.gz")
    readers: list[Callable[[Path], object]] = [
        read_columns,
        read_json,
        lambda path: read_tmx(path, "en", "de"),
    ]
    for reader in readers:
        with pytest.raises(UserError, match="none: cannot be read: No such file"):
            reader(tmp_path / "none")


def test_a_file_that_shrinks(tmp_path: Path):
    path = write(tmp_path / "a.tsv", "a\tb\n" * 9)
    pairs = read_columns(path)
    os.truncate(path, 10)
    with pytest.raises(UserError, match=r"a\.tsv: has changed since"):
        pairs[8]


@pytest.fixture
def hundred(tmp_path: Path) -> PairSequence:
    return read_columns(
        write(tmp_path / "h.tsv", "".join(f"s{i}\tt{i}\n" for i in range(100)))
    )


def test_views(hundred: PairSequence):
    view = hundred[10:90:3]
    assert list(view) == list(hundred)[10:90:3]
    assert list(view[::-1]) == list(hundred)[10:90:3][::-1]
    assert isinstance(view[2:5], PairView)
    assert view[2:5].base is hundred
    assert view.identity != hundred.identity
    assert view.identity == hundred[10:90:3].identity
    shuffled = np.random.default_rng(0).permutation(100)
    assert list(PairView(hundred, shuffled)) == [hundred[i] for i in shuffled.tolist()]
    assert list(hundred[5:5]) == []


def test_joined(tmp_path: Path, hundred: PairSequence):
    other = read_columns(write(tmp_path / "o.tsv", "x\ty\n\nz\tw\n"))
    joined = JoinedPairs([other, hundred[:50], other])
    expected = [*other, *list(hundred)[:50], *other]
    assert list(joined) == expected
    assert [joined[i] for i in range(len(joined))] == expected
    assert joined.blank == 2
    assert joined.blank_names(9) == ["o.tsv:2", "o.tsv:2"]
    assert list(joined[1:53:17]) == expected[1:53:17]


def test_blanks_belong_to_one_view(tmp_path: Path):
    """To that with the pair after them, or at the end before them."""
    path = write(tmp_path / "b.tsv", "\na\tb\n\tb\n\nc\td\ne\tf\n\n")
    pairs = read_columns(path)
    assert pairs.blank_names(9) == [f"b.tsv:{line}" for line in (1, 3, 4, 7)]
    views = pairs[:1], pairs[1:2], pairs[2:]
    names = [view.blank_names(9) for view in views]
    assert names == [["b.tsv:1"], ["b.tsv:3", "b.tsv:4"], ["b.tsv:7"]]
    assert [view.blank for view in views] == [1, 2, 1]
    assert pairs[::-1].blank_names(2) == pairs.blank_names(2)
    joined = JoinedPairs([views[1], views[0], pairs])
    assert joined.blank_names(9) == [*names[1], *names[0], *pairs.blank_names(9)]
    parts = [PairView(joined, np.array(rows)) for rows in ([1, 2, 4], [0, 3])]
    assert sorted(parts[0].blank_names(9) + parts[1].blank_names(9)) == sorted(
        joined.blank_names(9)
    )
    assert parts[1].blank_names(9) == [*names[1], *names[1]]
    blank = read_columns(write(tmp_path / "none.tsv", "\n\n"))
    assert (blank.blank, blank[:0].blank) == (2, 0)


def test_identity_follows_the_content(tmp_path: Path, hundred: PairSequence):
    same = write(tmp_path / "same.tsv", (tmp_path / "h.tsv").read_bytes())
    assert read_columns(same).identity == hundred.identity
    other = write(tmp_path / "h.tsv", same.read_bytes().replace(b"s5\t", b"s7\t"))
    assert read_columns(other).identity != hundred.identity


def test_a_damaged_index_is_made_anew(
    tmp_path: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lines_module, "INDEXED_BYTES", 0)
    path = write(tmp_path / "a.tsv", "".join(f"s{i}\tt{i}\n" for i in range(100)))
    expected = list(read_columns(path))
    stored = sorted(cache.glob("*/*/*.npy"))
    assert [file.name for file in stored] == ["blank.npy", "starts.npy", "kept.npy"]
    for file in stored:
        content = bytearray(file.read_bytes())
        content[-3] ^= 1
        file.unlink()
        file.write_bytes(content)
        assert list(read_columns(path)) == expected
    for file in stored:
        file.unlink()
        assert list(read_columns(path)) == expected


def test_a_stored_index_is_not_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(lines_module, "INDEXED_BYTES", 0)
    path = write(tmp_path / "a.tsv", "a\tb\n" * 9)
    expected = list(read_columns(path))
    monkeypatch.setattr(lines_module, "_index", None)
    assert list(read_columns(path)) == expected


@pytest.mark.parametrize("encoding", ["nonsense", "utf-7", "rot13", "idna", "utf-16"])
def test_memories_in_encodings_that_no_parser_reads(tmp_path: Path, encoding: str):
    path = write(tmp_path / "a.tmx", TMX.replace("UTF-8", encoding, 1))
    with pytest.raises(UserError, match=r"a\.tmx: not well-formed XML"):
        read_tmx(path, "en", "de")


def test_segments_of_many_levels(tmp_path: Path):
    one, other = "<hi>a" * 3000 + "</hi>b" * 3000, "<hi>x<ut>no</ut> y</hi> z"
    unit = (
        f'<tuv lang="en"><seg>{one}</seg></tuv><tuv lang="de"><seg>{other}</seg></tuv>'
    )
    path = write(tmp_path / "a.tmx", f"<tmx><body><tu>{unit}</tu></body></tmx>")
    assert texts(read_tmx(path, "en", "de")) == [("a" * 3000 + "b" * 3000, "x y z")]


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000])
def test_json_that_is_too_much(tmp_path: Path, value: str):
    for text in (f"[{value}]", f"[\n{value}\n]", f'{{"source": {value}}}'):
        with pytest.raises(UserError, match=r"a\.json:1: not JSON"):
            read_json(write(tmp_path / "a.json", text))


def test_json_that_is_nested_too_deep_to_be_written(tmp_path: Path):
    """Wherever the limit lies, it is a refusal on both sides of it."""
    pair = '"source": "a", "target": "b"'
    for depth in range(900, 1000):
        text = f'[\n{{{pair}, "x": {"[" * depth}0{"]" * depth}}}\n]'
        try:
            found = texts(read_json(write(tmp_path / "a.json", text)))
        except UserError:
            continue
        assert found == [("a", "b")]
