"""What the corpora of pairs that are made on this machine have in common."""

import abc
import os
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.cache import cache_directory
from s2s_zoo.data.corpora.base import PairCorpus
from s2s_zoo.data.pair_formats import read_columns
from s2s_zoo.data.pairs import PairSequence
from s2s_zoo.errors import UserError, writing

Texts = Mapping[str, Iterable[tuple[str, str]]]
"""Source and target of each pair of each split."""


@dataclass(frozen=True, kw_only=True)
class DemoPairs(PairCorpus):
    """A corpus of pairs that is made here, always the same.

    Attributes:
        version: raised with every change of what is made; in the folder's name.
    """

    licence: str = "unrestricted"
    splits: tuple[str, ...] = ("train", "validation", "test")
    made_locally: bool = True
    version: int = 1

    @property
    def edition(self) -> str:
        """What tells what is made from anything else that may be called the same."""
        return str(self.version)

    @abc.abstractmethod
    def make(self) -> Texts:
        """Everything that is in the corpus.

        Raises:
            UserError: what it is made with is not installed.
        """

    def found_in(self, directory: Path) -> bool:
        return self.mark_in(directory) == self._mark

    def mark_in(self, directory: Path) -> str:
        """What says which corpus lies in a directory; nothing if none does."""
        mark = directory / "VERSION"
        return mark.read_bytes().decode("utf-8", "replace") if mark.is_file() else ""

    def home(self) -> Path:
        return cache_directory() / f"{self.name}-{self.edition}"

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        """Make the corpus unless it is there already.

        It is made in a temporary folder that is renamed when complete: a killed
        process leaves no half corpus, and of several processes one wins.
        """
        directory = directory or self.home()
        if self.found_in(directory):
            return directory
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UserError(
                f"{directory} exists and is not version {self.edition} of {self.name}: "
                "name a new or an empty directory"
            )
        texts = self.make()
        with writing(directory):
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                dir=directory.parent, prefix=f".{directory.name}-"
            ) as temporary:
                self._put(texts, Path(temporary) / "corpus", directory, progress)
        return directory

    def read_pairs(
        self, split: str, directory: Path, source: str, target: str
    ) -> PairSequence:
        self.check_split(split)
        if not self.found_in(directory):
            raise UserError(
                f"{directory} does not hold version {self.edition} of {self.name}: "
                f"make it with `s2s-zoo data prepare`"
            )
        swapped = len(self.languages) > 1 and source == self.languages[1]
        return read_columns(directory / f"{split}.tsv", swapped)

    @property
    def _mark(self) -> str:
        return f"{self.name} {self.edition}\n"

    def _put(self, texts: Texts, made: Path, directory: Path, progress: bool) -> None:
        made.mkdir()
        for split, pairs in texts.items():
            shown = _track(pairs, f"making {self.name}, {split}") if progress else pairs
            path = made / f"{split}.tsv"
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{source}\t{target}\n" for source, target in shown)
        (made / "VERSION").write_bytes(self._mark.encode())
        try:
            os.replace(made, directory)
        except OSError:
            if not self.found_in(directory):  # else another process was faster
                raise


def _track(pairs: Iterable[tuple[str, str]], title: str) -> Iterable[tuple[str, str]]:
    from rich.console import Console
    from rich.progress import track

    return track(pairs, title, console=Console(stderr=True), transient=True)
