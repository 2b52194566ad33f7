"""Plain texts, one after another."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.check_texts import TextReport, check_texts
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.text_files import TextCorpus
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind, Match, Progress
from s2s_zoo.data.source import Part
from s2s_zoo.data.texts import SPANS, TextSequence, joined, read_texts
from s2s_zoo.errors import check_choice

ENDINGS = (".txt", ".tokens")


@dataclass(frozen=True)
class Texts(Kind[TextSequence]):
    """Plain text, cut into examples.

    Attributes:
        text_unit: what an example is: a "line", a "paragraph" or a "document".
    """

    name: ClassVar[str] = "texts"
    prefix: ClassVar[str] = "lm"
    preset: ClassVar[str] = "lstm_lm_small"
    accepted: ClassVar[str] = (
        "train, validation and test .txt or .tokens, plain UTF-8; or a folder of such "
        "files for each; each file may end in .gz too"
    )

    text_unit: str = "line"

    def __post_init__(self) -> None:
        check_choice("text_unit", self.text_unit, SPANS)

    def match(self, files: Sequence[Path]) -> Match:
        return Match.NAME if any(map(is_text, files)) else Match.NONE

    def part(self, directory: Path, stem: str) -> Part[TextSequence] | None:
        for ending in ENDINGS:
            for packed in ("", ".gz"):
                file = directory / f"{stem}{ending}{packed}"
                if file.is_file():
                    return self._part([file])
        folder = directory / stem
        return self._part(_files_in(folder)) if folder.is_dir() else None

    def lone(self, path: Path) -> Part[TextSequence] | None:
        if path.is_file() and is_text(path):
            return self._part([path])
        return self._part(_files_in(path)) if path.is_dir() else None

    def _part(self, files: list[Path]) -> Part[TextSequence] | None:
        if not files:
            return None
        return Part(tuple(files), partial(read_texts, files, self.text_unit))

    def corpus_reader(
        self, corpus: Corpus, place: Path
    ) -> Callable[[str], TextSequence]:
        if not isinstance(corpus, TextCorpus):
            return super().corpus_reader(corpus, place)
        read = partial(corpus.read_texts, directory=place)
        return partial(read, text_unit=self.text_unit)

    def join(self, parts: list[TextSequence]) -> TextSequence:
        return joined(parts)

    def take(self, examples: TextSequence, rows: NDArray[np.int64]) -> TextSequence:
        return examples.take(rows)

    def hashes(self, examples: TextSequence) -> NDArray[np.uint64]:
        """So that the last texts are held out: a stream stays a stream."""
        return np.arange(len(examples), dtype=np.uint64)[::-1].copy()

    def check(
        self, data: str, preset: Any, progress: Progress | None = None
    ) -> TextReport:
        """A split without words, and texts to be measured on that are in train."""
        source = self.open(data)
        return check_texts(
            {split: partial(source.read_split, split) for split in source.all_roles()},
            progress=progress,
        )


def is_text(path: Path) -> bool:
    """Whether a file is called as plain text is."""
    return Path(path.name.removesuffix(".gz")).suffix in ENDINGS


def _files_in(directory: Path) -> list[Path]:
    return sorted(file for file in directory.iterdir() if is_text(file))


KINDS.register(Texts.name, Texts(), __file__)
