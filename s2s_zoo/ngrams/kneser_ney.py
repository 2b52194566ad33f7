"""Estimation of n-gram models by interpolated modified Kneser-Ney smoothing."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import check_range
from s2s_zoo.ngrams.counts import RESERVED, Counts, Rows, count_ngrams, read_units
from s2s_zoo.ngrams.grams import START, Grams, Ids, NGrams

FALLBACK = (0.5, 1.0, 1.5)
"""Discounts where the text gives none, those of lmplz --discount_fallback."""

MAX_ORDER = 10

Discounts = tuple[float, float, float]
Values = NDArray[np.float64]


@dataclass(frozen=True)
class Estimate:
    """A model and what it was estimated with.

    Attributes:
        ngrams: the model.
        discounts: of each order, of n-grams with the counts 1, 2, and 3 or more.
        fallbacks: orders whose discounts could not be computed from the text.
        units: units in the text, ends of lines not included.
        lines: lines of the text.

    Example:
        >>> from s2s_zoo.ngrams import estimate_kneser_ney
        >>> estimate_kneser_ney([["a", "rose"], ["a", "tulip"]], 2).fallbacks
        (1, 2)
    """

    ngrams: NGrams
    discounts: tuple[Discounts, ...]
    fallbacks: tuple[int, ...]
    units: int
    lines: int


def estimate_kneser_ney(
    lines: Iterable[Sequence[str]], order: int = 3, prune: Sequence[int] = ()
) -> Estimate:
    """Estimate an n-gram model by interpolated modified Kneser-Ney smoothing.

    Chen & Goodman 1998, An Empirical Study of Smoothing Techniques for Language
    Modeling, section 4.1.6, with the discounts of equation (26); as KenLM's lmplz does
    it (Heafield et al. 2013, Scalable Modified Kneser-Ney Language Model Estimation):
    n-grams that begin with <s> keep their occurrences as counts, unigrams are
    interpolated with the uniform distribution, whose share is all that <unk> has, and
    the probability of pruned n-grams goes to the backoff of their context. lmplz takes
    the last n-gram of each order by its occurrences into the counts of counts; here it
    is taken like the others.

    Args:
        lines: each a sequence of units.
        order: length of the longest n-grams.
        prune: by order, n-grams that occur so often or less are left out; the last
            holds for higher orders. Unigrams stay.

    Example:
        >>> from s2s_zoo.ngrams import estimate_kneser_ney
        >>> lines = [["a", "rose"], ["a", "tulip"], ["a", "rose"]]
        >>> ngrams = estimate_kneser_ney(lines, 2, prune=(0, 1)).ngrams
        >>> [len(grams) for grams in ngrams.orders]
        [6, 3]

    Raises:
        ValueError: there is no text, it holds a reserved unit, or order or thresholds
            are not accepted.
    """
    thresholds = _thresholds(order, prune)
    text = read_units(lines)
    counted = count_ngrams(text, order)
    levels = _smooth(counted, thresholds, len(text.vocabulary) - 1)
    return Estimate(
        NGrams(text.vocabulary, tuple(_grams(levels))),
        tuple(level.discounts or FALLBACK for level in levels),
        tuple(n for n, level in enumerate(levels, start=1) if not level.discounts),
        int(np.sum(text.ids >= len(RESERVED))),
        int(np.sum(text.places == 0)),
    )


@dataclass(frozen=True)
class _Level:
    """All n-grams of one order; `shares` is what contexts leave to shorter ones."""

    words: Ids
    probabilities: Values
    shares: Values
    is_kept: NDArray[np.bool_]
    discounts: Discounts | None


def _thresholds(order: int, prune: Sequence[int]) -> list[int]:
    check_range("order", order, 1, MAX_ORDER)
    thresholds = list(prune) or [0]
    if len(thresholds) > order or thresholds[0] or thresholds != sorted(thresholds):
        raise ValueError(
            f"prune is 0 and up to {order - 1} thresholds more, none below the one "
            f"before. Received: {' '.join(map(str, prune))}"
        )
    return thresholds + thresholds[-1:] * (order - len(thresholds))


def _smooth(
    counted: list[Counts], thresholds: list[int], predicted: int
) -> list[_Level]:
    """From the shortest to the longest; `predicted` is the number of possible units."""
    levels: list[_Level] = []
    shorter: Values = np.full(1, 1 / predicted)
    for index, counts in enumerate(counted):
        adjusted = _adjusted(counted, index)
        discounts = _discounts(adjusted)
        is_kept = (counts.counts > thresholds[index]) | (index == 0)
        amounts = np.array([0, *(discounts or FALLBACK)])[np.minimum(adjusted, 3)]
        totals = np.bincount(counts.contexts, adjusted, len(shorter))
        saved = np.where(is_kept, amounts, adjusted)
        left = np.bincount(counts.contexts, saved, len(shorter))
        shares: Values = np.ones(len(shorter))
        np.divide(left, totals, out=shares, where=totals > 0)
        own: Values = (adjusted - amounts) / totals[counts.contexts]
        shorter = own + shares[counts.contexts] * shorter[counts.suffixes]
        if index == 0:
            shorter[RESERVED.index(START)] = 1
        levels.append(_Level(counts.words, shorter, shares, is_kept, discounts))
    return levels


def _adjusted(counted: list[Counts], index: int) -> Rows:
    """Occurrences of the longest n-grams and those after <s>; words before others."""
    counts = counted[index]
    if index + 1 == len(counted):
        return counts.counts
    before = np.bincount(counted[index + 1].suffixes, minlength=len(counts.counts))
    return np.where(counts.words[:, 0] == RESERVED.index(START), counts.counts, before)


def _discounts(adjusted: Rows) -> Discounts | None:
    """Chen & Goodman 1998, equation (26); None where it has no or no fitting value."""
    _, *n, _ = np.bincount(np.minimum(adjusted, 5), minlength=6).tolist()
    if not all(n[:3]):
        return None
    share = n[0] / (n[0] + 2 * n[1])
    found = [k - (k + 1) * share * n[k] / n[k - 1] for k in (1, 2, 3)]
    fits = all(0 < discount <= k for k, discount in enumerate(found, start=1))
    return (found[0], found[1], found[2]) if fits else None


def _grams(levels: list[_Level]) -> Iterator[Grams]:
    for level, longer in zip_longest(levels, levels[1:]):
        kept = level.is_kept
        logs = np.minimum(np.log10(level.probabilities[kept]), 0).astype(np.float32)
        backoffs = np.zeros_like(logs)
        if longer:
            backoffs = np.log10(longer.shares[kept]).astype(np.float32)
        yield Grams(level.words[kept], logs, backoffs)
