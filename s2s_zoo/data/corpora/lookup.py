"""Corpora by name, and where they lie."""

import os
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.errors import UserError
from s2s_zoo.registry import canonical


def corpus_called(name: str) -> Corpus | None:
    """The corpus that is called NAME or NAME:SIZE; None if none is.

    Raises:
        UserError: it cannot have this size.
    """
    plain, colon, size = name.partition(":")
    if canonical(plain) not in CORPORA:
        return None
    corpus = CORPORA.get(plain)
    return corpus.of_size(size) if colon else corpus


def named_corpus(data: str, kind: str) -> Corpus | None:
    """As `corpus_called`, of the corpora of a kind of examples.

    Raises:
        UserError: likewise, or it is a corpus of another kind.
    """
    corpus = corpus_called(data)
    if corpus is None:
        return None
    if corpus.kind != kind:
        raise UserError(
            f"The corpus {corpus.name} holds {corpus.kind}, not {kind}; of these "
            f"there are: {corpus_names(kind)}"
        )
    return corpus


def corpus_names(kind: str) -> str:
    """The names of the corpora of a kind of examples."""
    return ", ".join(corpus.name for corpus in CORPORA if corpus.kind == kind)


def corpus_in(directory: Path, kind: str) -> Corpus | None:
    """The corpus of a kind of examples whose layout a directory has."""
    fitting = (corpus for corpus in CORPORA if corpus.kind == kind)
    return next((corpus for corpus in fitting if corpus.found_in(directory)), None)


def find_corpus(corpus: Corpus) -> Path:
    """Where a corpus lies on this machine.

    $S2S_ZOO_DATA_DIR/PREFIX_NAME or PREFIX_NAME_mini, where the prefix is its own or
    that of its kind of examples, else its cache; a corpus that is made locally is made
    where it is missing.

    Raises:
        UserError: it is not on this machine; says how to get it.
    """
    places = [corpus.home()]
    if shared := os.environ.get("S2S_ZOO_DATA_DIR"):
        prefix = corpus.prefix or KINDS.get(corpus.kind).prefix
        folder = f"{prefix}_{corpus.folder or corpus.name}"
        places = [Path(shared) / folder, Path(shared) / f"{folder}_mini", *places]
    for place in places:
        if corpus.found_in(place):
            return place
    if corpus.made_locally:
        return corpus.prepare()
    looked = ", ".join(map(str, places))
    raise UserError(
        f"The corpus {corpus.called} is not on this machine (looked in {looked}); "
        f"fetch it: s2s-zoo data prepare {corpus.called}"
    )
