"""Transcripts folded towards an alphabet."""

import unicodedata
from collections import Counter
from collections.abc import Iterable


def normalize_transcript(text: str, alphabet: str) -> str:
    """Fold a transcript towards an alphabet.

    Characters of the alphabet stay. Others are folded to lower-case ASCII by NFKD
    decomposition, what has no ASCII form is dropped, and white space is collapsed,
    as in OpenSeq2Seq's `scripts/import_librivox.py`. Beyond that script, a
    typographic apostrophe becomes "'", case follows the alphabet, and letters and
    digits without ASCII form stay, so that `unknown_characters` can report them.
    """
    return " ".join(fold_transcript(text, alphabet).split())


def fold_transcript(text: str, alphabet: str) -> str:
    """As `normalize_transcript`, with white space as it is."""
    composed = unicodedata.normalize("NFC", text)
    return "".join(_fold(character, alphabet) for character in composed)


def unknown_characters(texts: Iterable[str], alphabet: str) -> Counter[str]:
    """How often each character outside `alphabet` occurs in `texts`."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(text)
    return Counter({c: n for c, n in counts.items() if c not in set(alphabet)})


def _fold(character: str, alphabet: str) -> str:
    """What becomes of one character of a transcript."""
    if character in alphabet:
        return character
    if character == "\u2019" and "'" in alphabet:
        return "'"
    decomposed = unicodedata.normalize("NFKD", character)
    folded = decomposed.encode("ascii", "ignore").decode()
    if not folded and character.isalnum():
        folded = character
    return "".join(_cased(letter, alphabet) for letter in folded.lower())


def _cased(letter: str, alphabet: str) -> str:
    """The lower-case letter, or the upper-case one where the alphabet has only that."""
    upper = letter.upper()
    is_upper = letter not in alphabet and len(upper) == 1 and upper in alphabet
    return upper if is_upper else letter
