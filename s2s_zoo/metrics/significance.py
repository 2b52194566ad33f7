"""Whether two systems differ: the paired bootstrap test.

Both systems are measured on the same draws of examples, so that what is hard for
both cancels. Koehn, "Statistical significance tests for machine translation
evaluation" (EMNLP 2004), section 4; the two-sided p value under the hypothesis of no
difference by shifting, Riezler & Maxwell, "On some pitfalls in automatic evaluation
and significance testing for MT" (2005), figure 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from s2s_zoo.metrics.bootstrap import LEVEL, SAMPLES, Pooled, middle


@dataclass(frozen=True)
class Difference:
    """How far the second system is from the first: second minus first.

    Attributes:
        low: lower end of the 95 % interval.
        mean: the difference measured on all examples.
        high: upper end of the interval.
        p_value: how often chance alone makes a difference at least this large.

    Example:
        >>> from s2s_zoo.metrics import Difference
        >>> found = Difference(low=0.1, mean=0.4, high=0.7, p_value=0.01)
        >>> found.p_value < 0.05
        True
    """

    low: float
    mean: float
    high: float
    p_value: float


def paired_bootstrap(
    first: Pooled,
    second: Pooled,
    *,
    seed: int,
    samples: int = SAMPLES,
    level: float = LEVEL,
) -> Difference:
    """Test whether two systems differ in a metric.

    `(1 + k) / (1 + samples)` is the p value, where in k of the samples the difference
    is at least as far from the mean of all samples as the measured one is from zero.
    Samples without reference words, say, say nothing and do not count.

    Args:
        first: metric of one system.
        second: metric of the other on the same examples in the same order.
        seed: the same seed draws the same examples.

    Raises:
        ValueError: no examples, not as many of both, or `level` outside 0 to 1.

    Example:
        >>> from s2s_zoo.metrics import Pooled, paired_bootstrap
        >>> first, second = Pooled.mean([0.0] * 20), Pooled.mean([1.0] * 15 + [0.0] * 5)
        >>> found = paired_bootstrap(first, second, seed=0)
        >>> found.mean, found.p_value < 0.05
        (0.75, True)
    """
    if len(first.rows) != len(second.rows):
        raise ValueError(
            f"{len(first.rows)} examples do not pair with {len(second.rows)}"
        )
    measured = second.value - first.value
    drawn = second.resample(seed=seed, samples=samples)
    drawn = drawn - first.resample(seed=seed, samples=samples)
    drawn = drawn[np.isfinite(drawn)]
    by_chance = np.abs(drawn - drawn.mean()) >= abs(measured)
    p_value = (1 + int(by_chance.sum())) / (1 + len(drawn))
    low, high = middle(drawn, level)
    return Difference(low, measured, high, p_value)


def paired_tests(
    first: Mapping[str, Pooled], second: Mapping[str, Pooled], *, seed: int
) -> dict[str, Difference]:
    """`paired_bootstrap` of every metric by name.

    Raises:
        ValueError: as there, or the metrics have different names.

    Example:
        >>> from s2s_zoo.metrics import error_measures, paired_tests
        >>> said = ["turn it on", "stop"]
        >>> first = error_measures(said, ["turn on", "stop"])
        >>> second = error_measures(said, said)
        >>> paired_tests(first, second, seed=0)["word_error_rate"].mean
        -0.25
    """
    if first.keys() != second.keys():
        raise ValueError(f"{sorted(first)} cannot be compared with {sorted(second)}")
    return {
        name: paired_bootstrap(measure, second[name], seed=seed)
        for name, measure in first.items()
    }
