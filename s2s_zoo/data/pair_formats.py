"""Pairs of texts in files: two that are aligned, tables, JSON, translation memories."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.lines import Lines
from s2s_zoo.data.pairs import BLOCK, Blanks, Pair, PairSequence
from s2s_zoo.data.rows import is_json_object, json_document
from s2s_zoo.data.stored import digest, file_identity, stored_folder
from s2s_zoo.data.tmx import write_units
from s2s_zoo.errors import UserError

JSON_KEYS = (("source", "target"), ("document", "summary"), ("prompt", "reply"))
"""The keys of the two sides in JSON; the first object decides."""

MAX_DOCUMENT_BYTES = 256 << 20
"""Of JSON that is not one object a line, and must be parsed as a whole."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_VERSION = "pairs 1"

Parse = Callable[[str, list[str]], tuple[str, str]]
"""The two sides of a line; gets its "file:line" and the line of each file."""


class FilePairs(PairSequence):
    """The pairs of the lines of files, those left out that have a blank side.

    Args:
        files: one, or two that are aligned.
        parse: makes the two sides of a line of each.
        kept: which rows have both sides.
        kind: what `parse` does, as part of the identity.
        name: how the file is called in names; by default as the first.
    """

    def __init__(
        self,
        files: Sequence[Lines],
        parse: Parse,
        kept: NDArray[np.bool_],
        kind: str,
        name: str | None = None,
    ) -> None:
        self._kind = kind
        self._files = files
        self._parse = parse
        self._rows = np.flatnonzero(kept)
        self._blank = np.flatnonzero(~kept)
        self._name = name or files[0].path.name

    def __len__(self) -> int:
        return len(self._rows)

    @property
    def identity(self) -> str:
        return digest(_VERSION, self._kind, *(file.identity for file in self._files))

    @property
    def blanks(self) -> Blanks:
        places = np.searchsorted(self._rows, self._blank)
        return Blanks(places, lambda i: f"{self._name}:{self._blank[i] + 1}")

    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        lines = self._rows[rows]
        columns = zip(*(file.read(lines) for file in self._files), strict=True)
        return [
            Pair(
                f"{self._name}:{row + 1}", *self._parse(f"{self._name}:{row + 1}", [*c])
            )
            for row, c in zip(lines.tolist(), columns, strict=True)
        ]


def read_aligned(source: Path, target: Path) -> FilePairs:
    """Pairs of two files whose lines belong together; each plain or .gz.

    Raises:
        UserError: they have unequal numbers of lines, or see `Lines`.
    """
    files = [Lines(source), Lines(target)]
    counts = [len(file) for file in files]
    if counts[0] != counts[1]:
        raise UserError(
            f"{source} has {counts[0]} lines, {target} has {counts[1]}: lines of a "
            "parallel corpus belong together, so there must be as many"
        )
    return FilePairs(files, _as_they_are, ~(files[0].blank | files[1].blank), "aligned")


def read_columns(path: Path, swapped: bool = False) -> FilePairs:
    """Pairs of a file of lines source<TAB>target, plain or .gz.

    Args:
        path: the file.
        swapped: take the second column as the source.

    Raises:
        UserError: a line has another number of columns, or see `Lines`.
    """
    file = Lines(path)
    kept = _kept(file, _two_columns, "columns")
    if swapped:
        return FilePairs([file], _swapped_columns, kept, "swapped columns")
    return FilePairs([file], _two_columns, kept, "columns")


def read_json(path: Path) -> FilePairs:
    """Pairs of a file of JSON objects with the keys of `JSON_KEYS`, plain or .gz.

    They stand one a line; or in an array, whose objects names count.

    Raises:
        UserError: a line is no object with these keys, or see `Lines`.
    """
    file = _object_lines(Lines(path))
    parse = _json_parser(file)
    return FilePairs([file], parse, _kept(file, parse, "json"), "json")


