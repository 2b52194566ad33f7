"""N-grams with log-probabilities and backoffs, as ARPA files list them."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

UNKNOWN, START, END = "<unk>", "<s>", "</s>"

Ids = NDArray[np.int32]
Floats = NDArray[np.float32]
Keys = NDArray[np.uint64]

_WORD, _PREFIX = 17894857484156487943, 8978948897894561157
"""Factors of KenLM's hash of an n-gram (lm/search_hashed.hh, CombineWordHash)."""

_BITS = (1 << 64) - 1


@dataclass(frozen=True)
class Grams:
    """The n-grams of one order.

    Attributes:
        words: ids of their words, oldest first (G, n).
        log_probabilities: base 10 (G,).
        backoffs: base 10 (G,); 0 where there is none.
    """

    words: Ids
    log_probabilities: Floats
    backoffs: Floats

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True)
class NGrams:
    """An n-gram model with backoff as a list of its n-grams.

    Attributes:
        vocabulary: the words by their ids. The first is "<unk>", which may or may not
            be among the n-grams.
        orders: n-grams of order 1, 2, …

    Example:
        >>> from s2s_zoo.ngrams import estimate_kneser_ney
        >>> ngrams = estimate_kneser_ney([["a", "rose"], ["a", "tulip"]], 2).ngrams
        >>> ngrams.vocabulary
        ('<unk>', '<s>', '</s>', 'a', 'rose', 'tulip')
        >>> [len(grams) for grams in ngrams.orders]
        [6, 5]
    """

    vocabulary: tuple[str, ...]
    orders: tuple[Grams, ...]

    def keys(self) -> list[Keys]:
        """Of each order the hashes of its n-grams."""
        return [hash_grams(grams.words) for grams in self.orders]

    def fault(self) -> tuple[int, int, str] | None:
        """Order and row of an n-gram that cannot be, and why; None if all can."""
        keys = self.keys()
        for index, found in enumerate(keys):
            _, first = np.unique(found, return_index=True)
            if len(first) < len(found):
                row = int(np.setdiff1d(np.arange(len(found)), first)[0])
                return index + 1, row, "this n-gram is there twice"
        for order, found in enumerate(keys[:-1], start=1):
            orphans = np.flatnonzero(~np.isin(self.contexts(order), found))
            if len(orphans):
                reason = f"its first words are not among the {order}-grams"
                return order + 1, int(orphans[0]), reason
        return None

    def contexts(self, order: int) -> Keys:
        """Hashes of what n-grams of one more word begin with, `order` words long."""
        if order >= len(self.orders):
            return np.zeros(0, np.uint64)
        return hash_grams(self.orders[order].words[:, :-1])

    def suffixes(self, order: int) -> Iterator[Keys]:
        """Hashes of what n-grams of each higher order end in, `order` words long."""
        for grams in self.orders[order:]:
            yield hash_grams(grams.words[:, -order:])


def hash_grams(words: Ids) -> Keys:
    """KenLM's hashes of n-grams (G, n): the last word's id, earlier ones mixed in."""
    columns = words.astype(np.uint64)
    found: Keys = columns[:, -1]
    for column in columns.T[-2::-1]:
        found = found * np.uint64(_PREFIX) ^ (column + np.uint64(1)) * np.uint64(_WORD)
    return found


def mix(key: int, earlier: int) -> int:
    """The hash of an n-gram with one more word before it; as `hash_grams`."""
    return (key * _PREFIX ^ (earlier + 1) * _WORD) & _BITS
