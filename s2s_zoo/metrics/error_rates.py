"""Word and character error rate, with a confidence interval.

Levenshtein (1966) alignment of token sequences; the interval is the bootstrap over
utterances of Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR
performance evaluation" (ICASSP 2004), section 3.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.metrics.bootstrap import LEVEL, SAMPLES, Pooled

Token = TypeVar("Token")
Pair = tuple[Token | None, Token | None]

_FALL, _LEVEL, _RISE = range(3)
"""How edit distances go from one row of their table to the next."""


@dataclass(frozen=True)
class ErrorCounts:
    """How a hypothesis differs from its reference; `+` pools utterances.

    Attributes:
        substitutions: reference tokens recognized as another token.
        deletions: reference tokens without a counterpart in the hypothesis.
        insertions: hypothesis tokens without a counterpart in the reference.
        hits: reference tokens recognized.

    Example:
        >>> from s2s_zoo.metrics import ErrorCounts
        >>> both = ErrorCounts(substitutions=1, hits=3) + ErrorCounts(1, hits=3)
        >>> both.errors, both.reference_length, both.rate
        (2, 8, 0.25)
    """

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    hits: int = 0

    @classmethod
    def of(cls, pairs: Sequence[Pair[Any]]) -> Self:
        """The errors of an alignment, as `align` gives it."""
        deletions = sum(hypothesized is None for _, hypothesized in pairs)
        insertions = sum(referred is None for referred, _ in pairs)
        hits = sum(referred == hypothesized for referred, hypothesized in pairs)
        substitutions = len(pairs) - deletions - insertions - hits
        return cls(substitutions, deletions, insertions, hits)

    @property
    def errors(self) -> int:
        """Substitutions, deletions and insertions together."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def reference_length(self) -> int:
        """Tokens of the reference."""
        return self.hits + self.substitutions + self.deletions

    @property
    def rate(self) -> float:
        """Errors per reference token; an empty reference counts as one token."""
        return self.errors / max(self.reference_length, 1)

    def __add__(self, other: "ErrorCounts") -> "ErrorCounts":
        return ErrorCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.hits + other.hits,
        )


def align(reference: Sequence[Token], hypothesis: Sequence[Token]) -> list[Pair[Token]]:
    """The cheapest alignment of two token sequences.

    Substitution, deletion and insertion cost one each. Of several cheapest
    alignments it is that of RapidFuzz, whose errors jiwer counts: what both begin and
    end with is paired; the rest, read from the end, prefers a deletion, then an
    insertion where the rows of the table of costs fall, then a pair.

    Returns:
        Pairs (reference token, hypothesis token) in order; None on the hypothesis
        side is a deletion, None on the reference side an insertion.

    Example:
        >>> from s2s_zoo.metrics import align
        >>> align("turn it on".split(), "turn on please".split())
        [('turn', 'turn'), ('it', 'on'), ('on', 'please')]
    """
    start = _common(reference, hypothesis)
    end = _common(reference[start:][::-1], hypothesis[start:][::-1])
    i, j = len(reference) - end, len(hypothesis) - end
    head = [(token, token) for token in reference[:start]]
    tail = [(token, token) for token in reference[i:]]
    return [*head, *_align_unlike(reference[start:i], hypothesis[start:j]), *tail]


def _align_unlike(
    reference: Sequence[Token], hypothesis: Sequence[Token]
) -> list[Pair[Token]]:
    """As `align`, of what neither begins nor ends alike."""
    steps = _cost_steps(*_encode(reference, hypothesis))
    i, j = len(reference), len(hypothesis)
    pairs: list[Pair[Token]] = []
    while i and j:
        if steps[i - 1][j] == _RISE:
            i -= 1
            pairs.append((reference[i], None))
        elif steps[i - 1][j - 1] == _FALL:
            j -= 1
            pairs.append((None, hypothesis[j]))
        else:
            i, j = i - 1, j - 1
            pairs.append((reference[i], hypothesis[j]))
    pairs.extend((token, None) for token in reference[:i][::-1])
    pairs.extend((None, token) for token in hypothesis[:j][::-1])
    return pairs[::-1]


def _common(one: Sequence[Token], other: Sequence[Token]) -> int:
    """How many tokens two sequences begin with alike."""
    pairs = enumerate(zip(one, other, strict=False))
    shorter = min(len(one), len(other))
    return next((i for i, (left, right) in pairs if left != right), shorter)


