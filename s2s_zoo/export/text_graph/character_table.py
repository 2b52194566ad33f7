"""What a synthesizer reads of each character, whatever stands beside it."""

import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.speech_symbols import SpeechText
from s2s_zoo.data.spoken_text import ABBREVIATED, ENGLISH, character_in_words
from s2s_zoo.data.transcripts import fold_transcript

LEFT_OUT, UNREAD = "\0", "\1"
"""In the place of characters that are dropped, and of those that have no id."""

MARKS = (".", ",", "?", "!", ";", ":")
"""Before which no space is read, unless another character became them."""

_POINTS = 0x110000
_NOTHING = ("Cn", "Co", "Cs")
"""Categories of code points that stand for no character."""


@dataclass(frozen=True)
class CharacterTable:
    """A `SpeechText` without what it takes several characters to tell.

    Attributes:
        starts: (N,) int32 code points; each begins a run up to the next.
        readings: what is read of every character of a run.
        composed: characters by the sequences of others that stand for them, where one
            is not read as the other; the longest first.
        abbreviations: pattern of words before a full stop that are not read as they
            are written; empty for none.
    """

    starts: NDArray[np.int32]
    readings: tuple[str, ...]
    composed: dict[str, str]
    abbreviations: str

    @classmethod
    @cache
    def of(cls, text: SpeechText) -> "CharacterTable":
        """The table of a text that reads no phonemes."""
        found = [_reading(chr(point), text) for point in range(_POINTS)]
        runs = [
            (next(group), reading)
            for reading, group in groupby(range(_POINTS), found.__getitem__)
        ]
        starts, readings = zip(*runs, strict=True)
        is_english = text.language.partition("-")[0] == ENGLISH
        return cls(
            np.array(starts, np.int32),
            readings,
            _composed(found),
            ABBREVIATED if text.spell_out and is_english else "",
        )


def _reading(character: str, text: SpeechText) -> str:
    if unicodedata.category(character) in _NOTHING:
        return LEFT_OUT
    written = character
    if text.spell_out:
        written = " " if character.isspace() else character_in_words(character)
    folded = re.sub(r"\s", " ", fold_transcript(written, text.characters))
    if set(folded) - set(text.characters) - {" "}:
        return UNREAD
    became = folded != written and folded[:1] in MARKS
    return f"{LEFT_OUT}{folded}" if became else folded or LEFT_OUT


def _composed(readings: list[str]) -> dict[str, str]:
    found = {}
    for point, reading in enumerate(readings):
        apart = unicodedata.normalize("NFD", chr(point))
        if reading not in (LEFT_OUT, UNREAD) and len(apart) > 1:
            alone = "".join(readings[ord(part)] for part in apart)
            if alone.replace(LEFT_OUT, "") != reading:
                found[apart] = chr(point)
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))
