"""What the corpora of pairs that are made on this machine have in common."""

import abc
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora.base import PairCorpus
from s2s_zoo.data.corpora.made import MadeCorpus
from s2s_zoo.data.pair_formats import read_columns
from s2s_zoo.data.pairs import PairSequence

Texts = Mapping[str, Iterable[tuple[str, str]]]
"""Source and target of each pair of each split."""


@dataclass(frozen=True, kw_only=True)
class DemoPairs(MadeCorpus, PairCorpus):
    """A corpus of pairs that is made here, always the same."""

    kind: str = "pairs"

    @abc.abstractmethod
    def texts(self) -> Texts:
        """Everything that is in the corpus."""

    def make(self, directory: Path, progress: bool) -> None:
        for split, pairs in self.texts().items():
            shown = _track(pairs, f"making {self.name}, {split}") if progress else pairs
            path = directory / f"{split}.tsv"
            with path.open("w", encoding="utf-8", newline="\n") as file:
                file.writelines(f"{source}\t{target}\n" for source, target in shown)

    def read_pairs(
        self, split: str, directory: Path, source: str, target: str
    ) -> PairSequence:
        self.check_split(split)
        self.check_made(directory)
        swapped = len(self.languages) > 1 and source == self.languages[1]
        return read_columns(directory / f"{split}.tsv", swapped)


def _track(pairs: Iterable[tuple[str, str]], title: str) -> Iterable[tuple[str, str]]:
    from rich.console import Console
    from rich.progress import track

    return track(pairs, title, console=Console(stderr=True), transient=True)
