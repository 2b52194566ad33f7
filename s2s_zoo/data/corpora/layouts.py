"""Which task data is for, told by its name or how it lies."""

import glob
import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.sources import STEMS, corpus_called
from s2s_zoo.data.manifests import JSON_KEYS as SPEECH_KEYS
from s2s_zoo.data.pairs import JSON_KEYS as PAIR_KEYS
from s2s_zoo.errors import UserError

SPEECH, PAIRS = "speech_to_text", "text_to_text"

_ENDINGS = {".csv": SPEECH, ".tsv": PAIRS, ".tmx": PAIRS}
_JSON = (".jsonl", ".json")
_LANGUAGE = re.compile(r"\.[A-Za-z]{2}([-_][A-Za-z]+)?")
_NAMES = {*chain.from_iterable(STEMS.values()), "metadata"}
_PEEK = 64 << 10


def task_of(data: str) -> str | None:
    """The task of a corpus by name, or the one that the files of a path are for.

    Only the names of files are looked at, and the keys of the first JSON lines. Two
    files that only their languages tell apart, train.en and train.de, are pairs.

    Args:
        data: corpus by name or path, or the common start of the paths of two files.

    Returns:
        The task's name; None where it cannot be told.

    Raises:
        UserError: a file of JSON lines cannot be read.
    """
    if corpus := corpus_called(data):
        return corpus.task
    path = Path(data).expanduser()
    if path.is_dir():
        found = next((c for c in CORPORA if c.found_in(path)), None)
        files = [f for f in sorted(path.iterdir()) if f.name.split(".")[0] in _NAMES]
        return found.task if found else _task_of_files(files)
    if path.is_file() and (task := _task_of_files([path])):
        return task
    return PAIRS if _are_aligned(_siblings(path)) else None


def _task_of_files(files: Sequence[Path]) -> str | None:
    tasks = {_task_of_file(file) for file in files}
    if SPEECH in tasks:
        return SPEECH
    return PAIRS if PAIRS in tasks or _are_aligned(files) else None


def _task_of_file(file: Path) -> str | None:
    plain = Path(file.name.removesuffix(".gz"))
    if plain.suffix in _JSON:
        return PAIRS if plain.name != file.name else _task_of_json(file)
    return _ENDINGS.get(plain.suffix)


def _task_of_json(file: Path) -> str | None:
    try:
        with file.open("rb") as opened:
            head = opened.read(_PEEK)
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}") from error
    if f'"{SPEECH_KEYS[0]}"'.encode() in head:
        return SPEECH
    is_pairs = any(f'"{key}"'.encode() in head for key in chain(*PAIR_KEYS))
    return PAIRS if is_pairs else None


def _siblings(path: Path) -> list[Path]:
    """The files whose names start as that of `path`, its language aside."""
    plain = Path(path.name.removesuffix(".gz"))
    stem = plain.stem if _LANGUAGE.fullmatch(plain.suffix) else plain.name
    return list(path.parent.glob(f"{glob.escape(stem)}.*")) if stem else []


def _are_aligned(files: Sequence[Path]) -> bool:
    """Whether there are two of a name, with different languages as their endings."""
    languages = defaultdict(set)
    for file in files:
        plain = Path(file.name.removesuffix(".gz"))
        if _LANGUAGE.fullmatch(plain.suffix):
            languages[plain.stem].add(plain.suffix)
    return any(len(found) > 1 for found in languages.values())
