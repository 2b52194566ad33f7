"""Counts of n-grams in text."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.ngrams.grams import END, START, UNKNOWN, Ids

RESERVED = (UNKNOWN, START, END)
"""Words with a meaning of their own, which no text may hold; their ids are 0, 1, 2."""

Rows = NDArray[np.int64]


@dataclass(frozen=True)
class Text:
    """Lines of units as ids, each line between <s> and </s>.

    Attributes:
        vocabulary: the units by their ids, in the order of their first occurrence.
        ids: of all lines (T,).
        places: of each id, how many come before it in its line (T,).
    """

    vocabulary: tuple[str, ...]
    ids: Ids
    places: Ids


@dataclass(frozen=True)
class Counts:
    """The n-grams of one order that occur, and how often.

    Attributes:
        words: ids, oldest first (G, n).
        contexts: rows of their first words among the n-grams one shorter (G,).
        suffixes: rows of their last words among them (G,).
        counts: occurrences (G,).
    """

    words: Ids
    contexts: Rows
    suffixes: Rows
    counts: Rows


def read_units(lines: Iterable[Sequence[str]]) -> Text:
    """Lines of units as ids.

    Raises:
        ValueError: there is no unit, or a reserved one.
    """
    known = {word: index for index, word in enumerate(RESERVED)}
    parts: list[Ids] = []
    lengths: list[int] = []
    for number, line in enumerate(lines, start=1):
        ids = [known.setdefault(unit, len(known)) for unit in line]
        if ids and min(ids) < len(RESERVED):
            accepted = f"{', '.join(RESERVED)} are reserved"
            raise ValueError(f"{accepted}; received one in line {number}")
        parts.append(np.array([1, *ids, 2], np.int32))
        lengths.append(len(parts[-1]))
    if len(known) == len(RESERVED):
        raise ValueError("a model needs text; received no unit")
    places = np.concatenate([np.arange(n, dtype=np.int32) for n in lengths])
    return Text(tuple(known), np.concatenate(parts), places)


def count_ngrams(text: Text, order: int) -> list[Counts]:
    """Counts of the n-grams of order 1, 2, …; all of them lie within a line."""
    size = len(text.vocabulary)
    counts = np.bincount(text.ids[text.places > 0], minlength=size)
    none = np.zeros(size, np.int64)
    words = np.arange(size, dtype=np.int32)[:, None]
    found = [Counts(words, none, none, counts)]
    rows = text.ids.astype(np.int64)
    for n in range(2, order + 1):
        ends = np.flatnonzero(text.places >= n - 1)
        keys = rows[ends] * size + text.ids[ends - n + 1]
        keys, first, inverse, counts = np.unique(
            keys, return_index=True, return_inverse=True, return_counts=True
        )
        suffixes, oldest = np.divmod(keys, size)
        contexts = rows[ends[first] - 1]
        ids = [oldest.astype(np.int32)[:, None], found[-1].words[suffixes]]
        found.append(Counts(np.hstack(ids), contexts, suffixes, counts))
        rows[ends] = inverse
    return found
