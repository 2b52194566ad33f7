"""From what a user calls data to utterances."""

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.manifests import Utterance, read_manifest
from s2s_zoo.errors import UserError
from s2s_zoo.registry import canonical

HELD_OUT_SHARE = 0.05
ROLES = ("train", "validation", "test")

_FILES = {
    "train": ("train",),
    "validation": ("validation", "valid", "dev"),
    "test": ("test",),
}
_ENDINGS = (".csv", ".jsonl", ".json")
_HELD_OUT = "5 % of train"

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Source:
    """Where data lies: its own split for each role, all splits, and how to read one."""

    roles: dict[str, str]
    splits: tuple[str, ...]
    read: Callable[[str], list[Utterance]]


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
    source = _open(data)
    if split in ROLES and split in source.roles:
        utterances = source.read(source.roles[split])
        is_shared = split == "train" and "validation" not in source.roles
        return _hold_out(utterances, data)[0] if is_shared else utterances
    if split == "validation" and "train" in source.roles:
        return _hold_out(source.read(source.roles["train"]), data)[1]
    parts = split.split("+")
    if set(parts) <= set(source.splits):
        return [utterance for part in parts for utterance in source.read(part)]
    known = ", ".join(sorted({*splits_of(data), *source.splits}))
    raise UserError(f"{data} has no split {split!r}; it has: {known}")


def splits_of(data: str) -> dict[str, str]:
    """What stands for "train", "validation" and "test" in `data`.

    A role that there is nothing for is missing. See `read_data`.
    """
    source = _open(data)
    roles = dict(source.roles)
    if "train" in roles:
        roles.setdefault("validation", _HELD_OUT)
    return {role: roles[role] for role in ROLES if role in roles}


def find_corpus(corpus: Corpus) -> Path:
    """Where a corpus lies on this machine.

    $S2S_ZOO_DATA_DIR/asr_NAME or asr_NAME_mini, else its cache; a corpus that is
    made locally is made where it is missing.

    Raises:
        UserError: it is not on this machine; says how to get it.
    """
    places = [corpus.home()]
    if shared := os.environ.get("S2S_ZOO_DATA_DIR"):
        folders = (f"asr_{corpus.name}", f"asr_{corpus.name}_mini")
        places = [*(Path(shared) / folder for folder in folders), *places]
    for place in places:
        if corpus.found_in(place):
            return place
    if corpus.made_locally:
        return corpus.prepare()
    looked = ", ".join(map(str, places))
    raise UserError(
        f"The corpus {corpus.name} is not on this machine (looked in {looked}); fetch "
        f"it: s2s-zoo data prepare {corpus.name}"
    )


def _open(data: str) -> _Source:
    if canonical(data) in CORPORA:
        corpus = CORPORA.get(data)
        return _corpus_source(corpus, find_corpus(corpus))
    path = Path(data).expanduser()
    if path.is_dir():
        return _directory_source(path)
    if path.is_file():
        return _manifest_source(path)
    raise UserError(
        f"{data}: neither a file nor a directory nor a corpus; the corpora are: "
        f"{', '.join(CORPORA.names())}"
    )


def _directory_source(path: Path) -> _Source:
    for corpus in CORPORA:
        if corpus.found_in(path):
            return _corpus_source(corpus, path)
    files = {role: file for role in ROLES if (file := _split_file(path, role))}
    if not files:
        return _manifest_source(path)
    return _Source(
        roles={role: role for role in files},
        splits=tuple(files),
        read=lambda role: read_manifest(files[role]),
    )


def _split_file(directory: Path, role: str) -> Path | None:
    names = [f"{stem}{ending}" for stem in _FILES[role] for ending in _ENDINGS]
    return next((directory / n for n in names if (directory / n).is_file()), None)


def _corpus_source(corpus: Corpus, place: Path) -> _Source:
    return _Source(
        roles=corpus.roles(place),
        splits=corpus.splits,
        read=lambda split: corpus.read(split, place),
    )


def _manifest_source(path: Path) -> _Source:
    return _Source(
        roles={"train": path.name},
        splits=("test",),
        read=lambda split: read_manifest(path),
    )


def _hold_out(
    utterances: list[Utterance], data: str
) -> tuple[list[Utterance], list[Utterance]]:
    """Train and validation: the names with the smallest hashes are validation."""
    if len(utterances) < 2:
        raise UserError(f"{data}: one utterance cannot be both trained on and held out")
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
