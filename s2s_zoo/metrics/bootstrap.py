"""Corpus metrics as functions of sums over examples, and their bootstrap interval.

Word error rate, BLEU, chrF and every mean are of this form, so that one resampling
serves them all. Bisani & Ney, "Bootstrap estimates for confidence intervals in ASR
performance evaluation" (ICASSP 2004), section 3; Koehn, "Statistical significance
tests for machine translation evaluation" (EMNLP 2004), section 3.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

SAMPLES = 1000
LEVEL = 0.95


@dataclass(frozen=True)
class Pooled:
    """A metric of a corpus: the score of what its examples add up to.

    Attributes:
        rows: (N, S) statistics of each example.
        score: the metric of (S,) statistics summed over examples.

    Example:
        >>> from s2s_zoo.metrics import Pooled
        >>> accuracy = Pooled.mean([1, 0, 1, 1])
        >>> low, high = accuracy.interval(seed=0)
        >>> accuracy.value, low <= accuracy.value <= high
        (0.75, True)
    """

    rows: NDArray[np.float64]
    score: Callable[[NDArray[np.float64]], float]

    @classmethod
    def ratio(cls, numerators: ArrayLike, denominators: ArrayLike) -> Self:
        """Sum over sum, such as errors per word; not a number where there are none.

        Args:
            numerators: (N,) of each example.
            denominators: (N,) of each example.
        """
        return cls(_columns(numerators, denominators), _ratio)

    @classmethod
    def mean(cls, values: Iterable[float]) -> Self:
        """The mean over examples, such as of 1 where the answer was right, else 0."""
        values = np.array(list(values), np.float64)
        return cls.ratio(values, np.ones_like(values))

    @property
    def value(self) -> float:
        """The metric of all examples.

        Raises:
            ValueError: there are none.
        """
        if not len(self.rows):
            raise ValueError("no examples: a metric needs at least one")
        return float(self.score(self.rows.sum(axis=0)))

    def resample(self, *, seed: int, samples: int = SAMPLES) -> NDArray[np.float64]:
        """(samples,) metrics of as many examples each, drawn with replacement.

        The same seed draws the same examples, whatever the metric. A ratio is not a
        number in draws without a divisor.

        Raises:
            ValueError: there are no examples.
        """
        count = len(self.rows)
        if not count:
            raise ValueError("no examples: a confidence interval needs at least one")
        generator = np.random.default_rng(seed)
        draws = (generator.integers(count, size=count) for _ in range(samples))
        times = (np.bincount(draw, minlength=count) for draw in draws)
        return np.array([self.score(drawn @ self.rows) for drawn in times])

    def interval(
        self, *, seed: int, samples: int = SAMPLES, level: float = LEVEL
    ) -> tuple[float, float]:
        """Confidence interval: the middle `level` of resampled metrics.

        Raises:
            ValueError: there are no examples, or `level` is outside 0 to 1.
        """
        return middle(self.resample(seed=seed, samples=samples), level)


@dataclass(frozen=True)
class Scores:
    """Metrics of a corpus.

    Attributes:
        metrics: value by name.
        confidence: 95 % interval by name.
        signature: how they were computed.

    Example:
        >>> from s2s_zoo.metrics import Scores
        >>> scores = Scores({"accuracy": 0.75}, {"accuracy": (0.25, 1.0)}, "exact")
        >>> scores.metrics["accuracy"], scores.signature
        (0.75, 'exact')
    """

    metrics: dict[str, float]
    confidence: dict[str, tuple[float, float]]
    signature: str


def score_all(measures: Mapping[str, Pooled], signature: str, *, seed: int) -> Scores:
    """Value and interval of each measure.

    Raises:
        ValueError: there are no examples.

    Example:
        >>> from s2s_zoo.metrics import error_measures, score_all
        >>> measures = error_measures(["turn it on", "stop"], ["turn on", "stop"])
        >>> score_all(measures, "wer:pooled", seed=0).metrics["word_error_rate"]
        0.25
    """
    return Scores(
        {name: measure.value for name, measure in measures.items()},
        {name: measure.interval(seed=seed) for name, measure in measures.items()},
        signature,
    )


def middle(values: NDArray[np.float64], level: float = LEVEL) -> tuple[float, float]:
    """(low, high) between which the middle `level` of the numbers among them lies.

    Raises:
        ValueError: `level` is outside 0 to 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level {level} is not between 0 and 1")
    low, high = np.nanquantile(values, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


def check_pairs(hypotheses: Sequence[Any], references: Sequence[Any]) -> None:
    """Refuse hypotheses and references that are not as many.

    Raises:
        ValueError: they are not.
    """
    if len(hypotheses) != len(references):
        raise ValueError(
            f"{len(hypotheses)} hypotheses do not pair with {len(references)} "
            "references"
        )


def _columns(*columns: ArrayLike) -> NDArray[np.float64]:
    return np.stack([np.asarray(column, np.float64) for column in columns], axis=1)


def _ratio(sums: NDArray[np.float64]) -> float:
    return float(sums[0] / sums[1]) if sums[1] else math.nan
