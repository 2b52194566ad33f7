"""What corpora of plain text files have in common."""

import abc
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.texts import TextSequence, read_texts
from s2s_zoo.errors import UserError


@dataclass(frozen=True, kw_only=True)
class TextCorpus(Corpus):
    """A named corpus of plain texts, a file for each split."""

    kind: str = "texts"
    languages: tuple[str, ...] = ("en",)
    splits: tuple[str, ...] = ("train", "validation", "test")

    @property
    @abc.abstractmethod
    def names(self) -> dict[str, tuple[str, ...]]:
        """What the file of each split may be called; each may end in .gz too."""

    def read(self, split: str, directory: Path) -> TextSequence:
        return self.read_texts(split, directory, "line")

    def read_texts(self, split: str, directory: Path, text_unit: str) -> TextSequence:
        """The texts of a split; see `s2s_zoo.data.texts.read_texts`."""
        self.check_split(split)
        file = self.file_in(directory, split)
        if file is None:
            names = " or ".join(self.names[split])
            raise UserError(f"{directory}: no file {names}, plain or .gz")
        return read_texts([file], text_unit)

    def file_in(self, directory: Path, split: str) -> Path | None:
        """The file of a split, where it is there."""
        names = (f"{name}{end}" for name in self.names[split] for end in ("", ".gz"))
        return next((directory / n for n in names if (directory / n).is_file()), None)


@dataclass(frozen=True, kw_only=True)
class GivenTextCorpus(TextCorpus):
    """A corpus that has to be fetched by hand.

    Attributes:
        origin: where from.
    """

    origin: str

    def found_in(self, directory: Path) -> bool:
        return all(self.file_in(directory, split) for split in self.splits)

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            names = ", ".join(self.names[split][0] for split in self.splits)
            raise UserError(f"Put {names} into {place}; they are from {self.origin}")
        return place
