"""IWSLT 2014 German-English: talks (Cettolo et al., 2014)."""

import re
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from defusedxml.ElementTree import ParseError
from defusedxml.ElementTree import parse as parse_xml

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import PairCorpus
from s2s_zoo.data.download import download
from s2s_zoo.data.pair_files import find_pairs
from s2s_zoo.data.pairs import PairSequence
from s2s_zoo.data.source import ROLES, STEMS, Part
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError, writing

LANGUAGES = ("de", "en")
URLS = (
    "https://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
    "http://dl.fbaipublicfiles.com/fairseq/data/iwslt14/de-en.tgz",
)
"""The archive that fairseq's prepare-iwslt14.sh takes; no hash is published."""

TALKS = (
    "TED.dev2010",
    "TEDX.dev2012",
    "TED.tst2010",
    "TED.tst2011",
    "TED.tst2012",
)
"""What the test is made of, in this order."""

_EVERY = 23
_MAX_BYTES = 1 << 30
_LEFT_OUT = re.compile(r"<(url|talkid|keywords|speaker|reviewer|translator|doc)\b|</")
_TITLE = re.compile(r"</?(title|description)>")


@dataclass(frozen=True, kw_only=True)
class Iwslt14DeEn(PairCorpus):
    """Split as fairseq does: each 23rd training pair is validation, five tests one.

    Unlike there, the text stays as it is: not tokenized, not lowercased, none dropped.
    """

    name: str = "iwslt14_de_en"
    summary: str = "Talks: 160,000 pairs to train on"
    licence: str = "CC BY-NC-ND 4.0 (TED)"
    languages: tuple[str, ...] = LANGUAGES
    splits: tuple[str, ...] = ROLES

    def found_in(self, directory: Path) -> bool:
        return _find_split(directory, "train", *LANGUAGES) is not None

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            packed = download(URLS, place / "de-en.tgz", None, progress=progress)
            with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=place) as name:
                extract(packed, Path(name), _MAX_BYTES)
                for tag in LANGUAGES:
                    _split(Path(name), place, tag)
            packed.unlink()
        return place

    def read_pairs(
        self, split: str, directory: Path, source: str, target: str
    ) -> PairSequence:
        self.check_split(split)
        self.check_languages(source, target)
        found = _find_split(directory, split, source, target)
        if found is None:
            raise UserError(f"{directory}: no iwslt14.{split}.{source} and .{target}")
        return found.read()


def _find_split(
    directory: Path, split: str, source: str, target: str
) -> Part[PairSequence] | None:
    """A split as `prepare` leaves it, or as in a folder of this name."""
    stems = tuple(f"iwslt14.{stem}" for stem in STEMS[split])
    if "iwslt14" in directory.name:
        stems += STEMS[split]
    return find_pairs(directory, stems, source, target)


def _split(tree: Path, place: Path, tag: str) -> None:
    """Write the splits of one language."""
    lines = _talk_lines(_find(tree, f"train.tags.de-en.{tag}"))
    parts: dict[str, list[str]] = {"train": [], "validation": []}
    for number, line in enumerate(lines, start=1):
        parts["train" if number % _EVERY else "validation"].append(line)
    parts["test"] = [
        line
        for talk in TALKS
        for line in _segments(_find(tree, f"IWSLT14.{talk}.de-en.{tag}.xml"))
    ]
    for role in reversed(ROLES):  # train last: where it is, all are
        _write(place / f"iwslt14.{role}.{tag}", parts[role])


def _find(tree: Path, name: str) -> Path:
    found = next(tree.rglob(name), None)
    if found is None:
        raise UserError(f"{URLS[0]}: the archive holds no {name}")
    return found


def _talk_lines(path: Path) -> Iterator[str]:
    for line in read_utf8(path).split("\n"):
        if not _LEFT_OUT.match(line.lstrip()):
            yield " ".join(_TITLE.sub("", line).split())


def _segments(path: Path) -> Iterator[str]:
    try:
        tree = parse_xml(path)
    except (ParseError, LookupError, ValueError) as error:  # hostile ones too
        raise UserError(f"{path.name}: not well-formed XML: {error}") from error
    for segment in tree.iter("seg"):
        yield " ".join((segment.text or "").split())


def _write(path: Path, lines: Iterable[str]) -> None:
    with writing(path):
        content = "".join(f"{line}\n" for line in lines)
        path.write_text(content, encoding="utf-8", newline="\n")


CORPORA.register("iwslt14_de_en", Iwslt14DeEn(), __file__)