def read_tmx(path: Path, source: str, target: str) -> FilePairs:
    """Pairs of a translation memory (TMX 1.4), plain or .gz.

    Args:
        path: the file.
        source: language of the source; "en" takes "en-GB" too.
        target: language of the target.

    Names count translation units. A unit without one of the languages is left out.

    Raises:
        UserError: not well-formed, or no unit has both languages.
    """

    def fill(folder: Path) -> None:
        write_units(path, source, target, folder / "units")

    try:
        content = file_identity(path)
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    key = digest(_VERSION, "tmx", content, source.lower(), target.lower())
    file = Lines(stored_folder("tmx", key, fill) / "units")
    parse = _json_parser(file)
    return FilePairs([file], parse, _kept(file, parse, "json"), "tmx", path.name)


def _as_they_are(where: str, lines: list[str]) -> tuple[str, str]:
    return lines[0], lines[1]


def _two_columns(where: str, lines: list[str]) -> tuple[str, str]:
    columns = lines[0].split("\t")
    if len(columns) != 2:
        raise UserError(
            f"{where}: want source<TAB>target, received {len(columns)} columns: "
            f"{lines[0][:80]!r}"
        )
    return columns[0], columns[1]


def _swapped_columns(where: str, lines: list[str]) -> tuple[str, str]:
    source, target = _two_columns(where, lines)
    return target, source


def _object_lines(file: Lines) -> Lines:
    """The file, or a copy in the cache with the objects of its array one a line."""
    rows = np.flatnonzero(~file.blank)
    if not len(rows) or is_json_object(file.read(rows[:1])[0]):
        return file
    if file.size > MAX_DOCUMENT_BYTES:
        raise UserError(
            f"{file.path}: JSON of {file.size >> 20} MiB that is not one object a "
            f"line; {MAX_DOCUMENT_BYTES >> 20} MiB are read"
        )
    found = json_document(file.path, "\n".join(file.read(np.arange(len(file)))))
    if found is None:
        return file

    try:
        text = "".join(f"{json.dumps(value)}\n" for value in found)
    except RecursionError as error:
        raise UserError(f"{file.path}: nested too deep") from error

    def fill(folder: Path) -> None:
        (folder / "objects").write_text(text, encoding="utf-8", newline="\n")

    folder = stored_folder("json", digest(_VERSION, file.identity), fill)
    return Lines(folder / "objects", called=file.path)


def _json_parser(file: Lines) -> Parse:
    """How to read the lines, by the keys of the first that is not blank."""
    accepted = " or ".join(f"{a},{b}" for a, b in JSON_KEYS)
    rows = np.flatnonzero(~file.blank)[:1]
    first = _json_object(file.where(rows[0]), file.read(rows)[0]) if len(rows) else {}
    keys = next((pair for pair in JSON_KEYS if set(pair) <= set(first)), None)
    if keys is None:
        where = file.where(rows[0]) if len(rows) else str(file.path)
        raise UserError(f"{where}: want objects with {accepted}")

    def parse(where: str, lines: list[str]) -> tuple[str, str]:
        values = _json_object(where, lines[0])
        sides = [values.get(key) for key in keys]
        for key, side in zip(keys, sides, strict=True):
            if not isinstance(side, str) or _NO_TEXT.search(side):
                raise UserError(f"{where}: {key!r} must be text, received {side!r:.80}")
        return str(sides[0]), str(sides[1])

    return parse


def _json_object(where: str, line: str) -> dict[str, object]:
    try:
        values = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(f"{where}: not JSON: {error}") from error
    if not isinstance(values, dict):
        raise UserError(f"{where}: want an object, received {line[:80]!r}")
    return values


def _kept(file: Lines, parse: Parse, kind: str) -> NDArray[np.bool_]:
    """Which lines have both sides; reads all, of a large file only the first time."""

    def fill(folder: Path) -> None:
        np.save(folder / "kept.npy", _judge(file, parse))

    if file.is_large:
        key = digest(_VERSION, kind, file.identity)
        return np.load(stored_folder("pairs", key, fill) / "kept.npy", mmap_mode="r")
    return _judge(file, parse)


def _judge(file: Lines, parse: Parse) -> NDArray[np.bool_]:
    kept = ~file.blank
    rows = np.flatnonzero(kept)
    for start in range(0, len(rows), BLOCK):
        block = rows[start : start + BLOCK]
        for row, line in zip(block.tolist(), file.read(block), strict=True):
            source, target = parse(file.where(row), [line])
            kept[row] = bool(source.strip() and target.strip())
    return kept
