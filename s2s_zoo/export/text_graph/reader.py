"""Texts read by a function of token ids, in one graph."""

from collections.abc import Callable

import tensorflow as tf

from s2s_zoo.export.text_graph.tokenizer import GraphTokenizer
from s2s_zoo.tasks.serving import Reader, Signature
from s2s_zoo.vocabulary import END, PAD

BLANK: dict[str, str | int] = {"text": "", "tokens": -1}
"""Outputs for a text that says nothing; all others are 0."""


class TextReader(tf.Module):
    """What lies between texts and their ids."""

    def __init__(self, reader: Reader) -> None:
        super().__init__(name="reader")
        self._tokenizer = GraphTokenizer(reader.model, reader.words_apart)
        self._cut = reader.cut
        self._says_nothing = reader.blanks

    def before(self, function: Callable[..., dict[str, tf.Tensor]]) -> Signature:
        """A function of texts, `source` (B,), and of what else there is.

        Args:
            function: outputs by name from ids (B, T), lengths (B,), and the rest.
        """

        def read(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            ids, lengths = self._ids(inputs["source"])
            outputs = function(ids, lengths, *beside_source(inputs))
            blank = tf.logical_and(lengths == 1, self._says_nothing)
            return {
                name: _blanked(value, blank, BLANK.get(name, 0))
                for name, value in outputs.items()
            }

        return read

    def _ids(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ids with the end (B, T) and how many (B,); of a blank text, the end alone."""
        ids, lengths = self._tokenizer(texts)
        if self._cut:
            ids = ids[:, : self._cut - 1]
            lengths = tf.minimum(lengths, self._cut - 1)
        ids = tf.pad(ids, [[0, 0], [0, 1]], constant_values=PAD)
        ends = tf.range(tf.shape(ids)[1]) == lengths[:, None]
        return tf.where(ends, END, ids), lengths + 1


def beside_source(inputs: dict[str, tf.Tensor]) -> list[tf.Tensor]:
    """The inputs that are no texts, in their order."""
    return [value for name, value in inputs.items() if name != "source"]


def _blanked(value: tf.Tensor, blank: tf.Tensor, filling: str | int) -> tf.Tensor:
    """A value (B, ...) for each text, with a filling for those that are blank (B,)."""
    rows = tf.reshape(blank, [-1, *[1] * (len(value.shape) - 1)])
    return tf.where(rows, tf.constant(filling, value.dtype), value)
