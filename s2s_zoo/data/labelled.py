"""Examples with a label, read from folders, tables and arrays."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio_roots import AudioRoots
from s2s_zoo.data.rows import Row, json_rows, table_rows
from s2s_zoo.data.source import STEMS
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError
from s2s_zoo.npz import parse_archive

LABELS = ("label", "class", "category")
"""What the column of labels may be called."""
PATHS = ("path", "file", "filename")
"""What the column of files may be called."""
TEXTS = ("text", "sentence")
"""What the column of texts may be called."""

TABLES = (".csv", ".tsv", ".jsonl")
ARRAYS = ".npz"
X, Y = "x", "y"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Something, and which class it is of.

    Attributes:
        name: unique within its data; what messages call it.
        source: a text, the absolute path of a file, or an array.
        label: its class; empty where it is not known.
        columns: what its table says besides.

    Example:
        >>> from s2s_zoo.data.labelled import Labelled
        >>> Labelled("1", "a fine film", "good") == Labelled("1", "a fine film", "good")
        True
    """

    name: str
    source: str | NDArray[Any]
    label: str
    columns: Mapping[str, Any] = field(default_factory=dict, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Labelled):
            return NotImplemented
        same = (self.name, self.label) == (other.name, other.label)
        return same and np.array_equal(self.source, other.source)

    __hash__ = None  # type: ignore[assignment]


def label_folders(directory: Path, endings: Sequence[str]) -> dict[str, list[Path]]:
    """The files with one of the endings in each folder of a directory, by its name.

    Hidden ones are left out, and folders without such files.

    Args:
        directory: holds a folder for each label.
        endings: of files, in lower case: (".png",).
    """
    found: dict[str, list[Path]] = {}
    folders = (f for f in sorted(directory.iterdir()) if f.is_dir())
    for folder in (f for f in folders if not f.name.startswith(".")):
        files = (Path(root, name) for root, _, n in os.walk(folder) for name in n)
        kept = [f for f in files if f.suffix.lower() in endings and f.name[0] != "."]
        if kept:
            found[folder.name] = sorted(kept)
    return found


def read_folders(directory: Path, endings: Sequence[str]) -> list[Labelled]:
    """The files of a directory that has a folder for each label: `cat/1.png`.

    Raises:
        UserError: there is no such file, or a link leaves the directory.
    """
    place = directory.resolve()
    folders = label_folders(place, endings)
    if not folders:
        raise UserError(
            f"{directory}: no LABEL/FILE with one of the endings {', '.join(endings)}"
        )
    roots = AudioRoots(place)
    found = [
        Labelled(file.relative_to(place).as_posix(), _located(file, roots), label)
        for label, files in folders.items()
        for file in files
    ]
    roots.refuse_outside()
    return found


def labelled_columns(
    columns: Iterable[str], sources: Sequence[str]
) -> tuple[str, str] | None:
    """The column of sources and that of labels; None for a table without both.

    Args:
        columns: of the table.
        sources: what the column of sources may be called.
    """
    known = set(columns)
    source, label = (
        next((name for name in names if name in known), None)
        for names in (sources, LABELS)
    )
    return None if source is None or label is None else (source, label)


def read_table(
    path: Path, sources: Sequence[str], roots: AudioRoots | None = None
) -> list[Labelled]:
    """The rows of a table, or of JSON lines, with a label and a text or a file.

    Args:
        path: CSV, TSV or JSON lines.
        sources: what the column of sources may be called: `PATHS` or `TEXTS`.
        roots: where files may lie; None for texts.

    Raises:
        UserError: names the file and line, and what is accepted.
    """
    columns, rows = _rows(path)
    found = labelled_columns(columns, sources)
    if found is None:
        accepted = f"{'|'.join(LABELS)} and {'|'.join(sources)}"
        raise UserError(
            f"{path}:1: want the columns {accepted}. Received: {','.join(columns)}"
        )
    examples = list(_of_rows(rows, found, roots))
    if roots:
        roots.refuse_outside()
    if not examples:
        raise UserError(f"{path}: holds no examples")
    return examples


def read_arrays(path: Path) -> dict[str, list[Labelled]]:
    """The examples of each split of an .npz file.

    Args:
        path: of an archive with `x` (N, ...) and `y` (N,) or (N, 1) whole numbers, or
            with `x_train`, `y_train`, `x_test`, `y_test` and so on.

    Returns:
        By role; by "" where there are no splits.

    Raises:
        UserError: damaged, pickled, or without such arrays.
    """
    try:
        arrays = parse_archive(path.read_bytes())
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise UserError(f"{path}: not an archive of numbers: {error}") from error
    found = {
        role: _of_arrays(path, arrays[x], arrays[y], x, y)
        for role, (x, y) in array_names(arrays).items()
    }
    if not found:
        held = ", ".join(arrays) or "nothing"
        raise UserError(f"{path}: want x and y, or x_train and y_train. It has: {held}")
    return found


def array_names(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """The arrays of sources and labels among these, by role; "" for no splits."""
    known = set(names)
    found = {"": (X, Y)} if {X, Y} <= known else {}
    for role, stems in STEMS.items():
        pairs = ((f"{X}_{stem}", f"{Y}_{stem}") for stem in stems)
        if pair := next((pair for pair in pairs if set(pair) <= known), None):
            found[role] = pair
    return found


def _rows(path: Path) -> tuple[list[str], Iterator[Row]]:
    text = read_utf8(path)
    if path.suffix != ".jsonl":
        return table_rows(path, text)
    rows = list(json_rows(path, text, ()))
    return sorted({name for row in rows[:1] for name in row.values}), iter(rows)


def _of_rows(
    rows: Iterable[Row], columns: tuple[str, str], roots: AudioRoots | None
) -> Iterator[Labelled]:
    source, label = columns
    for row in rows:
        value, known = row.text(source), row.text(label).strip()
        if not known:
            raise row.fail(f"{label!r} is empty")
        if not value.strip():
            raise row.fail(f"{source!r} is empty")
        others = {k: v for k, v in row.values.items() if k not in columns}
        if roots is None:
            name = row.where.rpartition("/")[2]
            yield Labelled(name, value, known, others)
        else:
            place = roots.locate(value, row)
            yield Labelled(roots.name(place), str(place), known, others)


def _of_arrays(
    path: Path, sources: NDArray[Any], labels: NDArray[Any], x: str, y: str
) -> list[Labelled]:
    if not sources.ndim or labels.dtype.kind not in "biu":
        raise UserError(
            f"{path}: {x} is (N, ...) and {y} whole numbers (N,). Received: {x} "
            f"{sources.shape}, {y} {labels.dtype} {labels.shape}"
        )
    if labels.shape not in ((len(sources),), (len(sources), 1)):
        raise UserError(
            f"{path}: {y} has a number for each of {x}. Received: {x} "
            f"{sources.shape}, {y} {labels.shape}"
        )
    pairs = zip(sources, labels.reshape(-1).tolist(), strict=True)
    return [
        Labelled(f"{path.name}:{x}[{i}]", source, str(int(label)))
        for i, (source, label) in enumerate(pairs)
    ]


def _located(file: Path, roots: AudioRoots) -> str:
    return str(roots.locate(str(file), Row(str(file), {})))
