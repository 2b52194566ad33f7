"""Byte-pair encoding of normalized text, in TensorFlow operations."""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from s2s_zoo.data.segmentation import SPACE
from s2s_zoo.data.sentencepiece_model import SentencePieceModel
from s2s_zoo.export.text_graph.pieces import (
    UserDefined,
    row_beginnings,
    word_beginnings,
)
from s2s_zoo.export.text_graph.trie import table
from s2s_zoo.vocabulary import PAD, UNKNOWN

NEVER = np.iinfo(np.int64).max


class _Chain(NamedTuple):
    """Symbols with links to their neighbours, all (M + 1,) int64.

    Links that lead nowhere lead to the last symbol, which is never merged. What it
    holds otherwise does not matter.

    Attributes:
        symbol: of each place; `PAD` where it went into one before.
        before: place of the symbol before in its word.
        after: place of the symbol after.
        order: which symbols to merge first with those after them; `NEVER` for none.
    """

    symbol: tf.Tensor
    before: tf.Tensor
    after: tf.Tensor
    order: tf.Tensor


class Merges(tf.Module):
    """The best neighbours are merged first (Sennrich et al., 2016).

    As in SentencePiece, any two that together are a piece can be merged, and the
    leftmost are first of those that are equally good. All words are cut at once, by one
    merge each in a round.

    A symbol is the id of a piece. Characters that are part of a piece, but none
    themselves, have numbers above these.
    """

    def __init__(self, model: SentencePieceModel) -> None:
        super().__init__(name="merges")
        self._size = len(model.scores)
        parts = sorted(set("".join(model.ids)) - model.ids.keys())
        symbols = model.ids | {c: self._size + i for i, c in enumerate(parts)}
        self._base = self._size + len(parts)
        self._symbols = table({ord(t): s for t, s in symbols.items() if len(t) == 1})
        self._merged = table(
            {
                symbols[text[:i]] * self._base + symbols[text[i:]]: merged
                for text, merged in model.ids.items()
                for i in range(1, len(text))
                if text[:i] in symbols and text[i:] in symbols
            }
        )
        self._ranks = _ranks(model.scores)
        self._user_defined = UserDefined(model.user_defined)
        crossing = any(SPACE in text[1:] for text in model.ids)
        self._beginnings = row_beginnings if crossing else word_beginnings

    def __call__(self, text: tf.RaggedTensor) -> tf.Tensor:
        """Ids of the characters of text (B, None), (M,) int64."""
        symbol = self._user_defined(text, self._symbols.lookup(text.values))
        kept = symbol != PAD
        first = self._beginnings(text)
        merged = self._merge(*(tf.boolean_mask(x, kept) for x in (symbol, first)))
        ids = tf.where(merged < self._size, merged, UNKNOWN)
        return tf.tensor_scatter_nd_update(symbol, tf.where(kept), ids)

    def _merge(self, symbol: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
        """What symbols (M,) become, of which some begin words (M,)."""
        word = tf.cumsum(tf.cast(first, tf.int64)) - 1
        chain = self._chain(symbol, first)
        shapes = (tf.TensorShape([None]),) * 5
        (symbol, *_), _ = tf.while_loop(
            lambda _, best: tf.reduce_any(best < NEVER),
            lambda chain, best: self._round(chain, best, word),
            (chain, tf.math.segment_min(chain.order[:-1], word)),
            (_Chain(*shapes[1:]), shapes[0]),
        )
        return symbol[:-1]

    def _chain(self, symbol: tf.Tensor, first: tf.Tensor) -> _Chain:
        """Symbols (M,) as a chain, before anything is merged."""
        end = tf.size(symbol, tf.int64)
        place = tf.range(end + 1)
        last = tf.concat([first, [True]], 0)[1:]
        symbol = tf.pad(symbol, [[0, 1]], constant_values=UNKNOWN)
        before = tf.concat([tf.where(first, end, place[:-1] - 1), [end]], 0)
        after = tf.concat([tf.where(last, end, place[1:]), [end]], 0)
        merged = self._pair(symbol, tf.gather(symbol, after))
        return _Chain(symbol, before, after, self._order(merged, place, end))

    def _pair(self, left: tf.Tensor, right: tf.Tensor) -> tf.Tensor:
        """What two symbols are merged to, `UNKNOWN` for nothing."""
        return self._merged.lookup(left * self._base + right)

    def _order(self, merged: tf.Tensor, place: tf.Tensor, end: tf.Tensor) -> tf.Tensor:
        """By the piece that a merge gives, and equals by their place."""
        rank = tf.gather(self._ranks, merged)
        return tf.where(merged != UNKNOWN, rank * (end + 1) + place, NEVER)

    def _round(
        self, chain: _Chain, best: tf.Tensor, word: tf.Tensor
    ) -> tuple[_Chain, tf.Tensor]:
        """One merge in each word that has any left."""
        symbol, before, after, order = chain
        end = tf.size(word, tf.int64)
        left = tf.where(best < NEVER, best % (end + 1), end)
        right = tf.gather(after, left)
        previous = tf.where(best < NEVER, tf.gather(before, left), end)
        following = tf.gather(after, right)
        merged = self._pair(tf.gather(symbol, left), tf.gather(symbol, right))
        gone = tf.fill(tf.shape(right), tf.constant(PAD, tf.int64))
        around = self._pair(
            tf.concat([tf.gather(symbol, previous), merged], 0),
            tf.concat([merged, tf.gather(symbol, following)], 0),
        )
        places = tf.concat([previous, left], 0)
        new = self._order(around, places, end)
        never = tf.fill(tf.shape(right), tf.constant(NEVER, tf.int64))
        chain = _Chain(
            _put(_put(symbol, left, merged), right, gone),
            _put(before, following, left),
            _put(after, left, following),
            _put(_put(order, places, new), right, never),
        )
        return chain, tf.math.segment_min(chain.order[:-1], word)


def _put(values: tf.Tensor, places: tf.Tensor, new: tf.Tensor) -> tf.Tensor:
    return tf.tensor_scatter_nd_update(values, places[:, None], new)


def _ranks(scores: NDArray[np.float32]) -> NDArray[np.int64]:
    """Integers that are the smaller the greater a score is, and equal for equals."""
    bits = scores.view(np.int32).astype(np.int64)
    ascending = np.where(bits < 0, bits ^ 0x7FFFFFFF, bits)
    return np.iinfo(np.int32).max - ascending
