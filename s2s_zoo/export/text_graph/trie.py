"""Texts with ids, found in many places of a text at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from s2s_zoo.vocabulary import UNKNOWN

NOWHERE, ROOT = 0, 1
SYMBOLS = 1 << 21
"""More than there are code points, of which texts are made, or bytes."""


class Trie(tf.Module):
    """A number for each beginning of a text, and links from shorter to longer ones.

    The longest text has L symbols; none has a zero.
    """

    def __init__(self, texts: Iterable[tuple[Sequence[int], int]]) -> None:
        """Link the symbols of texts, which come with their ids."""
        super().__init__(name="trie")
        links: dict[int, int] = {}
        ids = [UNKNOWN, UNKNOWN]
        self.longest = 0
        for text, i in texts:
            node = ROOT
            for symbol in text:
                node = links.setdefault(node * SYMBOLS + symbol, len(ids))
                ids += [UNKNOWN] * (node == len(ids))
            ids[node] = i
            self.longest = max(self.longest, len(text))
        self._links = table(links, missing=NOWHERE)
        self._ids = np.array(ids, np.int64)

    def ids(self, symbols: tf.Tensor) -> tf.Tensor:
        """Ids of the texts of 1 to L symbols that begin at each place (B, T, L).

        `UNKNOWN` is the id of those that are no text.

        Args:
            symbols: (B, T) int64; zeros lie behind them.
        """
        count = tf.shape(symbols)[1]
        symbols = tf.pad(symbols, [[0, 0], [0, self.longest]])
        node, nodes = tf.fill(tf.shape(symbols[:, :count]), np.int64(ROOT)), []
        for i in range(self.longest):
            node = self._links.lookup(node * SYMBOLS + symbols[:, i : count + i])
            nodes.append(node)
        return tf.gather(self._ids, tf.stack(nodes, -1))

    def longest_ids(self, symbols: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The longest text that begins at each place: its size and its id, both (B, T).

        The size is 0 where none begins.

        Args:
            symbols: (B, T) int64; zeros lie behind them.
        """
        ids = self.ids(symbols)
        sizes = tf.range(1, self.longest + 1, dtype=tf.int64)
        size = tf.reduce_max(tf.where(ids != UNKNOWN, sizes, 0), -1)
        return size, tf.gather(ids, tf.maximum(size - 1, 0), batch_dims=2)


def table(
    values: Mapping[Any, int], keys: tf.DType = tf.int64, missing: int = UNKNOWN
) -> tf.lookup.StaticHashTable:
    """Finds the values of keys; `missing` is that of everything else."""
    content = tf.lookup.KeyValueTensorInitializer(
        tf.constant([*values], keys), tf.constant([*values.values()], tf.int64)
    )
    return tf.lookup.StaticHashTable(content, missing)
