"""Where pairs of texts lie: corpora, directories of splits, lone files."""

import logging
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.corpora.base import PairCorpus
from s2s_zoo.data.corpora.sources import (
    HELD_OUT_SHARE,
    ROLES,
    STEMS,
    Source,
    corpus_in,
    corpus_names,
    find_corpus,
    named_corpus,
)
from s2s_zoo.data.pairs import (
    JoinedPairs,
    PairSequence,
    PairView,
    read_aligned,
    read_columns,
    read_json_lines,
    read_tmx,
)
from s2s_zoo.errors import UserError

MOST_HELD_OUT = 3000
"""Pairs held out at most where a corpus has no validation split."""

_TASK = "text_to_text"
_ENDINGS = (".tsv", ".jsonl", ".json", ".tmx")
_ACCEPTED = (
    "accepted: PREFIX.SOURCE with PREFIX.TARGET, line by line; .tsv with "
    "source<TAB>target; .jsonl with source,target or document,summary or prompt,reply; "
    ".tmx; each may end in .gz too"
)

_log = logging.getLogger(__name__)

Reader = Callable[[], PairSequence]


def open_pairs(data: str, source: str, target: str) -> Source[PairSequence]:
    """What the user calls data; see `resolve.read_pairs`."""
    if isinstance(corpus := named_corpus(data, _TASK), PairCorpus):
        return _corpus_source(data, corpus, find_corpus(corpus), source, target)
    path = Path(data).expanduser()
    if path.is_dir():
        return _directory_source(data, path, source, target)
    reader = _lone_reader(path, source, target)
    if reader is None:
        kind = "a file of pairs" if path.is_file() else "a file, directory or corpus"
        raise UserError(
            f"{data}: not {kind} with the languages {source!r} and {target!r}; "
            f"{_ACCEPTED}; the corpora are: {corpus_names(_TASK)}"
        )
    return _source(
        data=data,
        roles={"train": path.name},
        splits=("test",),
        read=lambda split: reader(),
    )


def find_pairs(
    directory: Path, stems: tuple[str, ...], source: str, target: str
) -> Reader | None:
    """How to read the pairs of a directory that are called one of `stems`."""
    for stem in stems:
        sides = [
            _packed_or_not(directory / f"{stem}.{tag}") for tag in (source, target)
        ]
        if sides[0] and sides[1]:
            return partial(read_aligned, sides[0], sides[1])
        for ending in _ENDINGS:
            if file := _packed_or_not(directory / f"{stem}{ending}"):
                return _file_reader(file, source, target)
    return None


_source = partial(
    Source[PairSequence],
    join=lambda parts: parts[0] if len(parts) == 1 else JoinedPairs(parts),
    hold_out=lambda pairs, data: _hold_out(pairs, data),
    held_out=f"5 % of train, at most {MOST_HELD_OUT} pairs",
)


def _packed_or_not(path: Path) -> Path | None:
    packed = path.with_name(f"{path.name}.gz")
    return next((place for place in (path, packed) if place.is_file()), None)


def _file_reader(path: Path, source: str, target: str) -> Reader | None:
    """How to read a lone file, by the ending of its name."""
    ending = Path(path.name.removesuffix(".gz")).suffix
    if ending == ".tmx":
        return partial(read_tmx, path, source, target)
    if ending == ".tsv":
        return partial(read_columns, path)
    return partial(read_json_lines, path) if ending in (".jsonl", ".json") else None


def _lone_reader(path: Path, source: str, target: str) -> Reader | None:
    """How to read a file, or two of which `path` is one or the common start."""
    if path.is_file() and (reader := _file_reader(path, source, target)):
        return reader
    language = re.fullmatch(
        rf"(.+)\.({re.escape(source)}|{re.escape(target)})(\.gz)?", path.name
    )
    stem = language[1] if language else path.name
    return find_pairs(path.parent, (stem,), source, target)


def _corpus_source(
    data: str, corpus: PairCorpus, place: Path, source: str, target: str
) -> Source[PairSequence]:
    if len(corpus.languages) > 1:
        corpus.check_languages(source, target)
    return _source(
        data=data,
        roles=corpus.roles(place),
        splits=corpus.splits,
        read=lambda split: corpus.read_pairs(split, place, source, target),
    )


def _directory_source(
    data: str, path: Path, source: str, target: str
) -> Source[PairSequence]:
    if isinstance(corpus := corpus_in(path, _TASK), PairCorpus):
        return _corpus_source(data, corpus, path, source, target)
    found = {role: find_pairs(path, STEMS[role], source, target) for role in ROLES}
    readers = {role: reader for role, reader in found.items() if reader}
    if not readers:
        raise UserError(
            f"{path}: no train, validation or test with the languages {source!r} and "
            f"{target!r}; it holds {_listing(path)}; {_ACCEPTED}"
        )
    return _source(
        data=data,
        roles={role: role for role in readers},
        splits=tuple(readers),
        read=lambda role: readers[role](),
    )


def _listing(directory: Path) -> str:
    names = sorted(path.name for path in directory.iterdir())
    return ", ".join(names[:12]) + (", …" if len(names) > 12 else "") or "nothing"


def _hold_out(pairs: PairSequence, data: str) -> tuple[PairSequence, PairSequence]:
    """Train and validation: the pairs whose numbers have the smallest hashes."""
    if len(pairs) < 2:
        raise UserError(f"{data}: {len(pairs)} pairs, too few to hold some out")
    count = max(1, min(round(len(pairs) * HELD_OUT_SHARE), MOST_HELD_OUT))
    hashes = _hashes(len(pairs))
    is_held_out = np.zeros(len(pairs), np.bool_)
    is_held_out[np.argpartition(hashes, count - 1)[:count]] = True
    _log.info(
        "%s has no validation split: %d of the %d pairs of train are held out",
        *(data, count, len(pairs)),
    )
    rows = np.flatnonzero(~is_held_out), np.flatnonzero(is_held_out)
    return PairView(pairs, rows[0]), PairView(pairs, rows[1])


def _hashes(count: int) -> NDArray[np.uint64]:
    """SplitMix64 (Steele et al., 2014) of 0 to count - 1: no two are equal."""
    value = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))
