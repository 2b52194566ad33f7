"""What a search has to know of a language model: its file, and what its units are."""

import hashlib
from pathlib import Path
from typing import Any

from s2s_zoo.errors import UserError
from s2s_zoo.ngrams.base import LanguageModel

SPACES = ("▁", "<space>", "|")
"""How models of characters, whose files hold units with spaces between, write it."""
MARKS = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})
"""Units that stand for no text."""
UNITS = ("auto", "words", "characters")


_LAST: dict[bytes, LanguageModel[Any]] = {}


def read_language_model(path: Path) -> LanguageModel[Any]:
    """The n-gram model of a file; the last one is kept, for the same content.

    Raises:
        UserError: there is no such file, or it holds no model.
    """
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").digest()
    except OSError as error:
        raise UserError(f"Search: lm {path}: {error.strerror}") from error
    if digest not in _LAST:
        from s2s_zoo.ngrams.loading import load_language_model

        _LAST.clear()
        _LAST[digest] = load_language_model(path)
    return _LAST[digest]


def of_characters(
    model: LanguageModel[Any], unit: str, symbols: str, name: str
) -> bool:
    """Whether the units of a model are characters.

    Args:
        model: of words or characters.
        unit: what it is said to be, one of `UNITS`; "auto" to find out.
        symbols: the alphabet that texts are written in.
        name: what messages call the model.

    Raises:
        UserError: it is not what it is said to be, or says nothing of such texts.
    """
    units = [u for u in model.vocabulary if u not in MARKS]
    longer = [u for u in units if len(u) > 1 and u not in SPACES]
    space = [u for u in units if u in SPACES]
    if longer and unit == "characters":
        raise UserError(
            f"Search: unit is words for {name}, which has units such as "
            f"{longer[0]!r}. Received: {unit}"
        )
    if space and not longer and unit == "words":
        raise UserError(
            f"Search: unit is characters for {name}, which has no longer units and "
            f"{space[0]!r} for the space. Received: {unit}"
        )
    has_spaces = bool(space) or " " not in symbols
    characters = unit == "characters" or (unit == "auto" and not longer and has_spaces)
    if characters and not has_spaces:
        raise UserError(
            f"Search: a model of characters has one of {' '.join(SPACES)} for the "
            f"space. Received: {name}, without"
        )
    if not any(set(u) <= set(symbols) for u in units):
        raise UserError(
            f"Search: lm has units in the alphabet {symbols!r}. Received: {name}, "
            f"with {units[:3]}"
        )
    return characters
