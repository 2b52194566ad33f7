"""Text as a synthesizer reads it: characters or phonemes, and the end."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cache

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.speech_synthesis import SpeechSynthesizer
from s2s_zoo.data.spoken_text import spell_out
from s2s_zoo.data.transcripts import normalize_transcript, unknown_characters
from s2s_zoo.errors import UserError
from s2s_zoo.parts import PlainPart
from s2s_zoo.vocabulary import END, PAD

ENGLISH = " abcdefghijklmnopqrstuvwxyz'.,?!;:-"
MNEMONICS = "".join(map(chr, range(32, 127)))
"""Printable ASCII, which the names of phonemes of espeak-ng are made of."""
FIRST = 1 + max(PAD, END)
"""The id of the first character."""

_CLAUSES = re.compile(r"([.,?!;:]+)")


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class SpeechText(PlainPart):
    """From text to ids: 0 pads, 1 ends a text, characters follow in their order.

    Attributes:
        alphabet: the characters; what can be folded to them is, such as capitals.
        language: of the texts, as num2words names it.
        spell_out: write numbers, money, dates, units and abbreviations in words.
        phonemes: voice of espeak-ng whose phonemes are read instead of characters,
            such as "en-us"; nothing for characters.

    Example:
        >>> from s2s_zoo.data.speech_symbols import SpeechText
        >>> text = SpeechText()
        >>> text.symbols("Dr. Lee"), text.encode("Abc").tolist()
        ('doctor lee', [3, 4, 5, 1])
    """

    alphabet: str = ENGLISH
    language: str = "en"
    spell_out: bool = True
    phonemes: str = ""

    @property
    def characters(self) -> str:
        """What ids stand for, in their order."""
        return MNEMONICS if self.phonemes else self.alphabet

    @property
    def size(self) -> int:
        """Ids in all."""
        return FIRST + len(self.characters)

    def symbols(self, text: str) -> str:
        """What is read of a text, before it becomes ids.

        Raises:
            UserError: it holds digits and num2words is not installed, or phonemes are
                asked for and espeak-ng is not.
        """
        if self.spell_out:
            text = spell_out(text, self.language)
        if self.phonemes:
            return phonemes_of(text, self.phonemes)
        return normalize_transcript(text, self.alphabet)

    @property
    def of_symbols(self) -> "SpeechText":
        """What reads the symbols themselves, as `symbols` gives them."""
        return replace(self, alphabet=self.characters, spell_out=False, phonemes="")

    def speaks(self, text: str) -> bool:
        """Whether there is more in a text than marks."""
        return _speaks(self.symbols(text))

    def unknown(self, texts: Iterable[str]) -> Counter[str]:
        """How often each character that has no id occurs in texts."""
        return unknown_characters(map(self.symbols, texts), self.characters)

    def encode(self, text: str) -> NDArray[np.int32]:
        """(T,) ids of a text, the end behind them.

        Raises:
            UserError: there is nothing to say, or a character has no id.
        """
        symbols = self.symbols(text)
        if not _speaks(symbols):
            raise UserError(f"Nothing to say: {text!r}")
        index = {one: FIRST + i for i, one in enumerate(self.characters)}
        unknown = sorted(set(symbols) - set(index))
        if unknown:
            raise UserError(
                f"The alphabet is {self.characters!r}. Received {unknown} in {text!r}"
            )
        return np.array([*(index[one] for one in symbols), END], np.int32)


def _speaks(symbols: str) -> bool:
    return any(map(str.isalnum, symbols))


def phonemes_of(text: str, voice: str) -> str:
    """The phonemes of a text by their names in espeak-ng, with its punctuation.

    Raises:
        UserError: espeak-ng is not installed or has no such voice.
    """
    parts = _CLAUSES.split(text)
    synthesizer = _synthesizer()
    found = [
        part[:1] if _CLAUSES.match(part) else synthesizer.phonemes(part, voice=voice)
        for part in parts
        if part.strip()
    ]
    joined = "".join(f" {one}" if not _CLAUSES.match(one) else one for one in found)
    return " ".join(joined.split())


@cache
def _synthesizer() -> SpeechSynthesizer:
    try:
        return SpeechSynthesizer()
    except ModuleNotFoundError as error:
        raise UserError(
            "Phonemes come from espeak-ng, which is not installed: pip install "
            "'s2s-zoo[phonemes]', or read characters: task.text.phonemes="
        ) from error
