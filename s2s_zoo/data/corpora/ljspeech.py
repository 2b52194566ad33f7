"""LJSpeech: one woman reads seven books of non-fiction (Ito and Johnson, 2017)."""

import re
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.held_out import SPLITS, of_split
from s2s_zoo.data.download import download
from s2s_zoo.data.manifests import Utterance, read_manifest
from s2s_zoo.data.peek import first_line
from s2s_zoo.data.speech_trees import LISTING
from s2s_zoo.errors import UserError

URL = "https://data.keithito.com/data/speech/LJSpeech-1.1.tar.bz2"
SHA256 = "be1a30453f28eb8dd26af4101ae40cbf2c50413b1bb21936cbcdc6fae3de8aa5"
"""Of the archive, as published in torchaudio's datasets/ljspeech.py."""

COUNT = 13_100
"""Utterances."""

_TREE = "LJSpeech-1.1"
_LINE = re.compile(r"LJ\d{3}-\d{4}\|")
_MAX_BYTES = 8 << 30


@dataclass(frozen=True, kw_only=True)
class LJSpeech(Corpus):
    """LJSpeech 1.1; read are the texts in which numbers are words.

    It has no splits of its own: 100 and 500 utterances, chosen by the SHA-256 of their
    names, are validation and test.
    """

    name: str = "ljspeech"
    summary: str = "one voice reads English books, 13,100 utterances, 24 h, 22.05 kHz"
    licence: str = "public domain"
    languages: tuple[str, ...] = ("en-US",)
    splits: tuple[str, ...] = SPLITS
    prefix: str = "tts"

    def found_in(self, directory: Path) -> bool:
        return _tree(directory) is not None

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            archive = place / f"{_TREE}.tar.bz2"
            download(URL, archive, SHA256, progress=progress)
            extract(archive, place, _MAX_BYTES)
            archive.unlink()
        received = len(_read(place))
        if received != COUNT:
            raise UserError(f"{place}: {received} utterances; LJSpeech has {COUNT}")
        return place

    def read(self, split: str, directory: Path) -> list[Utterance]:
        self.check_split(split)
        return of_split(_read(directory), split)


def _read(directory: Path) -> list[Utterance]:
    tree = _tree(directory)
    if tree is None:
        raise UserError(f"{directory}: no {LISTING} of LJSpeech is here")
    return read_manifest(tree)


def _tree(directory: Path) -> Path | None:
    """The folder of the listing, below LJSpeech-1.1/ or right here."""
    places = (directory / _TREE, directory)
    return next((place for place in places if _lists(place / LISTING)), None)


def _lists(listing: Path) -> bool:
    return listing.is_file() and bool(_LINE.match(first_line(listing)))


CORPORA.register("ljspeech", LJSpeech(), __file__)
