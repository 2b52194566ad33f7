"""Texts that a graph reads by their characters are what `SpeechText` reads."""

from functools import cache

import keras
import numpy as np
import pytest

from s2s_zoo.data.speech_symbols import MNEMONICS, SpeechText

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)

ENGLISH = [
    "Turn off the garden light.",
    "  “Stop!” — she\u00a0said…\tand\nleft ; why ?",
    "Caf\u00e9, cafe\u0301 & na\u00efve R\u00d6NTGEN \ufb01lm",
    "Wait \U0001f600 , he + she = \U0001f600 .",
    "St Louis, and why \u037e the cost of it etc",
]
REFUSED = [
    "room 7",
    "Dr. Lee is here",
    "ask (mr.) lee",
    "Tom, Jerry etc.",
    "\u05d0",
    "\u2026 ",
    "",
    "half \u00bd",
    "\u0416",
]
GERMAN = SpeechText(alphabet=" abcdefghijklmnopqrstuvwxyzäöüß.,", language="de")
UPPER = SpeechText(alphabet=" ABCDEFGHIJKLMNOPQRSTUVWXYZ'", spell_out=False)


@cache
def graph(text):
    import tensorflow as tf

    from s2s_zoo.export.text_graph.characters import CharacterReader

    def given(ids, lengths):
        return {"ids": ids, "lengths": lengths}

    spec = {"source": tf.TensorSpec([None], tf.string)}
    return tf.function(CharacterReader(text).before(given), [spec], autograph=False)


def read(text, lines):
    """Ids of lines by the graph, without padding."""
    found = graph(text)({"source": lines})
    rows = zip(found["ids"].numpy(), found["lengths"].numpy(), strict=True)
    return [ids[:length].tolist() for ids, length in rows]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        (SpeechText(), ENGLISH),
        (GERMAN, ["Schöne Grüße", "Scho\u0308ne GRU\u0308SSE, Dr. Lee", "é\u0308"]),
        (UPPER, ["don\u2019t “stop”", "cafe\u0301  a"]),
        (SpeechText(alphabet=MNEMONICS, spell_out=False), ["t'3:n  0f D@ l'aIt."]),
    ],
)
def test_ids_are_those_of_the_front_end(text, lines):
    assert read(text, lines) == [text.encode(line).tolist() for line in lines]


def test_what_is_no_text_goes_along():
    import tensorflow as tf

    from s2s_zoo.export.text_graph.characters import CharacterReader

    def given(ids, lengths, style):
        return {"style": style + tf.cast(lengths, "float32")}

    read = tf.function(CharacterReader(SpeechText()).before(given), autograph=False)
    found = read({"source": tf.constant(["ab", "abc"]), "style": tf.constant([1.0, 2])})
    assert found["style"].numpy().tolist() == [4, 6]


@pytest.mark.parametrize("line", REFUSED)
def test_what_takes_more_than_a_table_is_refused(line):
    import tensorflow as tf

    with pytest.raises(tf.errors.InvalidArgumentError, match="alphabet is") as failure:
        read(SpeechText(), ["good morning", line])
    message = str(failure.value)
    assert "numbers and abbreviations are to be written in words" in message
    assert "good morning" not in message


def test_every_character_is_read_as_it_is_between_others():
    """Of all that there is a table for, by samples of each thousandth."""
    from s2s_zoo.export.text_graph.character_table import UNREAD, CharacterTable

    for text in (SpeechText(), GERMAN, UPPER):
        table = CharacterTable.of(text)
        for point in [*range(0x600), *range(0x600, 0x30000, 997)]:
            if chr(point).isnumeric():
                continue
            place = np.searchsorted(table.starts, point, side="right") - 1
            reading = table.readings[place].replace("\0", "")
            expected = text.symbols(f"x{chr(point)}x")
            if reading == UNREAD:
                assert set(expected) - set(text.characters)
            else:
                letter = text.symbols("x")
                assert " ".join(f"{letter}{reading}{letter}".split()) == expected
