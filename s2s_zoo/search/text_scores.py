"""What a text is worth besides its sound: language model, lexicon and hot words."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.ngrams.base import LanguageModel
from s2s_zoo.search.language_model import SPACES

SPACE = " "
FORBIDDEN = -np.inf
REMEMBERED = 1 << 18
"""Answers of the model that are kept, before all are forgotten."""


class Prefix(NamedTuple):
    """What is remembered of a text so far.

    Attributes:
        history: state of the language model.
        word: the characters since the last space.
    """

    history: Hashable
    word: str


class TextScores:
    """Scores of texts, token by token.

    Those of a whole text add up to α ln P(units, end) + β · units + the weights of its
    hot words, or to minus infinity where a word is not in the lexicon. A word is scored
    at the space behind it or at the end. A part of the weight of a hot word is
    given to each of its characters, and taken back if the word goes on otherwise.

    Attributes:
        is_plain: whether nothing is scored but by the language model.
        is_empty: whether nothing is scored at all.
        space: how the model writes it.

    Args:
        symbols: text of each token; " " ends words.
        model: of words or characters, or none.
        characters: whether the units are characters, spaces too, instead of words.
        alpha: weight of the model.
        beta: worth of each unit.
        lexicon: the words that may be written; None for any.
        hot_words: weight by word.

    Example:
        >>> from s2s_zoo.search.text_scores import TextScores
        >>> scores = TextScores(" ab", lexicon=["ab"], hot_words={"ab": 2.0})
        >>> first, prefix = scores.extend(scores.start(), 1)
        >>> second, prefix = scores.extend(prefix, 2)
        >>> first, second, scores.end(prefix), scores.extend(prefix, 1)[0]
        (1.0, 1.0, 0.0, -inf)
    """

    def __init__(
        self,
        symbols: Sequence[str] = (),
        model: LanguageModel[Any] | None = None,
        characters: bool = False,
        alpha: float = 0.0,
        beta: float = 0.0,
        lexicon: Collection[str] | None = None,
        hot_words: Mapping[str, float] | None = None,
    ) -> None:
        self.symbols = symbols
        self.model = model
        self.characters = characters and model is not None
        self.alpha = alpha
        self.beta = beta
        self.lexicon = None if lexicon is None else frozenset(lexicon)
        self.hot_words = hot_words or {}
        self.is_plain = not (beta or hot_words or lexicon is not None)
        self.is_empty = self.is_plain and model is None
        self._begun = {w[:n] for w in self.lexicon or () for n in range(len(w) + 1)}
        self._promises = _promises(self.hot_words)
        self.space = next((s for s in SPACES if model and s in model.vocabulary), SPACE)
        self._known = frozenset(model.vocabulary if model else ())
        self._are_alike = model is None or model.unknown_are_alike
        self._advanced: dict[Hashable, tuple[float, Hashable]] = {}
        self._rows: dict[str, NDArray[np.float64]] = {}

    def start(self) -> Prefix:
        """Before the first token."""
        return Prefix(self.model.start() if self.model else None, "")

    def row(self, prefix: Prefix) -> NDArray[np.float64]:
        """(V,) scores of each next token; NaN where `extend` is to be asked."""
        word = prefix.word
        if self.lexicon is None and word and word not in self._promises:
            word = SPACE  # as every word that nothing waits for
        row = self._rows.get(word)
        if row is None:
            row = self._rows[word] = self._new_row(word)
        return row

    def extend(self, prefix: Prefix, token: int) -> tuple[float, Prefix]:
        """The score of a token behind a prefix, and the prefix with it."""
        if self.is_empty:
            return 0.0, prefix
        symbol, history, score = self.symbols[token], prefix.history, 0.0
        if self.characters:
            unit = self.space if symbol == SPACE else symbol
            score, history = self._advance(history, unit)
        if symbol == SPACE:
            finished, history = self._finish(history, prefix.word)
            return score + finished, Prefix(history, "")
        word = prefix.word + symbol
        return score + self._go_on(prefix.word, word), Prefix(history, word)

    def end(self, prefix: Prefix) -> float:
        """The score of the end behind a prefix."""
        score, history = self._finish(prefix.history, prefix.word)
        if self.model is None or score == FORBIDDEN:
            return score
        return score + self.alpha * self.model.end(history)

    def _new_row(self, word: str) -> NDArray[np.float64]:
        row = np.zeros(len(self.symbols))
        for token, symbol in enumerate(self.symbols):
            if symbol == SPACE:
                row[token] = np.nan
            else:
                row[token] = self._go_on(word, word + symbol)
        if self.characters:
            row[np.isfinite(row)] = np.nan
        return row

    def _go_on(self, word: str, longer: str) -> float:
        if self.lexicon is not None and longer not in self._begun:
            return FORBIDDEN
        return self._promises.get(longer, 0.0) - self._promises.get(word, 0.0)

    def _finish(self, history: Hashable, word: str) -> tuple[float, Hashable]:
        """The score of the end of a word, which may have no characters."""
        if not word:
            return 0.0, history
        if self.lexicon is not None and word not in self.lexicon:
            return FORBIDDEN, history
        score = self.hot_words.get(word, 0.0) - self._promises.get(word, 0.0)
        if self.characters:
            return score, history
        added, history = self._advance(history, word)
        return score + added, history

    def _advance(self, history: Hashable, unit: str) -> tuple[float, Hashable]:
        """The score of a unit and the state behind it."""
        if self.model is None:
            return self.beta, history
        is_known = unit in self._known or not self._are_alike
        key = history, unit if is_known else None
        found = self._advanced.get(key)
        if found is None:
            logarithm, after = self.model.advance(history, unit)
            found = self.alpha * logarithm + self.beta, after
            if len(self._advanced) >= REMEMBERED:
                self._advanced.clear()
            self._advanced[key] = found
        return found


def _promises(hot_words: Mapping[str, float]) -> dict[str, float]:
    """The share of a hot word's weight that its first characters are given."""
    found: dict[str, float] = {}
    for word, weight in hot_words.items():
        for size in range(1, len(word) + 1):
            share = weight * size / len(word)
            found[word[:size]] = max(share, found.get(word[:size], 0.0))
    return found
