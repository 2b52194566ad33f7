"""The most probable pieces of normalized text, in TensorFlow operations."""

import numpy as np
import tensorflow as tf

from s2s_zoo.data.segmentation import UNKNOWN_PENALTY
from s2s_zoo.data.sentencepiece_model import SentencePieceModel
from s2s_zoo.export.text_graph.trie import Trie
from s2s_zoo.export.text_graph.walk import followed
from s2s_zoo.vocabulary import PAD

USER_DEFINED_BONUS = 0.1
"""Of SentencePiece: the score of a user-defined piece for each byte but the first."""

RESET = 100_000.0
"""SentencePiece counts anew from 0 where a sum is larger, for the sake of float32."""


class BestPath(tf.Module):
    """The pieces with the greatest sum of scores (Kudo, 2018), by Viterbi's algorithm.

    Sums are those of SentencePiece to the bit: float32, from left to right; of those
    that are equally good, the longer last piece is taken. The longest piece has L
    characters.
    """

    def __init__(self, model: SentencePieceModel) -> None:
        super().__init__(name="best_path")
        pieces = model.ids | model.user_defined
        self._trie = Trie(([*map(ord, text)], i) for text, i in pieces.items())
        known = np.array([*model.ids.values()])
        self._scores = np.full(len(model.scores), -np.inf, np.float32)
        self._scores[known] = model.scores[known]
        self._unknown = self._scores[known].min() - np.float32(UNKNOWN_PENALTY)
        for text, i in model.user_defined.items():
            self._scores[i] = USER_DEFINED_BONUS * (len(text.encode()) - 1)

    def __call__(self, text: tf.RaggedTensor) -> tf.Tensor:
        """Ids of the characters of text (B, None), (M,) int64."""
        lengths = text.row_lengths()
        # One place more, so that there is one.
        pieces = self._trie.ids(tf.pad(text.to_tensor(), [[0, 0], [0, 1]]))
        sizes = self._best_sizes(pieces)
        place = tf.reshape(tf.range(tf.size(sizes, tf.int64)), tf.shape(sizes))
        chosen = (place + 1 - sizes) * self._trie.longest + sizes - 1
        ids = tf.gather(tf.reshape(pieces, [-1]), chosen)
        ids = tf.where(_on_the_path(sizes, lengths), ids, PAD)
        return tf.boolean_mask(ids, tf.sequence_mask(lengths, tf.shape(ids)[1]))

    def _best_sizes(self, pieces: tf.Tensor) -> tf.Tensor:
        """Characters of the best last piece of all that ends at each place (B, T).

        Args:
            pieces: ids that begin at each place (B, T, L).
        """
        scores = tf.gather(self._scores, tf.transpose(pieces, [1, 0, 2]))
        single = scores[:, :, :1]
        single = tf.where(tf.math.is_finite(single), single, self._unknown)
        scores = tf.concat([single, scores[:, :, 1:]], 2)
        count, rows = tf.shape(scores)[0], tf.shape(scores)[1]
        never = tf.fill([rows, 1], np.float32(-np.inf))
        nothing = tf.zeros([rows, 1], tf.int64)
        given = tf.range(1, self._trie.longest + 1, dtype=tf.int64)

        def advance(
            t: tf.Tensor, best: tf.Tensor, size: tf.Tensor, found: tf.TensorArray
        ) -> tuple[tf.Tensor, ...]:
            """Sums up to t and L places further; sizes of the last pieces there."""
            here = best[:, :1]
            best = tf.where(tf.abs(here) > RESET, best - here, best)
            sums = best[:, :1] + scores[t]
            better = sums > best[:, 1:]
            size = tf.where(better, given, size)
            best = tf.concat([tf.where(better, sums, best[:, 1:]), never], 1)
            found = found.write(t, size[:, 0])
            return t + 1, best, tf.concat([size[:, 1:], nothing], 1), found

        ahead = [1, self._trie.longest]
        best = tf.concat([tf.zeros([rows, 1]), tf.tile(never, ahead)], 1)
        found = tf.TensorArray(tf.int64, count, element_shape=[None])
        state = (0, best, tf.tile(nothing, ahead), found)
        *_, found = tf.while_loop(lambda t, *_: t < count, advance, state)
        return tf.transpose(found.stack())


def _on_the_path(sizes: tf.Tensor, lengths: tf.Tensor) -> tf.Tensor:
    """At which places the pieces end that lead to the ends of the texts.

    Args:
        sizes: of the last piece up to each place (B, T).
        lengths: of the texts (B,).
    """
    back = tf.pad(sizes, [[0, 0], [1, 0]])
    place = tf.reshape(tf.range(tf.size(back, tf.int64)), tf.shape(back))
    count = tf.shape(back)[1]
    ends = tf.one_hot(lengths, count, True, False)
    jump = tf.reshape(place - back, [-1])
    met = followed(tf.reshape(ends, [-1]), jump, count)
    return tf.reshape(met, tf.shape(back))[:, 1:]
