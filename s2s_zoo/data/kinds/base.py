"""What a kind of examples must be and do.

A kind is a frozen dataclass derived from `Kind`. Its module registers one instance:
`KINDS.register("pairs", Pairs(), __file__)`. Nothing else needs to know it: corpora and
tasks name it, and everything that reads, lists or checks data asks the registry.
"""

import abc
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Generic, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.lookup import (
    corpus_in,
    corpus_names,
    find_corpus,
    named_corpus,
)
from s2s_zoo.data.report import Report
from s2s_zoo.data.source import ROLES, STEMS, Examples, Part, Source
from s2s_zoo.errors import UserError, named_path

HELD_OUT_SHARE = 0.05

Progress = Callable[[int, int], None]

_log = logging.getLogger(__name__)


class Match(IntEnum):
    """How sure it is that files hold examples of a kind."""

    NONE = 0
    NAME = 1
    CONTENT = 2


@dataclass(frozen=True)
class Kind(abc.ABC, Generic[Examples]):
    """A kind of examples: how data of it is recognized, read, split and checked.

    Its fields, each with a default, are the options of reading it.

    Attributes:
        name: registered name, a noun in the plural.
        prefix: of the folders of its corpora below $S2S_ZOO_DATA_DIR.
        preset: the preset that data is checked for unless another is named.
        accepted: the formats it is read from, in words.
        most_held_out: of train for validation; None for no limit but the share.
    """

    name: ClassVar[str]
    prefix: ClassVar[str]
    preset: ClassVar[str]
    accepted: ClassVar[str]
    most_held_out: ClassVar[int | None] = None

    @abc.abstractmethod
    def match(self, files: Sequence[Path]) -> Match:
        """How sure it is that files, which need not exist, hold such examples."""

    @abc.abstractmethod
    def part(self, directory: Path, stem: str) -> Part[Examples] | None:
        """The examples in a directory whose files are called `stem`, if there are."""

    @abc.abstractmethod
    def lone(self, path: Path) -> Part[Examples] | None:
        """The examples at a path that is no directory of splits, if there are."""

    @abc.abstractmethod
    def join(self, parts: list[Examples]) -> Examples:
        """The examples of several parts, one after another."""

    @abc.abstractmethod
    def take(self, examples: Examples, rows: NDArray[np.int64]) -> Examples:
        """The examples with these ascending numbers."""

    @abc.abstractmethod
    def check(self, data: str, preset: Any, progress: Progress | None = None) -> Report:
        """Find what would hurt training a preset on `data`, in one pass.

        Args:
            data: corpus by name or path.
            preset: of a task for this kind of examples.
            progress: called with (done, total).
        """

    @property
    def description(self) -> str:
        """What messages call the examples that are looked for."""
        return self.name

    @property
    def options(self) -> tuple[str, ...]:
        """The names of the options of reading."""
        return tuple(option.name for option in fields(self))

    def with_options(self, options: Mapping[str, Any]) -> Self:
        """The kind read with these options.

        Raises:
            UserError: it has no option of such a name.
        """
        if unknown := sorted(set(options) - set(self.options)):
            known = ", ".join(self.options) or "none"
            raise UserError(
                f"The options of {self.name} are: {known}. Received: "
                f"{', '.join(unknown)}"
            )
        return replace(self, **options)

    def for_task(self, task: Any) -> Self:
        """The kind read with the settings of a task that are called as options are."""
        known = {name for name in self.options if hasattr(task, name)}
        return self.with_options({name: getattr(task, name) for name in known})

    def open(self, data: str) -> Source[Examples]:
        """Whatever the user calls data.

        Args:
            data: the name of a corpus; or the path of a directory with files of the
                roles train, validation (valid, val, dev) and test, or in the layout
                of a corpus; or of a lone file, which is train for "train" and
                "validation", and read whole for "test".

        Raises:
            UserError: nothing of this kind; says what is accepted.
        """
        if corpus := named_corpus(data, self.name):
            return self._corpus_source(data, corpus, find_corpus(corpus))
        path = named_path(data)
        if path.is_dir():
            if corpus := corpus_in(path, self.name):
                return self._corpus_source(data, corpus, path)
            if parts := self._parts(path):
                return self._source(
                    data=data,
                    roles={role: role for role in parts},
                    splits=tuple(parts),
                    read=lambda role: parts[role].read(),
                )
        if lone := self.lone(path):
            return self._lone_source(data, path, lone)
        raise self._nothing_at(data, path)

    def read(self, data: str, split: str) -> Examples:
        """The examples of a split of whatever the user calls data; see `open`."""
        return self.open(data).read_split(split)

    def corpus_reader(self, corpus: Corpus, place: Path) -> Callable[[str], Examples]:
        """What reads a split of a corpus of this kind that lies at `place`.

        Raises:
            UserError: the corpus has not what the options ask for.
        """

        def read(split: str) -> Examples:
            examples: Any = corpus.read(split, place)
            return examples

        return read

    def hashes(self, examples: Examples) -> NDArray[np.uint64]:
        """What decides which examples are held out: the smallest (N,).

        SplitMix64 (Steele et al., 2014) of their numbers: no two are equal.
        """
        number = np.arange(1, len(examples) + 1, dtype=np.uint64)
        value = number * np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return value ^ (value >> np.uint64(31))

    def hold_out(self, examples: Examples, data: str) -> tuple[Examples, Examples]:
        """Train and validation: those with the smallest `hashes` are validation.

        Validation is empty where there are less than two examples.
        """
        if len(examples) < 2:
            return examples, self.take(examples, np.zeros(0, np.int64))
        count = max(1, round(len(examples) * HELD_OUT_SHARE))
        count = min(count, self.most_held_out or count)
        is_held_out = np.zeros(len(examples), np.bool_)
        smallest = np.argpartition(self.hashes(examples), count - 1)[:count]
        is_held_out[smallest] = True
        _log.info(
            "%s has no validation split: %d of the %d %s of train are held out",
            *(data, count, len(examples), self.name),
        )
        rows = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
        return self.take(examples, rows[0]), self.take(examples, rows[1])

    def _parts(self, directory: Path) -> dict[str, Part[Examples]]:
        """The part of a directory for each role that there is one for."""
        found: dict[str, Part[Examples]] = {}
        for role in ROLES:
            parts = (self.part(directory, stem) for stem in STEMS[role])
            if part := next(filter(None, parts), None):
                found[role] = part
        return found

    def _source(self, data: str, **found: Any) -> Source[Examples]:
        most = f", at most {self.most_held_out} {self.name}"
        return Source(
            data=data,
            kind=self.name,
            join=self.join,
            hold_out=lambda examples: self.hold_out(examples, data),
            held_out="5 % of train" + (most if self.most_held_out else ""),
            **found,
        )

    def _corpus_source(
        self, data: str, corpus: Corpus, place: Path
    ) -> Source[Examples]:
        return self._source(
            data=data,
            roles=corpus.roles(place),
            splits=corpus.splits,
            read=self.corpus_reader(corpus, place),
        )

    def _lone_source(
        self, data: str, path: Path, part: Part[Examples]
    ) -> Source[Examples]:
        whole = cache(part.read)
        return self._source(
            data=data,
            roles={"train": path.name},
            splits=("test",),
            read=lambda split: whole(),
            lone=tuple(sorted(file.resolve() for file in part.files)),
        )

    def _nothing_at(self, data: str, path: Path) -> UserError:
        if path.is_dir():
            names = sorted(file.name for file in path.iterdir())
            more = ", …" if len(names) > 12 else ""
            return UserError(
                f"{data}: no train, validation or test of {self.description}; it holds "
                f"{', '.join(names[:12]) or 'nothing'}{more}; accepted: {self.accepted}"
            )
        if path.is_file():
            return UserError(
                f"{data}: not a file of {self.description}; accepted: {self.accepted}"
            )
        return UserError(
            f"{data}: neither a file nor a directory nor a corpus of "
            f"{self.description}; the corpora are: {corpus_names(self.name)}"
        )
