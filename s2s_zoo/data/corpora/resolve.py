"""From what a user calls data to utterances or pairs."""

import hashlib
import logging
from functools import partial
from itertools import chain
from pathlib import Path

from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.pair_files import open_pairs
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
from s2s_zoo.data.manifests import Utterance, read_manifest
from s2s_zoo.data.pairs import PairSequence
from s2s_zoo.errors import UserError

__all__ = ["find_corpus", "pair_splits", "read_data", "read_pairs", "splits_of"]

_TASK = "speech_to_text"
_ENDINGS = (".csv", ".jsonl", ".json")

_log = logging.getLogger(__name__)


def read_data(data: str, split: str) -> list[Utterance]:
    """The utterances of a split of whatever the user calls data.

    Args:
        data: the name of a corpus; or the path of a manifest, of a directory with
            train.csv, validation.csv, test.csv (or .jsonl, .json), or of a tree in
            the layout of a corpus.
        split: "train", "validation", "test", or a name of the corpus' own; "A+B"
            reads two of its own as one.

    Where there is a train but no validation split, the 5 % of train whose names have
    the smallest SHA-256 are held out as validation. A lone manifest is train for
    "train" and "validation", and read whole for "test".

    Raises:
        UserError: nothing of that name, or no such split; says what there is.
    """
    return _open(data).read_split(split)


def splits_of(data: str) -> dict[str, str]:
    """What stands for "train", "validation" and "test" in `data`.

    A role that there is nothing for is missing. See `read_data`.
    """
    return _open(data).all_roles()


def read_pairs(data: str, split: str, source: str, target: str) -> PairSequence:
    """The pairs of a split of whatever the user calls data.

    Args:
        data: the name of a corpus; or the path of a directory with files of the roles
            train, validation (valid, val, dev) and test, or in the layout of a
            corpus; or of a lone file; or the common start of two aligned ones.
            Files are aligned ones, PREFIX.SOURCE with PREFIX.TARGET, or .tsv, .jsonl
            or .tmx; each plain or .gz.
        split: as of `read_data`.
        source: language of the sources: the ending of aligned files, the language in
            .tmx, one of those of a corpus. What has no languages does without.
        target: language of the targets.

    Where there is a train but no validation split, 5 % of train, at most 3000 pairs,
    are held out, drawn by a hash of their number. A lone file is train for "train" and
    "validation", and read whole for "test".

    Raises:
        UserError: nothing of that name, no such split or language; says what there is.
    """
    return open_pairs(data, source, target).read_split(split)


def pair_splits(data: str, source: str, target: str) -> dict[str, str]:
    """What stands for "train", "validation" and "test" in `data`; see `read_pairs`."""
    return open_pairs(data, source, target).all_roles()


def _open(data: str) -> Source[list[Utterance]]:
    if corpus := named_corpus(data, _TASK):
        return _corpus_source(data, corpus, find_corpus(corpus))
    path = Path(data).expanduser()
    if path.is_dir():
        return _directory_source(data, path)
    if path.is_file():
        return _manifest_source(data, path)
    raise UserError(
        f"{data}: neither a file nor a directory nor a corpus; the corpora are: "
        f"{corpus_names(_TASK)}"
    )


_source = partial(
    Source[list[Utterance]],
    join=lambda parts: list(chain.from_iterable(parts)),
    hold_out=lambda utterances, data: _hold_out(utterances, data),
)


def _directory_source(data: str, path: Path) -> Source[list[Utterance]]:
    if corpus := corpus_in(path, _TASK):
        return _corpus_source(data, corpus, path)
    files = {role: file for role in ROLES if (file := _split_file(path, role))}
    if not files:
        return _manifest_source(data, path)
    return _source(
        data=data,
        roles={role: role for role in files},
        splits=tuple(files),
        read=lambda role: read_manifest(files[role]),
    )


def _split_file(directory: Path, role: str) -> Path | None:
    names = [f"{stem}{ending}" for stem in STEMS[role] for ending in _ENDINGS]
    return next((directory / n for n in names if (directory / n).is_file()), None)


def _corpus_source(data: str, corpus: Corpus, place: Path) -> Source[list[Utterance]]:
    return _source(
        data=data,
        roles=corpus.roles(place),
        splits=corpus.splits,
        read=lambda split: list(corpus.read(split, place)),
    )


def _manifest_source(data: str, path: Path) -> Source[list[Utterance]]:
    return _source(
        data=data,
        roles={"train": path.name},
        splits=("test",),
        read=lambda split: read_manifest(path),
    )


def _hold_out(
    utterances: list[Utterance], data: str
) -> tuple[list[Utterance], list[Utterance]]:
    """Train and validation: the names with the smallest hashes are validation."""
    if len(utterances) < 2:
        raise UserError(
            f"{data}: {len(utterances)} utterances, too few to hold some out"
        )
    count = max(1, round(len(utterances) * HELD_OUT_SHARE))
    names = sorted(
        (u.name for u in utterances),
        key=lambda name: hashlib.sha256(name.encode()).digest(),
    )
    held_out = set(names[:count])
    _log.info(
        "%s has no validation split: %d of the %d utterances of train are held out",
        *(data, count, len(utterances)),
    )
    train = [u for u in utterances if u.name not in held_out]
    return train, [u for u in utterances if u.name in held_out]
