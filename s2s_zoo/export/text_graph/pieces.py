"""Normalized text cut into pieces, in TensorFlow operations: characters and words.

Whatever cuts gives the M characters of all texts an id each: one character of a piece
has that of the piece and its others `PAD`; `UNKNOWN` have those that are in no piece.
"""

from collections.abc import Mapping

import tensorflow as tf

from s2s_zoo.data.segmentation import SPACE
from s2s_zoo.data.sentencepiece_model import SentencePieceModel
from s2s_zoo.export.text_graph.trie import Trie, table
from s2s_zoo.export.text_graph.walk import followed
from s2s_zoo.vocabulary import PAD, UNKNOWN


class UserDefined(tf.Module):
    """Pieces that are one whatever is around them, the longest from the left."""

    def __init__(self, pieces: Mapping[str, int]) -> None:
        super().__init__(name="user_defined")
        texts = [([*map(ord, text)], i) for text, i in pieces.items()]
        self._trie = Trie(texts) if texts else None

    def __call__(self, text: tf.RaggedTensor, ids: tf.Tensor) -> tf.Tensor:
        """Ids (M,) of the characters of text (B, None), of which only these change."""
        if self._trie is None:
            return ids
        dense = text.to_tensor()
        real = tf.sequence_mask(text.row_lengths(), tf.shape(dense)[1])
        found = self._trie.longest_ids(dense)
        size, given = (tf.boolean_mask(x, real) for x in found)
        end = tf.size(size, tf.int64)
        jump = tf.range(end) + tf.maximum(size, 1)
        first = row_beginnings(text)
        met = followed(
            tf.pad(first, [[0, 1]]),
            tf.concat([tf.minimum(jump, end), [end]], 0),
            tf.shape(dense)[1],
        )[:-1]
        return tf.where(met, tf.where(size > 0, given, ids), PAD)


class Characters(tf.Module):
    """Each character is a piece."""

    def __init__(self, model: SentencePieceModel) -> None:
        super().__init__(name="characters")
        pieces = model.ids.items()
        self._ids = table({ord(text): i for text, i in pieces if len(text) == 1})
        self._user_defined = UserDefined(model.user_defined)

    def __call__(self, text: tf.RaggedTensor) -> tf.Tensor:
        """Ids of the characters of text (B, None), (M,) int64."""
        return self._user_defined(text, self._ids.lookup(text.values))


class Words(tf.Module):
    """Each word is a piece."""

    def __init__(self, model: SentencePieceModel) -> None:
        super().__init__(name="words")
        self._ids = table(model.ids | model.user_defined, tf.string)

    def __call__(self, text: tf.RaggedTensor) -> tf.Tensor:
        """Ids of the characters of text (B, None), (M,) int64."""
        first = word_beginnings(text)
        word = tf.cumsum(tf.cast(first, tf.int64)) - 1
        codes = tf.cast(text.values, tf.int32)
        words = tf.RaggedTensor.from_value_rowids(codes, word, validate=False)
        found = self._ids.lookup(tf.strings.unicode_encode(words, "UTF-8"))
        ids = tf.gather(found, word)
        return tf.where(first | (ids == UNKNOWN), ids, PAD)


def row_beginnings(text: tf.RaggedTensor) -> tf.Tensor:
    """Which characters are the first of their text, (M,) bool."""
    row = text.value_rowids()
    return row > tf.concat([tf.constant([-1], row.dtype), row], 0)[:-1]


def word_beginnings(text: tf.RaggedTensor) -> tf.Tensor:
    """Which characters are the first of a word, (M,) bool."""
    return row_beginnings(text) | (text.values == ord(SPACE))
