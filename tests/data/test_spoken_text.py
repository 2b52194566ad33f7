"""Written English as it is spoken, and the ids a synthesizer reads."""

import sys

import pytest

from s2s_zoo.data.speech_symbols import ENGLISH, SpeechText
from s2s_zoo.data.spoken_text import spell_out
from s2s_zoo.errors import UserError

SPOKEN = {
    "Dr. Lee met Mrs. Hall, etc.": "doctor lee met missus hall, et cetera",
    "No. 5 is no. And St. John": "number five is no. and saint john",
    "e.g. this, i.e. that": "for example this, that is that",
    "It cost $3.50.": "it cost three dollars and fifty cents.",
    "$1 and $1.01": "one dollar and one dollar and one cent",
    "£0.99, €1,200": "ninety nine pence, one thousand two hundred euros",
    "$2.5 million or ¥500": "two point five million dollars or five hundred yen",
    "On March 3, 1999, he": "on march third, nineteen ninety nine, he",
    "2024-03-01": "march first, twenty twenty four",
    "3/4/2024": "march fourth, twenty twenty four",
    "99/99/2024": "ninety nine ninety nine two thousand and twenty four",
    "the 3rd of May 1999": "the third of may, nineteen ninety nine",
    "May 1999": "may nineteen ninety nine",
    "in 2005, 2005 books": "in two thousand and five, two thousand and five books",
    "since 1985": "since nineteen eighty five",
    "1985 books": "one thousand nine hundred and eighty five books",
    "the 1990s": "the nineteen nineties",
    "at 5:30 pm": "at five thirty p m",
    "at 5:00 and 5:05 a.m.": "at five o'clock and five oh five a m",
    "5 km, 1 lb, 6 ft": "five kilometers, one pound, six feet",
    "60 km/h at 20°C": "sixty kilometers per hour at twenty degrees celsius",
    "50 Hz": "fifty hertz",
    "the 21st": "the twenty first",
    "1,234 and 0.5": "one thousand two hundred and thirty four and zero point five",
    "-4 or x-4": "minus four or x-four",
    "5% & more @ home #1": "five percent and more at home number one",
    "“Hello” — she said…": "hello - she said.",
}


@pytest.mark.parametrize("text", SPOKEN)
def test_english_is_written_in_words(text):
    pytest.importorskip("num2words", reason="numbers: pip install s2s-zoo[demo]")
    assert spell_out(text) == SPOKEN[text]


def test_languages():
    pytest.importorskip("num2words", reason="numbers: pip install s2s-zoo[demo]")
    assert spell_out("3/4/2024", "en-GB").startswith("april third")
    assert spell_out("Ich habe 21 Äpfel", "de") == "ich habe einundzwanzig äpfel"
    with pytest.raises(UserError, match="language 'xx': write them in words"):
        spell_out("21", "xx")


def test_without_num2words_only_digits_are_refused(monkeypatch):
    monkeypatch.setitem(sys.modules, "num2words", None)
    assert spell_out("Mr. Lee & I") == "mister lee and i"
    with pytest.raises(UserError, match=r"s2s-zoo\[demo\].*Received: 21"):
        spell_out("I have 21")


def test_ids_of_characters_and_the_end():
    text = SpeechText(alphabet=" abc", spell_out=False)
    assert text.encode("C ab\u00e0").tolist() == [5, 2, 3, 4, 3, 1]
    assert text.size == 6
    assert SpeechText().size == 2 + len(ENGLISH)
    with pytest.raises(UserError, match=r"The alphabet is ' abc'\. Received \['d'\]"):
        text.encode("bad")
    with pytest.raises(UserError, match="Nothing to say: ' '"):
        text.encode(" ")
    assert text.unknown(["bad", "dad", "\u05d0"]) == {"d": 3, "\u05d0": 1}


def test_phonemes_are_those_of_espeak():
    """As `espeak-ng -x -v en-us` prints them, punctuation kept."""
    pytest.importorskip("espeakng_loader", reason="phonemes need espeakng-loader")
    text = SpeechText(phonemes="en-us", spell_out=False)
    assert text.symbols("Turn off the lamp, please.") == "t'3:n 'O2f D@2 l'amp, pl'i:z."
    assert text.encode("Turn it off")[-1] == 1
    with pytest.raises(UserError, match="no voice 'xx'"):
        SpeechText(phonemes="xx").encode("hello")


def test_phonemes_without_espeak_are_refused(monkeypatch):
    from s2s_zoo.data import speech_symbols

    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    monkeypatch.setattr(
        speech_symbols, "_synthesizer", speech_symbols._synthesizer.__wrapped__
    )
    with pytest.raises(UserError, match=r"pip install 's2s-zoo\[phonemes\]'"):
        SpeechText(phonemes="en-us", spell_out=False).encode("hello")
