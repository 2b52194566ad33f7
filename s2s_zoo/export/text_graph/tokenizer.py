"""Raw text to token ids in TensorFlow operations alone, as SentencePiece cuts it."""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from s2s_zoo.data.sentencepiece_model import (
    Kind,
    SentencePieceModel,
    read_sentencepiece_model,
)
from s2s_zoo.export.text_graph.best_path import BestPath
from s2s_zoo.export.text_graph.merges import Merges
from s2s_zoo.export.text_graph.normalizer import GraphNormalizer
from s2s_zoo.export.text_graph.pieces import (
    Characters,
    Words,
    row_beginnings,
    word_beginnings,
)
from s2s_zoo.vocabulary import PAD, UNKNOWN

CUTTERS: dict[Kind, Callable[[SentencePieceModel], tf.Module]] = {
    "unigram": BestPath,
    "bpe": Merges,
    "word": Words,
    "char": Characters,
}

WHITE_SPACE = (
    r"[\t-\r\x1c-\x20\x{85}\x{a0}\x{1680}\x{2000}-\x{200a}\x{2028}\x{2029}"
    r"\x{202f}\x{205f}\x{3000}]+"
)
"""What `str.split` cuts at."""


class GraphTokenizer(tf.Module):
    """A SentencePiece model as a function of a graph.

    A module that is saved has to refer to this one, which holds the tables.
    """

    def __init__(self, model: bytes, words_apart: bool = False) -> None:
        """Read a model.

        Args:
            model: what a `.model` file of SentencePiece holds.
            words_apart: whether a text is cut at all white space, each unknown word
                one token, as `s2s_zoo.data.words.encode_texts` does.

        Raises:
            UserError: see `SentencePieceModel.check_for_graph`.
        """
        super().__init__(name="tokenizer")
        found = read_sentencepiece_model(model)
        found.check_for_graph()
        self._normalize = GraphNormalizer(found)
        self._cut = CUTTERS[found.kind](found)
        self._byte_ids = np.array(found.byte_ids, np.int64)
        self._words_apart = words_apart

    @tf.autograph.experimental.do_not_convert
    def __call__(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """The ids of `Tokenizer.encode`, or `encode_texts`, without start and end.

        Args:
            texts: UTF-8 (B,).

        Returns:
            Ids (B, T) int32, `PAD` behind the last, and how many (B,) int32.
        """
        with tf.device("cpu:0"):
            if self._words_apart:
                texts = tf.strings.regex_replace(texts, WHITE_SPACE, " ")
            text = self._normalize(texts)
            ids = self._cut(text)
            if len(self._byte_ids):
                ids = self._with_bytes(ids, text.values)
            else:
                begins = word_beginnings if self._words_apart else row_beginnings
                kept = ~_after_unknown(ids, begins(text))
                ids = tf.where(kept, ids, PAD)[:, None]
            each = tf.fill(tf.shape(ids)[:1], tf.shape(ids, tf.int64)[1])
            row = tf.repeat(text.value_rowids(), each)
            ids = tf.reshape(ids, [-1])
            kept = ids != PAD
            found = tf.RaggedTensor.from_value_rowids(
                tf.cast(tf.boolean_mask(ids, kept), tf.int32),
                tf.boolean_mask(row, kept),
                text.nrows(),
                validate=False,
            )
            return found.to_tensor(PAD), tf.cast(found.row_lengths(), tf.int32)

    def _with_bytes(self, ids: tf.Tensor, codes: tf.Tensor) -> tf.Tensor:
        """Ids (M,) with those of the bytes of unknown characters (M, 4)."""
        known = tf.pad(ids[:, None], [[0, 0], [0, 3]], constant_values=PAD)
        found = tf.gather(np.append(self._byte_ids, PAD), _utf8(codes))
        return tf.where((ids == UNKNOWN)[:, None], found, known)


def _after_unknown(ids: tf.Tensor, first: tf.Tensor) -> tf.Tensor:
    """Which characters are unknown after another of their text that is so (M,)."""
    unknown = ids == UNKNOWN
    before = tf.concat([[False], unknown], 0)[:-1]
    return unknown & before & ~first


def _utf8(codes: tf.Tensor) -> tf.Tensor:
    """The bytes of characters (M,): (M, 4), 256 where a character has less."""
    six = [codes // 64**i % 64 + 0x80 for i in range(4)]
    none = tf.fill(tf.shape(codes), tf.constant(256, tf.int64))
    sizes = (
        (0x80, [codes, none, none, none]),
        (0x800, [codes // 64 + 0xC0, six[0], none, none]),
        (0x10000, [codes // 64**2 + 0xE0, six[1], six[0], none]),
    )
    found = tf.stack([codes // 64**3 + 0xF0, six[2], six[1], six[0]], 1)
    for least, bytes_ in reversed(sizes):
        found = tf.where((codes < least)[:, None], tf.stack(bytes_, 1), found)
    return found
