"""Words with time stamps and confidence from the tokens of a CTC search."""

import math
from collections.abc import Sequence
from itertools import groupby
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike


class Word(NamedTuple):
    """One recognized word.

    Attributes:
        text: its characters.
        start: seconds from the start of the utterance.
        end: seconds from the start of the utterance.
        confidence: 0 to 1, the geometric mean of its characters' probabilities.
    """

    text: str
    start: float
    end: float
    confidence: float


def words(
    tokens: ArrayLike,
    frames: ArrayLike,
    end_frames: ArrayLike,
    log_probabilities: ArrayLike,
    alphabet: Sequence[str],
    frame_seconds: float,
) -> list[Word]:
    """Splits the tokens of one utterance at the space character.

    A word lasts from the first frame of its first character to the last frame of its
    last character. CTC outputs are peaks, so the true borders lie a little outside.
    The geometric mean makes confidences of short and long words comparable.

    Args:
        tokens: (T,) integers; negative ones are padding.
        frames: (T,) first frame of each token.
        end_frames: (T,) one past the last frame of each token.
        log_probabilities: (T,) natural logarithms of the tokens' probabilities.
        alphabet: character of each token.
        frame_seconds: seconds from one CTC frame to the next.

    Returns:
        The words in order; none of them is empty.
    """
    columns = (tokens, frames, end_frames, log_probabilities)
    rows = zip(*(np.asarray(column).tolist() for column in columns), strict=True)
    spoken = [(alphabet[token], *row) for token, *row in rows if token >= 0]
    found = []
    for is_space, group in groupby(spoken, key=lambda row: row[0] == " "):
        if not is_space:
            characters, starts, ends, scores = zip(*group, strict=True)
            confidence = min(math.exp(math.fsum(scores) / len(scores)), 1.0)
            start, end = starts[0] * frame_seconds, ends[-1] * frame_seconds
            found.append(Word("".join(characters), start, end, confidence))
    return found
