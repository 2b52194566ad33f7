"""Transcripts in the characters of an alphabet."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.transcripts import normalize_transcript, unknown_characters

ENGLISH = "abcdefghijklmnopqrstuvwxyz '"


@given(st.text(st.characters(max_codepoint=0x17F), max_size=40))
def test_normalization_equals_openseq2seq(text: str):
    """Where every character has an ASCII form, the script's two lines agree."""
    decomposed = unicodedata.normalize("NFKD", text)
    reference = decomposed.encode("ascii", "ignore").decode("ascii", "ignore").lower()
    if all(
        unicodedata.normalize("NFKD", c)[0].isascii() or not c.isalnum() for c in text
    ):
        assert normalize_transcript(text, ENGLISH) == " ".join(reference.split())


@pytest.mark.parametrize(
    ("text", "alphabet", "expected"),
    [
        ("  Crème\tBRÛLÉE \n", ENGLISH, "creme brulee"),
        ("don\u2019t", ENGLISH, "don't"),
        ("don\u2019t", "dont", "dont"),
        ("Größe", ENGLISH + "ößä", "größe"),
        ("Große", ENGLISH, "große"),
        ("GO é", "GOE ", "GO E"),
        ("go", "GO ", "GO"),
        ("\u201cyes\u201d \u2014 no\u2026", ENGLISH, "yes no..."),
        ("\ufb01ne \u00bd", ENGLISH, "fine 12"),
        ("e\u0301", ENGLISH + "é", "é"),
        ("中 文", ENGLISH, "中 文"),
        ("", ENGLISH, ""),
    ],
)
def test_normalization(text: str, alphabet: str, expected: str):
    assert normalize_transcript(text, alphabet) == expected


def test_unknown_characters_are_counted():
    counts = unknown_characters(["a1 b", "1!"], ENGLISH)
    assert counts == {"1": 2, "!": 1}
