"""Text as SentencePiece normalizes it, in TensorFlow operations.

The bytes of all texts lie behind each other, each text after a zero byte, its slot,
which becomes the space before the text. No rule matches a zero byte.
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from s2s_zoo.data.segmentation import SPACE
from s2s_zoo.data.sentencepiece_model import SentencePieceModel
from s2s_zoo.export.text_graph.rules import longest_rules
from s2s_zoo.export.text_graph.trie import Trie
from s2s_zoo.export.text_graph.walk import followed

BLANK = ord(" ")
MALFORMED = 0xFFFD
SURROGATES = (0xD800, 0xDFFF)
LAST = 0x10FFFF


class _Texts(NamedTuple):
    """Texts and their slots: M bytes.

    Attributes:
        data: these and 4 zeros (M + 4,) int64.
        row: the text of each, and B at the end (M + 1,) int64.
        slot: whether it is a slot (M + 1,); the end is none.
        sizes: bytes of each text (B,) int64.
    """

    data: tf.Tensor
    row: tf.Tensor
    slot: tf.Tensor
    sizes: tf.Tensor


class _Segments(NamedTuple):
    """What becomes of each slot, character or replaced text, all (K,) int64.

    Attributes:
        row: the text it is of; the first segment of a row is its slot.
        first: where its characters begin, among one for each byte of the texts and
            those of the replacements behind them.
        count: how many there are.
    """

    row: tf.Tensor
    first: tf.Tensor
    count: tf.Tensor


class GraphNormalizer(tf.Module):
    """Replaces the longest texts there are rules for, and tidies spaces.

    User-defined pieces stay as they are.
    """

    def __init__(self, model: SentencePieceModel) -> None:
        super().__init__(name="normalizer")
        self._rules = model.normalization
        texts = [([*piece.encode()], i) for piece, i in model.user_defined.items()]
        self._user_defined = Trie(texts) if texts else None
        text = self._rules.replacements.decode("utf-8")
        self._user_defined_at = np.zeros(len(model.scores), np.int64)
        for piece, i in model.user_defined.items():
            self._user_defined_at[i] = len(text)
            text += piece + "\0"
        text = text or "\0"
        self._codes = np.array([*map(ord, text)], np.int64)
        sizes = [len(character.encode()) for character in text]
        self._code_at = np.repeat(np.arange(len(text)), sizes)
        self._until_end = _run_lengths(self._codes != 0)
        self._blanks = _run_lengths(self._codes == BLANK)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """The characters of texts (B,) of UTF-8: (B, None) int64 code points.

        A byte that is no UTF-8 becomes U+FFFD.
        """
        laid = _lay_out(texts)
        codes, segments = self._segments(laid)
        if self._rules.collapse_spaces:
            segments = self._collapse(laid, codes, segments)
        row, first, count = segments
        prefix = tf.gather(laid.sizes > 0, row) & self._rules.dummy_prefix
        count = tf.where(_begins(row), tf.cast(prefix, tf.int64), count)
        codes = tf.gather(codes, tf.ragged.range(first, first + count).values)
        row = tf.repeat(row, count)
        space = ord(SPACE) if self._rules.escape_spaces else BLANK
        codes = tf.where(codes == BLANK, tf.constant(space, tf.int64), codes)
        rows = tf.size(texts, tf.int64)
        if self._rules.collapse_spaces:
            codes, row = _strip(codes, row, rows, space)
        return tf.RaggedTensor.from_value_rowids(codes, row, rows, validate=False)

    def _segments(self, laid: _Texts) -> tuple[tf.Tensor, _Segments]:
        """All characters there are, and what the texts consist of."""
        codes, size = _decode(laid.data)
        matched, code = self._matches(laid.data[:-3])
        replaced = matched > 0
        end = tf.size(laid.row, tf.int64) - 1
        place = tf.range(end + 1)
        jump = tf.minimum(place + tf.where(replaced, matched, size), end)
        met = followed(laid.slot, jump, tf.reduce_max(laid.sizes) + 1)
        first = tf.where(replaced, end + code, place)
        count = tf.where(replaced, tf.gather(self._until_end, code), 1)
        codes = tf.where(laid.slot, tf.constant(BLANK, tf.int64), codes)[:-1]
        kept = (tf.boolean_mask(x[:-1], met[:-1]) for x in (laid.row, first, count))
        return tf.concat([codes, self._codes], 0), _Segments(*kept)

    def _matches(self, data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What is replaced from each byte on (M + 1,): its size, 0 for nothing.

        The other result is where its replacement begins (M + 1,).
        """
        matched, value = longest_rules(data, self._rules.units)
        code = tf.gather(self._code_at, value)
        if self._user_defined is None:
            return matched, code
        size, piece = (x[0] for x in self._user_defined.longest_ids(data[None]))
        given = tf.gather(self._user_defined_at, piece)
        return tf.where(size > 0, size, matched), tf.where(size > 0, given, code)

    def _collapse(
        self, laid: _Texts, codes: tf.Tensor, segments: _Segments
    ) -> _Segments:
        """Leave out the spaces a segment begins with after one that ends with one."""
        filled = segments.count > 0
        row, first, count = (tf.boolean_mask(x, filled) for x in segments)
        ends_blank = tf.gather(codes, first + count - 1) == BLANK
        after_blank = tf.concat([[True], ends_blank], 0)[:-1]
        blank = (codes[: tf.size(laid.slot) - 1] == BLANK) & ~laid.slot[:-1]
        blanks = tf.concat([tf.cast(blank, tf.int64), self._blanks], 0)
        left_out = tf.where(after_blank, tf.gather(blanks, first), 0)
        return _Segments(row, first + left_out, count - left_out)