def _encode(
    reference: Sequence[Token], hypothesis: Sequence[Token]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    codes: dict[Token, int] = {}
    coded = [
        np.array([codes.setdefault(token, len(codes)) for token in tokens], np.int64)
        for tokens in (reference, hypothesis)
    ]
    return coded[0], coded[1]


def _cost_steps(
    reference: NDArray[np.int64], hypothesis: NDArray[np.int64]
) -> list[bytes]:
    """What each token of the reference adds to the edit distances of all prefixes.

    A row at a time: with the cost of insertions taken off (minus the column index),
    the dependence within the row is a running minimum.
    """
    columns = np.arange(len(hypothesis) + 1)
    row = columns
    steps = []
    for token in reference:
        above, row = row, np.empty_like(row)
        row[0] = above[0] + 1
        np.minimum(above[1:] + 1, above[:-1] + (hypothesis != token), out=row[1:])
        row = np.minimum.accumulate(row - columns) + columns
        steps.append((row - above + _LEVEL).astype(np.uint8).tobytes())
    return steps


def count_errors(
    reference: Sequence[Token], hypothesis: Sequence[Token]
) -> ErrorCounts:
    """The errors of the cheapest alignment (see `align`).

    Example:
        >>> from s2s_zoo.metrics import count_errors
        >>> count_errors("kitten", "sitting")
        ErrorCounts(substitutions=2, deletions=0, insertions=1, hits=4)
    """
    return ErrorCounts.of(align(reference, hypothesis))


def word_errors(reference: str, hypothesis: str) -> ErrorCounts:
    """The errors of one utterance in words, which white space separates.

    Example:
        >>> from s2s_zoo.metrics import word_errors
        >>> word_errors("turn the lamp on", "turn lamp on").rate
        0.25
    """
    return count_errors(reference.split(), hypothesis.split())


def character_errors(reference: str, hypothesis: str) -> ErrorCounts:
    """The errors of one utterance in characters, inner spaces included.

    Example:
        >>> from s2s_zoo.metrics import character_errors
        >>> character_errors("lamp", "lump").errors
        1
    """
    return count_errors(reference.strip(), hypothesis.strip())


def word_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Word errors of all utterances over reference words of all utterances.

    Raises:
        ValueError: the two sequences differ in length.

    Example:
        >>> from s2s_zoo.metrics import word_error_rate
        >>> word_error_rate(["turn it on", "stop"], ["turn on", "stop"])
        0.25
    """
    return _pooled_rate(word_errors, references, hypotheses)


def character_error_rate(references: Sequence[str], hypotheses: Sequence[str]) -> float:
    """Character errors of all utterances over their reference characters.

    Raises:
        ValueError: the two sequences differ in length.

    Example:
        >>> from s2s_zoo.metrics import character_error_rate
        >>> character_error_rate(["lamp", "stop"], ["lump", "stop"])
        0.125
    """
    return _pooled_rate(character_errors, references, hypotheses)


def _pooled_rate(
    errors: Callable[[str, str], ErrorCounts],
    references: Sequence[str],
    hypotheses: Sequence[str],
) -> float:
    pairs = zip(references, hypotheses, strict=True)
    return sum((errors(*pair) for pair in pairs), ErrorCounts()).rate


def bootstrap_interval(
    counts: Sequence[ErrorCounts],
    *,
    seed: int,
    samples: int = SAMPLES,
    level: float = LEVEL,
) -> tuple[float, float]:
    """Confidence interval of the pooled error rate.

    Draws as many utterances as there are, with replacement, `samples` times; the
    interval holds the middle `level` of the rates of these draws.

    Args:
        counts: errors of each utterance.
        seed: the same seed gives the same interval.

    Returns:
        (low, high), as fractions like `ErrorCounts.rate`.

    Raises:
        ValueError: no utterances, or a level outside 0 to 1.

    Example:
        >>> from s2s_zoo.metrics import bootstrap_interval, word_errors
        >>> heard = ("turn it on", "turn on")
        >>> counts = [word_errors("turn it on", words) for words in heard]
        >>> low, high = bootstrap_interval(counts, seed=0)
        >>> low, round(high, 3)
        (0.0, 0.333)
    """
    return _pooled(counts).interval(seed=seed, samples=samples, level=level)


def error_measures(
    references: Sequence[str], hypotheses: Sequence[str]
) -> dict[str, Pooled]:
    """`word_error_rate` and `character_error_rate` as sums over utterances.

    Raises:
        ValueError: the two sequences differ in length, or no reference holds a word.

    Example:
        >>> from s2s_zoo.metrics import error_measures
        >>> measures = error_measures(["turn it on", "stop"], ["turn on", "stop"])
        >>> list(measures), measures["word_error_rate"].value
        (['word_error_rate', 'character_error_rate'], 0.25)
    """
    if not any(map(str.strip, references)):
        raise ValueError(f"no reference words in {len(references)} utterances")
    kinds = {"word_error_rate": word_errors, "character_error_rate": character_errors}
    pairs = list(zip(references, hypotheses, strict=True))
    return {
        name: _pooled([errors(*pair) for pair in pairs])
        for name, errors in kinds.items()
    }


def _pooled(counts: Sequence[ErrorCounts]) -> Pooled:
    return Pooled.ratio(
        [count.errors for count in counts],
        [count.reference_length for count in counts],
    )
