"""Hash tables with linear probing, in the layout of KenLM."""

import struct

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.ngrams.grams import Floats, Keys

MULTIPLIER = 1.5
"""Buckets an entry, as build_binary has them by default."""

LONGEST = np.dtype([("key", "<u8"), ("log_probability", "<f4")])
MIDDLE = np.dtype([*LONGEST.descr, ("backoff", "<f4")])

Entries = NDArray[np.void]


class ProbingTable:
    """Finds the values of a key; 0 is the key of an empty bucket.

    The entries may lie in a file that is mapped to memory.

    Args:
        entries: the buckets, of type `MIDDLE` or `LONGEST` (B,).
    """

    def __init__(self, entries: Entries) -> None:
        self.buckets = len(entries)
        self._size = entries.dtype.itemsize
        self._bytes = entries.view(np.uint8).data
        self._unpack = struct.Struct("<Qff" if entries.dtype == MIDDLE else "<Qf")

    def find(self, key: int) -> tuple[float, ...] | None:
        """The entry with this key: key, log-probability, backoff if it has one."""
        place = first = key % self.buckets
        while True:
            entry = self._unpack.unpack_from(self._bytes, place * self._size)
            if entry[0] == key:
                return entry
            place = place + 1 if place + 1 < self.buckets else 0
            if not entry[0] or place == first:
                return None


def bucket_count(entries: int, multiplier: float) -> int:
    """Buckets of a table; a float32 product, as in KenLM's ProbingHashTable::Size."""
    return max(entries + 1, int(np.float32(multiplier) * np.float32(entries)))


def fill_table(
    keys: Keys, log_probabilities: Floats, backoffs: Floats | None
) -> ProbingTable:
    """A table of these entries; without backoffs it is of the longest n-grams."""
    buckets = bucket_count(len(keys), MULTIPLIER)
    ideal = (keys % np.uint64(buckets)).astype(np.int64)
    rows = np.argsort(ideal, kind="stable")
    count = np.arange(len(rows))
    places = np.maximum.accumulate(ideal[rows] - count) + count
    entries = np.zeros(buckets, LONGEST if backoffs is None else MIDDLE)
    inside = places < buckets
    is_free = np.ones(buckets, bool)
    is_free[places[inside]] = False
    over = len(rows) - int(inside.sum())
    places = np.concatenate([places[inside], np.flatnonzero(is_free)[:over]])
    entries["key"][places] = keys[rows]
    entries["log_probability"][places] = log_probabilities[rows]
    if backoffs is not None:
        entries["backoff"][places] = backoffs[rows]
    return ProbingTable(entries)
