"""What a corpus must be and do.

A corpus is a frozen dataclass derived from `Corpus`, of pairs of texts from
`PairCorpus`. Its module registers one instance:
`CORPORA.register("fsdd", Fsdd(), __file__)`.
"""

import abc
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from s2s_zoo.data.cache import cache_directory
from s2s_zoo.data.pairs import PairSequence
from s2s_zoo.errors import UserError


@dataclass(frozen=True, kw_only=True)
class Corpus(abc.ABC):
    """A named corpus.

    Attributes:
        name: the canonical name (lower case, underscores).
        summary: one line for people: what is in it, and how much.
        licence: name of the licence.
        languages: BCP 47 tags.
        splits: names that `read` takes.
        train_split: the split to train on unless told otherwise.
        validation_split: the split that chooses the best step.
        test_split: the split that is reported.
        kind: name of the kind of its examples.
        folder: what it is called below $S2S_ZOO_DATA_DIR, after a prefix; empty for
            its name.
        prefix: of that folder; empty for that of its kind.
        made_locally: `prepare` needs no network and takes seconds, so that reading
            the corpus by name may prepare it unasked.
    """

    name: str
    summary: str
    licence: str
    languages: tuple[str, ...]
    splits: tuple[str, ...]
    train_split: str = "train"
    validation_split: str = "validation"
    test_split: str = "test"
    kind: str = "utterances"
    folder: str = ""
    prefix: str = ""
    made_locally: bool = False

    @abc.abstractmethod
    def found_in(self, directory: Path) -> bool:
        """Whether `directory` has the layout of this corpus (a look, no hashing)."""

    @abc.abstractmethod
    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        """Make the corpus ready to read: fetch what is missing, verify what is there.

        Args:
            directory: where it lies or shall lie; by default `home()`.
            progress: show progress bars on stderr.

        Returns:
            The directory to give to `read`.

        Raises:
            UserError: it cannot be fetched, or what lies there is not the corpus.
        """

    @abc.abstractmethod
    def read(self, split: str, directory: Path) -> Sequence[Any]:
        """The examples of a split, in an order that is always the same.

        Raises:
            UserError: no such split (see `check_split`), or it is not in `directory`.
        """

    def of_size(self, size: str) -> Self:
        """The corpus with so many examples in train, as "NAME:SIZE" asks for.

        Raises:
            UserError: it has one size, or not this one.
        """
        raise UserError(
            f"{self.name}:{size}: {self.name} has one size; it is called {self.name}"
        )

    @property
    def called(self) -> str:
        """What asks for it: its name, or what `of_size` reads behind it."""
        return self.name

    def home(self) -> Path:
        """Where the corpus lies when nobody says otherwise: its folder of the cache."""
        return cache_directory() / self.name

    def roles(self, directory: Path) -> dict[str, str]:
        """The split of this directory for each of train, validation and test.

        A role for which there is no split is left out.
        """
        del directory
        return {
            "train": self.train_split,
            "validation": self.validation_split,
            "test": self.test_split,
        }

    def check_split(self, split: str) -> None:
        """Raise a UserError unless `split` is one of `splits`."""
        if split not in self.splits:
            known = ", ".join(self.splits)
            raise UserError(f"{self.name} has no split {split!r}; it has: {known}")


@dataclass(frozen=True, kw_only=True)
class PairCorpus(Corpus):
    """A named corpus of pairs of texts.

    The first two of its languages are the source and target unless others are asked
    for. A corpus of one language has one direction.
    """

    kind: str = "pairs"

    @abc.abstractmethod
    def read_pairs(
        self, split: str, directory: Path, source: str, target: str
    ) -> PairSequence:
        """The pairs of a split, in an order that is always the same.

        Args:
            split: one of `splits`.
            directory: from `prepare`.
            source: language of the sources, one of `languages`.
            target: language of the targets, likewise.
        """

    def read(self, split: str, directory: Path) -> PairSequence:
        source, target = (*self.languages * 2,)[:2]
        return self.read_pairs(split, directory, source, target)

    def check_languages(self, source: str, target: str) -> None:
        """Raise a UserError unless both are languages of the corpus, and differ."""
        if source == target or not {source, target} <= set(self.languages):
            known = ", ".join(self.languages)
            raise UserError(
                f"{self.name} has the languages {known}; received {source!r} as the "
                f"source, {target!r} as the target"
            )
