"""What kinds of labelled data have in common: images, texts, recordings."""

import abc
import hashlib
import logging
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio_roots import AudioRoots
from s2s_zoo.data.check_labelled import LabelReport, check_labelled
from s2s_zoo.data.kinds.base import HELD_OUT_SHARE, Kind, Match, Progress
from s2s_zoo.data.labelled import (
    ARRAYS,
    LABELS,
    PATHS,
    TABLES,
    TEXTS,
    Labelled,
    array_names,
    label_folders,
    labelled_columns,
    read_arrays,
    read_folders,
    read_table,
)
from s2s_zoo.data.peek import head_of
from s2s_zoo.data.rows import column_names
from s2s_zoo.data.source import Part, Source
from s2s_zoo.errors import UserError, named_path

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class LabelledKind(Kind[list[Labelled]]):
    """Things with a label each.

    Attributes:
        endings: of the files that hold one, in lower case; none for texts.
        has_arrays: whether .npz files hold them.
        group: column whose equal values are held out together, such as a speaker.
    """

    endings: ClassVar[tuple[str, ...]] = ()
    has_arrays: ClassVar[bool] = False

    group: str = ""

    @abc.abstractmethod
    def content(self, source: Any) -> bytes:
        """What tells a source from another: of equal ones it is equal.

        Raises:
            UserError: it cannot be read.
        """

    @property
    def sources(self) -> tuple[str, ...]:
        """What the column of sources may be called."""
        return PATHS if self.endings else TEXTS

    def match(self, files: Sequence[Path]) -> Match:
        return max(map(self._match, files), default=Match.NONE)

    def _match(self, file: Path) -> Match:
        if file.is_dir():
            holds = bool(self.endings) and bool(label_folders(file, self.endings))
        elif file.suffix == ARRAYS:
            holds = self.has_arrays and bool(array_names(_members(file)))
        else:
            holds = file.suffix in TABLES and self._is_table(file)
        return Match.CONTENT if holds else Match.NONE

    def _is_table(self, file: Path) -> bool:
        """Whether a table names its columns so, and of files, the first is of ours."""
        lines = head_of(file).decode("utf-8-sig", errors="replace").splitlines()
        if not lines:
            return False
        columns = column_names(lines[0])
        if file.suffix == ".jsonl":
            known = (*self.sources, *LABELS)
            columns = [name for name in known if f'"{name}"' in lines[0]]
        if labelled_columns(columns, self.sources) is None:
            return False
        first = "".join(lines[:2]).lower()
        return not self.endings or any(ending in first for ending in self.endings)

    def part(self, directory: Path, stem: str) -> Part[list[Labelled]] | None:
        places = [directory / stem]
        places += [directory / f"{stem}{ending}" for ending in (*TABLES, ARRAYS)]
        return next(filter(None, map(self.lone, places)), None)

    def lone(self, path: Path) -> Part[list[Labelled]] | None:
        if path.is_dir() and self.endings and label_folders(path, self.endings):
            return Part((path,), partial(read_folders, path, self.endings))
        if path.is_file() and path.suffix in TABLES:
            return Part((path,), partial(self._read_table, path))
        if self.has_arrays and path.is_file() and path.suffix == ARRAYS:
            return Part((path,), partial(_read_whole, path))
        return None

    def _read_table(self, path: Path) -> list[Labelled]:
        roots = AudioRoots(path.absolute().parent) if self.endings else None
        return read_table(path, self.sources, roots)

    def open(self, data: str) -> Source[list[Labelled]]:
        """As of every kind; an .npz file may hold several splits."""
        path = named_path(data)
        if not (self.has_arrays and path.suffix == ARRAYS and path.is_file()):
            return super().open(data)
        found = read_arrays(path)
        if "" in found:
            return super().open(data)
        return self._source(
            data=data,
            roles={role: role for role in found},
            splits=tuple(found),
            read=lambda role: found[role],
        )

    def join(self, parts: list[list[Labelled]]) -> list[Labelled]:
        return list(chain.from_iterable(parts))

    def take(self, examples: list[Labelled], rows: NDArray[np.int64]) -> list[Labelled]:
        return [examples[row] for row in rows.tolist()]

    def hashes(self, examples: list[Labelled]) -> NDArray[np.uint64]:
        """The first 64 bits of the SHA-256 of their names."""
        return np.array([_hash(example.name) for example in examples], np.uint64)

    def hold_out(
        self, examples: list[Labelled], data: str
    ) -> tuple[list[Labelled], list[Labelled]]:
        """As of every kind, or the groups with the smallest hashes as a whole."""
        if not self.group:
            return super().hold_out(examples, data)
        groups = self._groups(examples, data)
        held: list[int] = []
        for rows in list(groups.values())[:-1]:
            if len(held) >= HELD_OUT_SHARE * len(examples):
                break
            held += rows
        _log.info(
            "%s has no validation split: %d of the %d %s of train are held out, whole "
            "groups by %s",
            *(data, len(held), len(examples), self.name, self.group),
        )
        kept = sorted(set(range(len(examples))) - set(held))
        return [examples[i] for i in kept], [examples[i] for i in sorted(held)]

    def _groups(self, examples: list[Labelled], data: str) -> dict[str, list[int]]:
        """The numbers of the examples of each group, by ascending hash."""
        groups: dict[str, list[int]] = {}
        for i, example in enumerate(examples):
            if self.group not in example.columns:
                known = ", ".join(example.columns) or "none"
                raise UserError(
                    f"{data}: {example.name} has no column {self.group!r} to group "
                    f"by; it has: {known}"
                )
            groups.setdefault(str(example.columns[self.group]), []).append(i)
        return dict(sorted(groups.items(), key=lambda item: _hash(item[0])))

    def check(
        self, data: str, preset: Any, progress: Progress | None = None
    ) -> LabelReport:
        """What it holds counts; the preset does not."""
        del preset
        source = self.open(data)
        splits = {
            split: partial(source.read_split, split) for split in source.all_roles()
        }
        return check_labelled(splits, self.name, self.content, progress)


def _read_whole(path: Path) -> list[Labelled]:
    found: Mapping[str, list[Labelled]] = read_arrays(path)
    if "" not in found:
        raise UserError(f"{path}: want x and y. It has splits: {', '.join(found)}")
    return found[""]


def _members(path: Path) -> list[str]:
    """The names of the arrays of an archive; none of what is no archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return [name.removesuffix(".npy") for name in archive.namelist()]
    except (OSError, ValueError, zipfile.BadZipFile):
        return []


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big")
