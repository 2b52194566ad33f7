"""IMDB: 50,000 whole film reviews (Maas et al., 2011, "Learning Word Vectors ...")."""

import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError
from s2s_zoo.json_text import parse_json

URL = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
LABELS = {"neg": "negative", "pos": "positive"}
NUMBERS = {"0": "negative", "1": "positive"}
TREE = "aclImdb"


@dataclass(frozen=True, kw_only=True)
class Imdb(Corpus):
    """25,000 reviews to train on and as many to test.

    Read are the tree of the archive, `aclImdb/train/pos/1_7.txt`, and `train.jsonl.xz`,
    `test.jsonl.xz` with the keys label and text. Validation is held out of train.
    Breaks of lines are written as spaces.
    """

    name: str = "imdb"
    summary: str = "whole film reviews, 2 classes, 50,000 texts"
    licence: str = "research use, as of the authors"
    languages: tuple[str, ...] = ("en",)
    splits: tuple[str, ...] = ("train", "test")
    kind: str = "labelled_texts"

    def found_in(self, directory: Path) -> bool:
        return _tree(directory) is not None or _packed(directory, "test").is_file()

    def roles(self, directory: Path) -> dict[str, str]:
        return {"train": "train", "test": "test"}

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            raise UserError(f"{place}: unpack {URL} there")
        return place

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        tree = _tree(directory)
        if tree is not None:
            return list(_files(tree / split))
        return list(_lines(_packed(directory, split)))


def _tree(directory: Path) -> Path | None:
    for place in (directory, directory / TREE):
        if (place / "train" / "pos").is_dir() and (place / "test" / "neg").is_dir():
            return place
    return None


def _packed(directory: Path, split: str) -> Path:
    return directory / f"{split}.jsonl.xz"


def _files(directory: Path) -> Iterator[Labelled]:
    for folder, label in LABELS.items():
        for path in sorted((directory / folder).glob("*.txt")):
            name = f"{folder}/{path.name}"
            yield Labelled(name, _plain(read_utf8(path)), label)


def _lines(path: Path) -> Iterator[Labelled]:
    try:
        with lzma.open(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                yield _labelled(path, number, line)
    except (OSError, lzma.LZMAError, UnicodeDecodeError, EOFError) as error:
        raise UserError(f"{path}: cannot be read: {error}") from error


def _labelled(path: Path, number: int, line: str) -> Labelled:
    try:
        row = parse_json(line)
        label, text = LABELS | NUMBERS, str(row["text"])
        found = label.get(str(row["label"]), str(row["label"]))
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}:{number}: want label and text: {error!r}") from error
    return Labelled(f"{path.name}:{number}", _plain(text), found)


def _plain(text: str) -> str:
    return " ".join(text.replace("<br />", " ").split())


CORPORA.register("imdb", Imdb(), __file__)
