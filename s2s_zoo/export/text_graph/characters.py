"""Texts read character by character, in one graph."""

import re
from collections.abc import Callable

import tensorflow as tf

from s2s_zoo.data.speech_symbols import FIRST, SpeechText
from s2s_zoo.export.text_graph.character_table import (
    LEFT_OUT,
    UNREAD,
    CharacterTable,
)
from s2s_zoo.export.text_graph.reader import beside_source
from s2s_zoo.tasks.serving import Signature
from s2s_zoo.vocabulary import END, PAD


class CharacterReader(tf.Module):
    """What lies between texts and the ids of their characters.

    A text that would have to be spelled out, that has a character without an id, or
    that says nothing ends the call with an InvalidArgumentError that names it.

    Args:
        text: what is read of a text; no phonemes.
    """

    def __init__(self, text: SpeechText) -> None:
        super().__init__(name="reader")
        self._text = text
        self._table = CharacterTable.of(text)

    def before(self, function: Callable[..., dict[str, tf.Tensor]]) -> Signature:
        """A function of texts, `source` (B,), and of what else there is.

        Args:
            function: outputs by name from ids (B, T), lengths (B,), and the rest.
        """

        def read(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
            return function(*self._ids(inputs["source"]), *beside_source(inputs))

        return read

    def _ids(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Ids with the end (B, T) and how many (B,)."""
        symbols, can_be_said = self._symbols(texts)
        refused = tf.boolean_mask(texts, tf.logical_not(can_be_said))
        told = [self._refusal, refused]
        check = tf.debugging.Assert(tf.reduce_all(can_be_said), told, summarize=3)
        with tf.control_dependencies([check] if check is not None else []):
            points = tf.strings.unicode_decode(tf.identity(symbols), "UTF-8")
        ids = points.with_flat_values(self._numbered(points.flat_values))
        ends = tf.fill([tf.shape(texts)[0], 1], END)
        ids = tf.concat([ids, tf.RaggedTensor.from_tensor(ends)], axis=1)
        return ids.to_tensor(PAD), tf.cast(ids.row_lengths(), tf.int32)

    def _symbols(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """What is read of texts (B,), and whether that is all there is to say (B,)."""
        replace, table = tf.strings.regex_replace, self._table
        for apart, together in table.composed.items():
            texts = replace(texts, re.escape(apart), together)
        points = tf.strings.unicode_decode(texts, "UTF-8", errors="strict")
        runs = tf.searchsorted(table.starts, points.flat_values, side="right") - 1
        said = points.with_flat_values(tf.gather(tf.constant(table.readings), runs))
        text = tf.strings.reduce_join(said.to_tensor(""), axis=-1)
        fine = tf.logical_not(_found(text, UNREAD))
        if table.abbreviations:
            before, behind = r"(?:^|[^\pL\pN_.])", r"(?:\s|,|$)"
            word = rf"{before}(?:{table.abbreviations})\.{behind}"
            fine = tf.logical_and(fine, tf.logical_not(_found(text, word)))
        if self._text.spell_out:
            text = replace(text, r" +([.,?!;:])", r"\1")
        text = replace(replace(text, LEFT_OUT, ""), " +", " ")
        fine = tf.logical_and(fine, _found(text, r"[\pL\pN]"))
        return tf.strings.strip(text), fine

    def _numbered(self, points: tf.Tensor) -> tf.Tensor:
        """The ids of code points (N,) of the alphabet."""
        ids = {ord(c): FIRST + i for i, c in enumerate(self._text.characters)}
        known = sorted(ids)
        places = tf.searchsorted(tf.constant(known), points)
        return tf.gather(tf.constant([ids[point] for point in known]), places)

    @property
    def _refusal(self) -> str:
        accepted = f"The alphabet is {self._text.characters!r}"
        if self._text.spell_out:
            accepted += "; numbers and abbreviations are to be written in words"
        return f"{accepted}. Received:"


def _found(text: tf.Tensor, pattern: str) -> tf.Tensor:
    """Whether there is a match anywhere in texts (B,)."""
    return tf.strings.regex_full_match(text, f"(?s).*{pattern}.*")