def _lay_out(texts: tf.Tensor) -> _Texts:
    joined = tf.strings.reduce_join(tf.strings.join(["\0", texts]))
    data = tf.io.decode_raw(tf.strings.join([joined, "\0\0\0\0"]), tf.uint8)
    sizes = tf.cast(tf.strings.length(texts), tf.int64)
    rows = tf.size(texts, tf.int64)
    row = tf.concat([tf.repeat(tf.range(rows), sizes + 1), [rows]], 0)
    return _Texts(tf.cast(data, tf.int64), row, _begins(row) & (row < rows), sizes)


def _begins(row: tf.Tensor) -> tf.Tensor:
    """Which of ascending values (K,) are the first of their kind."""
    return row > tf.concat([tf.constant([-1], tf.int64), row], 0)[:-1]


def _decode(data: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The character that begins at each byte but the last 3, and its size."""
    count = tf.size(data) - 3
    lead = data[:count]
    code = tf.where(lead < 0x80, lead, tf.constant(MALFORMED, tf.int64))
    size, tail, proper = tf.ones_like(lead), tf.zeros_like(lead), lead >= 0xC0
    for more, least in enumerate((0x80, 0x800, 0x10000), 1):
        byte = data[more : count + more]
        proper &= byte & 0xC0 == 0x80
        tail = tail * 64 + (byte & 0x3F)
        free = 0x3F >> more
        found = (lead & free) * 64**more + tail
        fits = proper & (lead & ~free == 0xFF & ~free << 1)
        fits &= (found >= least) & (found <= LAST)
        fits &= (found < SURROGATES[0]) | (found > SURROGATES[1])
        code = tf.where(fits, found, code)
        size = tf.where(fits, tf.constant(more + 1, tf.int64), size)
    return code, size


def _strip(
    codes: tf.Tensor, row: tf.Tensor, rows: tf.Tensor, space: int
) -> tuple[tf.Tensor, tf.Tensor]:
    """Leave out the spaces at the end of each row."""
    place = tf.range(tf.size(codes, tf.int64))
    filled = tf.where(codes != space, place, -1)
    last = tf.math.unsorted_segment_max(filled, row, rows)
    kept = place <= tf.gather(last, row)
    return tf.boolean_mask(codes, kept), tf.boolean_mask(row, kept)


def _run_lengths(kept: NDArray[np.bool_]) -> NDArray[np.int64]:
    """How many in a row are true from each place on."""
    place = np.arange(len(kept))
    ends = np.where(kept, len(kept), place)
    return np.minimum.accumulate(ends[::-1])[::-1] - place
