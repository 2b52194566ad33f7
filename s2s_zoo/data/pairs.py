"""Pairs of texts, one the answer to the other, from files of any size."""

import abc
import bisect
import itertools
import json
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.lines import Lines
from s2s_zoo.data.stored import digest, file_identity, stored_folder
from s2s_zoo.data.tmx import write_units
from s2s_zoo.errors import UserError

JSON_KEYS = (("source", "target"), ("document", "summary"), ("prompt", "reply"))
"""The keys of the two sides in JSON lines; the first line decides."""

_BLOCK = 10_000
_NO_TEXT = re.compile("[\0\ud800-\udfff]")
_VERSION = "pairs 1"


class Pair(NamedTuple):
    """A text and what a model shall make of it.

    Attributes:
        name: "file:line"; what messages call it.
        source: the text that is given.
        target: the text that is wanted.
    """

    name: str
    source: str
    target: str


class Blanks(NamedTuple):
    """Pairs that were left out because a side is blank.

    Attributes:
        places: before which of the pairs that stayed each stood; at the end before
            none, which is their number (N,).
        name: what messages call one of them, by its index in `places`.
    """

    places: NDArray[np.int64]
    name: Callable[[int], str]


class PairSequence(Sequence[Pair]):
    """Pairs that are read when they are asked for; a slice is a view."""

    @property
    @abc.abstractmethod
    def identity(self) -> str:
        """What tells these pairs from others, without reading them."""

    @property
    @abc.abstractmethod
    def blanks(self) -> Blanks:
        """The pairs that were left out."""

    @abc.abstractmethod
    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        """The pairs with these ascending numbers."""

    @property
    def blank(self) -> int:
        """How many pairs were left out because a side is blank."""
        return len(self.blanks.places)

    def blank_names(self, most: int) -> list[str]:
        """The names of the first `most` of them."""
        return [self.blanks.name(i) for i in range(min(most, self.blank))]

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> "PairSequence": ...
    def __getitem__(self, index: int | slice) -> "Pair | PairSequence":
        if isinstance(index, slice):
            span = index.indices(len(self))
            return PairView(self, np.arange(*span, dtype=np.int64))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.read(np.array([index % len(self)], np.int64))[0]

    def __iter__(self) -> Iterator[Pair]:
        for start in range(0, len(self), _BLOCK):
            stop = min(start + _BLOCK, len(self))
            yield from self.read(np.arange(start, stop, dtype=np.int64))


class PairView(PairSequence):
    """Some of the pairs of another sequence.

    A pair that was left out belongs to the view with the pair after it, or at the end
    before it: to one of those that share a sequence.

    Args:
        base: the sequence; the view of a view becomes one of its base.
        rows: numbers of the pairs in `base`.
    """

    def __init__(self, base: PairSequence, rows: NDArray[np.int64]) -> None:
        self.base: PairSequence = base
        self.rows = rows
        if isinstance(base, PairView):
            self.base, self.rows = base.base, base.rows[rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def identity(self) -> str:
        return digest(self.base.identity, self.rows.astype(np.int64).tobytes())

    @cached_property
    def blanks(self) -> Blanks:
        places, name = self.base.blanks
        owners = np.minimum(places, len(self.base) - 1)
        kept = np.flatnonzero(np.isin(owners, self.rows))
        order = np.argsort(self.rows, kind="stable")
        found = np.searchsorted(self.rows, owners[kept], sorter=order)
        return Blanks(order[found], lambda i: name(int(kept[i])))

    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        wanted = self.rows[rows]
        order = np.argsort(wanted, kind="stable")
        found = self.base.read(wanted[order])
        placed: list[Pair] = [*found]
        for place, pair in zip(order.tolist(), found, strict=True):
            placed[place] = pair
        return placed


class JoinedPairs(PairSequence):
    """The pairs of several sequences one after another."""

    def __init__(self, parts: Sequence[PairSequence]) -> None:
        self.parts = parts
        self._ends = list(itertools.accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def identity(self) -> str:
        return digest(*(part.identity for part in self.parts))

    @cached_property
    def blanks(self) -> Blanks:
        parts = [part.blanks for part in self.parts]
        starts = [0, *self._ends[:-1]]
        places = [p.places + start for p, start in zip(parts, starts, strict=True)]
        ends = list(itertools.accumulate(len(p.places) for p in parts))

        def name(index: int) -> str:
            part = bisect.bisect_right(ends, index)
            return parts[part].name(index - ends[part] + len(parts[part].places))

        return Blanks(np.concatenate(places), name)

    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        found: list[Pair] = []
        while len(found) < len(rows):
            part = bisect.bisect_right(self._ends, int(rows[len(found)]))
            stop = int(np.searchsorted(rows, self._ends[part]))
            start = self._ends[part] - len(self.parts[part])
            found += self.parts[part].read(rows[len(found) : stop] - start)
        return found


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


def read_json_lines(path: Path) -> FilePairs:
    """Pairs of a file of JSON objects with the keys of `JSON_KEYS`, plain or .gz.

    Raises:
        UserError: a line is no object with these keys, or see `Lines`.
    """
    file = Lines(path)
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
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        for row, line in zip(block.tolist(), file.read(block), strict=True):
            source, target = parse(file.where(row), [line])
            kept[row] = bool(source.strip() and target.strip())
    return kept
