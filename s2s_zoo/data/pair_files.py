"""Pairs of texts in files, found by their names."""

import glob
import re
from collections import defaultdict
from collections.abc import Iterable
from functools import partial
from pathlib import Path

from s2s_zoo.data.pair_formats import (
    read_aligned,
    read_columns,
    read_json,
    read_tmx,
)
from s2s_zoo.data.pairs import PairSequence
from s2s_zoo.data.source import Part

ACCEPTED = (
    "PREFIX.SOURCE with PREFIX.TARGET, line by line; .tsv with "
    "source<TAB>target; .jsonl or .json with source,target or document,summary or "
    "prompt,reply; .tmx; each may end in .gz too"
)

_ENDINGS = (".tsv", ".jsonl", ".json", ".tmx")
_LANGUAGE = re.compile(r"\.[A-Za-z]{2}([-_][A-Za-z]+)?")


def find_pairs(
    directory: Path, stems: Iterable[str], source: str, target: str
) -> Part[PairSequence] | None:
    """The pairs of a directory whose files are called one of `stems`."""
    for stem in stems:
        sides = [
            _packed_or_not(directory / f"{stem}.{tag}") for tag in (source, target)
        ]
        if sides[0] and sides[1]:
            files = sides[0], sides[1]
            return Part(files, partial(read_aligned, *files))
        for ending in _ENDINGS:
            if file := _packed_or_not(directory / f"{stem}{ending}"):
                return _one_file(file, source, target)
    return None


def find_lone(path: Path, source: str, target: str) -> Part[PairSequence] | None:
    """The pairs of a file, or of two of which `path` is one or the common start."""
    if path.is_file() and (part := _one_file(path, source, target)):
        return part
    language = re.fullmatch(
        rf"(.+)\.({re.escape(source)}|{re.escape(target)})(\.gz)?", path.name
    )
    stem = language[1] if language else path.name
    return find_pairs(path.parent, (stem,), source, target)


def is_aligned(path: Path) -> bool:
    """Whether two files are called so, but for different languages as their endings.

    Args:
        path: one of them, or the common start of both.
    """
    languages = defaultdict(set)
    for file in _namesakes(path):
        plain = Path(file.name.removesuffix(".gz"))
        if _LANGUAGE.fullmatch(plain.suffix):
            languages[plain.stem].add(plain.suffix)
    return any(len(found) > 1 for found in languages.values())


def _namesakes(path: Path) -> list[Path]:
    """The files whose names start as that of `path`, its language aside."""
    plain = Path(path.name.removesuffix(".gz"))
    stem = plain.stem if _LANGUAGE.fullmatch(plain.suffix) else plain.name
    return list(path.parent.glob(f"{glob.escape(stem)}.*")) if stem else []


def _packed_or_not(path: Path) -> Path | None:
    packed = path.with_name(f"{path.name}.gz")
    return next((place for place in (path, packed) if place.is_file()), None)


def _one_file(path: Path, source: str, target: str) -> Part[PairSequence] | None:
    """The pairs of a file, by the ending of its name."""
    ending = Path(path.name.removesuffix(".gz")).suffix
    if ending == ".tmx":
        return Part((path,), partial(read_tmx, path, source, target))
    if ending == ".tsv":
        return Part((path,), partial(read_columns, path))
    if ending in (".jsonl", ".json"):
        return Part((path,), partial(read_json, path))
    return None
