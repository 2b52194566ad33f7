"""The contract of language models: how likely a text goes on in some way."""

import hashlib
from collections.abc import Collection, Hashable
from pathlib import Path
from typing import Any, Protocol

from s2s_zoo.errors import UserError

SPACES = ("|", "▁", "<space>")
"""How models of characters, whose files hold units with spaces between, write it."""
MARKS = frozenset({"<s>", "</s>", "<unk>", "<UNK>"})
"""Units that stand for no text."""
UNITS = ("auto", "words", "characters")


class LanguageModel(Protocol):
    """The probability of a text, unit by unit.

    Example:
        >>> import math
        >>> class Even:  # two words, each as likely as the end
        ...     vocabulary = ("yes", "no")
        ...     def start(self):
        ...         return ()
        ...     def advance(self, state, unit):
        ...         return -math.log(3), state
        ...     def end(self, state):
        ...         return -math.log(3)
        >>> from s2s_zoo.search.language_model import LanguageModel
        >>> model: LanguageModel = Even()
        >>> logarithm, after = model.advance(model.start(), "yes")
        >>> round(math.exp(logarithm + model.end(after)), 3)
        0.111
    """

    @property
    def vocabulary(self) -> Collection[str]:
        """The units it knows, words or characters; all others are one to it."""

    def start(self) -> Hashable:
        """The state before the first unit of a text."""

    def advance(self, state: Any, unit: str) -> tuple[float, Hashable]:
        """The natural log-probability of a continuation, and the state after it."""

    def end(self, state: Any) -> float:
        """The natural log-probability that the text ends here."""


_LAST: dict[bytes, LanguageModel] = {}


def read_language_model(path: Path) -> LanguageModel:
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


def of_characters(model: LanguageModel, unit: str, symbols: str, name: str) -> bool:
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
