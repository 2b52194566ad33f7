"""Pairs of texts, one the answer to the other."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.check_pairs import PairReport, check_pairs
from s2s_zoo.data.corpora.base import Corpus, PairCorpus
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind, Match, Progress
from s2s_zoo.data.pair_files import ACCEPTED, find_lone, find_pairs, is_aligned
from s2s_zoo.data.pair_formats import JSON_KEYS
from s2s_zoo.data.pairs import JoinedPairs, PairSequence, PairView
from s2s_zoo.data.peek import holds_keys
from s2s_zoo.data.source import Part


@dataclass(frozen=True)
class Pairs(Kind[PairSequence]):
    """Sources and targets, line by line.

    Attributes:
        source: language of the sources: the ending of aligned files, the language in
            .tmx, one of those of a corpus. What has no languages does without.
        target: language of the targets.
    """

    name: ClassVar[str] = "pairs"
    prefix: ClassVar[str] = "mt"
    preset: ClassVar[str] = "transformer_tiny"
    accepted: ClassVar[str] = ACCEPTED
    most_held_out: ClassVar[int | None] = 3000

    source: str = "en"
    target: str = "de"

    @property
    def description(self) -> str:
        return f"pairs with the languages {self.source!r} and {self.target!r}"

    def match(self, files: Sequence[Path]) -> Match:
        return max(map(_match, files), default=Match.NONE)

    def part(self, directory: Path, stem: str) -> Part[PairSequence] | None:
        return find_pairs(directory, (stem,), self.source, self.target)

    def lone(self, path: Path) -> Part[PairSequence] | None:
        return find_lone(path, self.source, self.target)

    def join(self, parts: list[PairSequence]) -> PairSequence:
        return parts[0] if len(parts) == 1 else JoinedPairs(parts)

    def take(self, examples: PairSequence, rows: NDArray[np.int64]) -> PairSequence:
        return PairView(examples, rows)

    def corpus_reader(
        self, corpus: Corpus, place: Path
    ) -> Callable[[str], PairSequence]:
        if not isinstance(corpus, PairCorpus):
            return super().corpus_reader(corpus, place)
        if len(corpus.languages) > 1:
            corpus.check_languages(self.source, self.target)
        return partial(
            corpus.read_pairs, directory=place, source=self.source, target=self.target
        )

    def check(
        self, data: str, preset: Any, progress: Progress | None = None
    ) -> PairReport:
        """Its longest sentence counts."""
        source, task = self.open(data), preset.task
        return check_pairs(
            {split: partial(source.read_split, split) for split in source.all_roles()},
            longest=task.max_tokens,
            cut=bool(task.cut),
            progress=progress,
        )


def _match(file: Path) -> Match:
    plain = Path(file.name.removesuffix(".gz"))
    if plain.suffix in (".tsv", ".tmx"):
        return Match.NAME
    if plain.suffix not in (".jsonl", ".json"):
        return Match.NAME if is_aligned(file) else Match.NONE
    if plain.name != file.name:
        return Match.NAME
    found = any(holds_keys(file, keys) for keys in JSON_KEYS)
    return Match.CONTENT if found else Match.NONE


KINDS.register(Pairs.name, Pairs(), __file__)
