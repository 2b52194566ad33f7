"""N-gram models with backoff."""

import struct
from collections.abc import Collection, Sequence
from math import copysign, log
from typing import NamedTuple

import numpy as np

from s2s_zoo.ngrams.base import SPACE, LanguageModel
from s2s_zoo.ngrams.grams import END, START, UNKNOWN, Floats, Keys, NGrams, mix
from s2s_zoo.ngrams.probing import ProbingTable, fill_table

UNKNOWN_LOG_PROBABILITY = -100.0
"""Base 10, of unknown words where the model has no "<unk>"; that of KenLM."""

_LN10 = log(10)
_PAIR = struct.Struct("<ff")


class Context(NamedTuple):
    """What an n-gram model remembers.

    Attributes:
        words: ids, the newest first; no more than a longer n-gram begins with.
        backoffs: base 10, of the first of them, of the first two, …
    """

    words: tuple[int, ...]
    backoffs: tuple[float, ...]


class NGramModel(LanguageModel[Context]):
    """An n-gram model with backoff, held in arrays with the layout of KenLM.

    P(w | context) is that of the longest n-gram in the model that ends in w, times the
    backoffs of the longer contexts (Katz 1987). A word that is not in the vocabulary
    counts as "<unk>"; where the model has none, it has the probability 1e-100. Signs
    hold what they hold in KenLM (lm/blank.hh, lm/value.hh): a log-probability with the
    sign bit belongs to an n-gram that no longer one ends in, a backoff of -0.0 to one
    that no longer one begins with.

    Args:
        vocabulary: the words by their ids; the first is "<unk>".
        unigrams: log-probabilities and backoffs by id, base 10 (V, 2).
        tables: of order 2, 3, … by hashes of the n-grams.
        complete: every n-gram's last words are an n-gram too.

    Attributes:
        order: the longest n-grams' length.
        vocabulary: ids of the words.
        unit: "characters" if all words are single characters and one is "▁".

    Example:
        >>> from s2s_zoo.ngrams import NGramModel, estimate_kneser_ney
        >>> lines = [["a", "rose"], ["a", "tulip"]]
        >>> model = NGramModel.from_ngrams(estimate_kneser_ney(lines, 2).ngrams)
        >>> log_probability, state = model.advance(model.start(), "a")
        >>> model.advance(state, "rose")[0] > model.advance(state, "zebra")[0]
        True
    """

    def __init__(
        self,
        vocabulary: Sequence[str],
        unigrams: Floats,
        tables: Sequence[ProbingTable],
        complete: bool = True,
    ) -> None:
        self.order = len(tables) + 1
        self.vocabulary: dict[str, int] = {w: i for i, w in enumerate(vocabulary)}
        self.unit = _unit_of(self.vocabulary)
        self._unigrams = np.ascontiguousarray(unigrams).view(np.uint8).data
        self._tables = tuple(tables)
        self._complete = complete

    @classmethod
    def from_ngrams(cls, ngrams: NGrams) -> "NGramModel":
        """The model of a list of n-grams."""
        keys = ngrams.keys()
        complete = all(
            np.isin(suffixes, found).all()
            for n, found in enumerate(keys)
            for suffixes in ngrams.suffixes(n + 1)
        )
        values = [_signed(ngrams, keys, n) for n in range(len(keys))]
        unigrams = np.zeros((len(ngrams.vocabulary), 2), np.float32)
        unigrams[0] = UNKNOWN_LOG_PROBABILITY, -0.0
        unigrams[ngrams.orders[0].words[:, 0]] = np.stack(values[0], axis=1)
        last = len(keys) - 1
        tables = [
            fill_table(keys[n], values[n][0], values[n][1] if n < last else None)
            for n in range(1, len(keys))
        ]
        return cls(ngrams.vocabulary, unigrams, tables, complete)

    def start(self) -> Context:
        word = self.vocabulary.get(START)
        if word is None:
            return Context((), ())
        return Context((word,), _PAIR.unpack_from(self._unigrams, 8 * word)[1:])

    def advance(self, state: Context, unit: str) -> tuple[float, Context]:
        found, matched, state_after = self._look_up(
            state.words, self.vocabulary.get(unit, 0)
        )
        return (found + sum(state.backoffs[matched - 1 :])) * _LN10, state_after

    def end(self, state: Context) -> float:
        return self.advance(state, END)[0]

    def knows(self, unit: str) -> bool:
        return self.vocabulary.get(unit, 0) > 0

    def _look_up(self, words: tuple[int, ...], word: int) -> tuple[float, int, Context]:
        """Of the longest n-gram: log-probability, length; and the context it leaves."""
        value, backoff = _PAIR.unpack_from(self._unigrams, 8 * word)
        matched, backoffs, kept, key = 1, [backoff], int(_extends(backoff)), word
        best = value
        for depth, earlier in enumerate(words):
            if value < 0:
                break
            key = mix(key, earlier)
            entry = self._tables[depth].find(key)
            if entry is None:
                if self._complete:
                    break
                backoffs.append(0.0)
                continue
            best = value = entry[1]
            matched = depth + 2
            if matched == self.order:
                break
            backoffs.append(entry[2])
            if _extends(entry[2]):
                kept = matched
        context = Context((word, *words)[:kept], tuple(backoffs[:kept]))
        return -abs(best), matched, context


def _extends(backoff: float) -> bool:
    return backoff != 0 or copysign(1.0, backoff) > 0


def _unit_of(vocabulary: Collection[str]) -> str:
    words = set(vocabulary) - {UNKNOWN, START, END}
    single = SPACE in words and all(len(word) == 1 for word in words)
    return "characters" if single else "words"


def _signed(ngrams: NGrams, keys: list[Keys], n: int) -> tuple[Floats, Floats]:
    """Log-probabilities and backoffs with the signs that say what extends them."""
    grams, none = ngrams.orders[n], np.zeros(0, np.uint64)
    ends = np.isin(keys[n], np.concatenate([none, *ngrams.suffixes(n + 1)]))
    begins = np.isin(keys[n], ngrams.contexts(n + 1))
    sizes = np.abs(grams.log_probabilities)
    is_empty = (grams.backoffs == 0) & ~begins
    return (
        np.where(ends, sizes, -sizes),
        np.where(is_empty, np.float32(-0.0), grams.backoffs + np.float32(0)),
    )
