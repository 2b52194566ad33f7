"""Which kind of examples data holds, told by its name or how it lies."""

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.lookup import corpus_called
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind, Match
from s2s_zoo.data.source import STEMS
from s2s_zoo.errors import named_path

_NAMES = {*chain.from_iterable(STEMS.values()), "metadata"}


def kind_of(data: str) -> Kind[Any] | None:
    """The kind of a corpus by name, or the one that the files of a path are of.

    Args:
        data: corpus by name or path, or the common start of the paths of two files.

    Returns:
        The kind that is surest of the files; None where none is, or several alike.

    Raises:
        UserError: a file cannot be read.
    """
    path = named_path(data)
    if corpus := corpus_called(data):
        return KINDS.get(corpus.kind)
    if not path.is_dir():
        return _surest([path])
    if found := next((corpus for corpus in CORPORA if corpus.found_in(path)), None):
        return KINDS.get(found.kind)
    files = sorted(path.iterdir())
    return _surest([file for file in files if file.name.split(".")[0] in _NAMES])


def _surest(files: Sequence[Path]) -> Kind[Any] | None:
    matches = [(kind.match(files), kind) for kind in KINDS]
    best = max(match for match, _ in matches)
    surest = [kind for match, kind in matches if match == best]
    return surest[0] if best > Match.NONE and len(surest) == 1 else None
