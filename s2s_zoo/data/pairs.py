"""Pairs of texts, one the answer to the other, from files of any size."""

import abc
import bisect
import itertools
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.stored import digest

BLOCK = 10_000
"""Pairs that are read at once where all are."""


class Pair(NamedTuple):
    """A text and what a model shall make of it.

    Attributes:
        name: "file:line"; what messages call it.
        source: the text that is given.
        target: the text that is wanted.
    """

    name: str
    source: str
    target: str


class Blanks(NamedTuple):
    """Pairs that were left out because a side is blank.

    Attributes:
        places: before which of the pairs that stayed each stood; at the end before
            none, which is their number (N,).
        name: what messages call one of them, by its index in `places`.
    """

    places: NDArray[np.int64]
    name: Callable[[int], str]


class PairSequence(Sequence[Pair]):
    """Pairs that are read when they are asked for; a slice is a view."""

    @property
    @abc.abstractmethod
    def identity(self) -> str:
        """What tells these pairs from others, without reading them."""

    @property
    @abc.abstractmethod
    def blanks(self) -> Blanks:
        """The pairs that were left out."""

    @abc.abstractmethod
    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        """The pairs with these ascending numbers."""

    @property
    def blank(self) -> int:
        """How many pairs were left out because a side is blank."""
        return len(self.blanks.places)

    def blank_names(self, most: int) -> list[str]:
        """The names of the first `most` of them."""
        return [self.blanks.name(i) for i in range(min(most, self.blank))]

    @overload
    def __getitem__(self, index: int) -> Pair: ...
    @overload
    def __getitem__(self, index: slice) -> "PairSequence": ...
    def __getitem__(self, index: int | slice) -> "Pair | PairSequence":
        if isinstance(index, slice):
            span = index.indices(len(self))
            return PairView(self, np.arange(*span, dtype=np.int64))
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self.read(np.array([index % len(self)], np.int64))[0]

    def __iter__(self) -> Iterator[Pair]:
        for start in range(0, len(self), BLOCK):
            stop = min(start + BLOCK, len(self))
            yield from self.read(np.arange(start, stop, dtype=np.int64))


class PairView(PairSequence):
    """Some of the pairs of another sequence.

    A pair that was left out belongs to the view with the pair after it, or at the end
    before it: to one of those that share a sequence.

    Args:
        base: the sequence; the view of a view becomes one of its base.
        rows: numbers of the pairs in `base`.
    """

    def __init__(self, base: PairSequence, rows: NDArray[np.int64]) -> None:
        self.base: PairSequence = base
        self.rows = rows
        if isinstance(base, PairView):
            self.base, self.rows = base.base, base.rows[rows]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def identity(self) -> str:
        return digest(self.base.identity, self.rows.astype(np.int64).tobytes())

    @cached_property
    def blanks(self) -> Blanks:
        places, name = self.base.blanks
        owners = np.minimum(places, len(self.base) - 1)
        kept = np.flatnonzero(np.isin(owners, self.rows))
        order = np.argsort(self.rows, kind="stable")
        found = np.searchsorted(self.rows, owners[kept], sorter=order)
        return Blanks(order[found], lambda i: name(int(kept[i])))

    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        wanted = self.rows[rows]
        order = np.argsort(wanted, kind="stable")
        found = self.base.read(wanted[order])
        placed: list[Pair] = [*found]
        for place, pair in zip(order.tolist(), found, strict=True):
            placed[place] = pair
        return placed


class JoinedPairs(PairSequence):
    """The pairs of several sequences one after another."""

    def __init__(self, parts: Sequence[PairSequence]) -> None:
        self.parts = parts
        self._ends = list(itertools.accumulate(map(len, parts)))

    def __len__(self) -> int:
        return self._ends[-1]

    @property
    def identity(self) -> str:
        return digest(*(part.identity for part in self.parts))

    @cached_property
    def blanks(self) -> Blanks:
        parts = [part.blanks for part in self.parts]
        starts = [0, *self._ends[:-1]]
        places = [p.places + start for p, start in zip(parts, starts, strict=True)]
        ends = list(itertools.accumulate(len(p.places) for p in parts))

        def name(index: int) -> str:
            part = bisect.bisect_right(ends, index)
            return parts[part].name(index - ends[part] + len(parts[part].places))

        return Blanks(np.concatenate(places), name)

    def read(self, rows: NDArray[np.int64]) -> list[Pair]:
        found: list[Pair] = []
        while len(found) < len(rows):
            part = bisect.bisect_right(self._ends, int(rows[len(found)]))
            stop = int(np.searchsorted(rows, self._ends[part]))
            start = self._ends[part] - len(self.parts[part])
            found += self.parts[part].read(rows[len(found) : stop] - start)
        return found
