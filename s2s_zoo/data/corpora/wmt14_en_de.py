"""WMT 2014 English-German, the training data of Vaswani et al. (2017)."""

import html
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import PairCorpus
from s2s_zoo.data.download import download
from s2s_zoo.data.pair_formats import read_aligned
from s2s_zoo.data.pairs import JoinedPairs, PairSequence
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError, writing

LANGUAGES = ("en", "de")
TRAIN = ("europarl-v7.de-en", "commoncrawl.de-en", "news-commentary-v11.de-en")
VALIDATION = "newstest2013"
TEST = "newstest2014"


@dataclass(frozen=True)
class Archive:
    """An archive and the line-aligned files taken out of it.

    Attributes:
        name: of the file it is fetched to.
        urls: where it is.
        files: by name, the files in it that may hold them; SGML loses its tags.
    """

    name: str
    urls: tuple[str, ...]
    files: dict[str, tuple[str, ...]]


def _both(stem: str) -> dict[str, tuple[str, ...]]:
    return {f"{stem}.{tag}": (f"{stem}.{tag}",) for tag in LANGUAGES}


def _test_files() -> dict[str, tuple[str, ...]]:
    """English was the reference and German the source, or the other way round."""
    roles = {"en": ("ref.en", "src.en"), "de": ("src.de", "ref.de")}
    return {
        f"{TEST}.{tag}": tuple(f"{TEST}-deen-{role}.sgm" for role in found)
        for tag, found in roles.items()
    }


_STATMT = ("https://www.statmt.org", "http://www.statmt.org")
_DATA = ("https://data.statmt.org", "http://data.statmt.org")

ARCHIVES = (
    Archive(
        "europarl-v7.tgz",
        tuple(f"{site}/europarl/v7/de-en.tgz" for site in _STATMT),
        _both(TRAIN[0]),
    ),
    Archive(
        "commoncrawl.tgz",
        tuple(f"{s}/wmt13/training-parallel-commoncrawl.tgz" for s in _STATMT),
        _both(TRAIN[1]),
    ),
    Archive(
        "news-commentary-v11.tgz",
        tuple(
            f"{site}/wmt16/translation-task/training-parallel-nc-v11.tgz"
            for site in _DATA
        ),
        _both(TRAIN[2]),
    ),
    Archive(
        "dev.tgz",
        tuple(f"{site}/wmt16/translation-task/dev.tgz" for site in _DATA),
        _both(VALIDATION) | _test_files(),
    ),
)
"""No hashes are published: they are logged, and the archives' own checksums hold."""

_MAX_BYTES = 8 << 30
_SEGMENT = re.compile(r"<seg[^>]*>(.*?)</seg>", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Wmt14EnDe(PairCorpus):
    """Europarl v7, Common Crawl and News Commentary v11; newstest 2013 and 2014."""

    name: str = "wmt14_en_de"
    summary: str = "Parliament, web and news: 4.5 million pairs to train on"
    licence: str = "as of its parts, see statmt.org; research"
    languages: tuple[str, ...] = LANGUAGES
    splits: tuple[str, ...] = ("train", "validation", "test")

    def found_in(self, directory: Path) -> bool:
        return all((directory / f"{TRAIN[0]}.{tag}").is_file() for tag in LANGUAGES)

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        for archive in ARCHIVES:
            if not all((place / name).is_file() for name in archive.files):
                _fetch(archive, place, progress)
        return place

    def read_pairs(
        self, split: str, directory: Path, source: str, target: str
    ) -> PairSequence:
        self.check_split(split)
        self.check_languages(source, target)
        stems = {"train": TRAIN, "validation": (VALIDATION,), "test": (TEST,)}[split]
        parts = [
            read_aligned(*(directory / f"{stem}.{tag}" for tag in (source, target)))
            for stem in stems
        ]
        return parts[0] if len(parts) == 1 else JoinedPairs(parts)


def _fetch(archive: Archive, place: Path, progress: bool) -> None:
    packed = download(archive.urls, place / archive.name, None, progress=progress)
    with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=place) as name:
        extract(packed, Path(name), _MAX_BYTES)
        for wanted, candidates in archive.files.items():
            _take(Path(name), candidates, place / wanted)
    packed.unlink()


def _take(tree: Path, candidates: tuple[str, ...], destination: Path) -> None:
    """Move the first of the candidates found in a tree to its place."""
    found = next((p for name in candidates for p in tree.rglob(name)), None)
    if found is None:
        raise UserError(
            f"{destination}: the archive holds no {' or '.join(candidates)}"
        )
    if found.suffix == ".sgm":
        lines = "".join(f"{segment}\n" for segment in _segments(found))
        found.write_text(lines, encoding="utf-8", newline="\n")
    with writing(destination):
        found.replace(destination)


def _segments(path: Path) -> Iterator[str]:
    for match in _SEGMENT.finditer(read_utf8(path)):
        yield " ".join(html.unescape(match[1]).split())


CORPORA.register("wmt14_en_de", Wmt14EnDe(), __file__)
