"""What there is to say of outputs besides their metrics, as a whole and by group."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np

from s2s_zoo.metrics.bootstrap import Pooled

ERRORS = "errors"
"""The count of examples that groups add up."""


@dataclass(frozen=True)
class Breakdown:
    """What there is to say of outputs besides their metrics.

    Attributes:
        summary: plain data for programs, by key.
        lines: the same for people.
        counts: whole numbers of each example (N,) by name. Those that are called
            "errors" are added up for groups.

    Example:
        >>> from s2s_zoo.metrics import Breakdown
        >>> found = Breakdown({"empty": 1}, ["empty: 1"], counts={"empty": [0, 1, 0]})
        >>> sum(found.counts["empty"]) == found.summary["empty"]
        True
    """

    summary: Mapping[str, Any] = field(default_factory=dict)
    lines: Sequence[str] = ()
    counts: Mapping[str, Sequence[int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Group:
    """How well a model does on some of the examples.

    Attributes:
        metric: name of the metric.
        value: of the metric; not a number where there is nothing to measure by.
        confidence: 95 % interval of it; None where there is no value.
        examples: how many there are.
        errors: in their outputs; None where these are not counted.

    Example:
        >>> from s2s_zoo.metrics import Breakdown, Group, error_measures
        >>> measure = error_measures(["on", "off", "on"], ["on", "on", "on"])
        >>> name, counts = "word_error_rate", Breakdown(counts={"errors": [0, 1, 0]})
        >>> Group.of(name, measure[name], counts, rows=[0, 1], seed=0).summary()
        {'word_error_rate': 0.5, 'confidence': (0.0, 1.0), 'examples': 2, 'errors': 1}
    """

    metric: str
    value: float
    confidence: tuple[float, float] | None
    examples: int
    errors: int | None = None

    @classmethod
    def of(
        cls,
        metric: str,
        measure: Pooled,
        breakdown: Breakdown,
        *,
        rows: Sequence[int],
        seed: int,
    ) -> Self:
        """The group of the examples with these numbers.

        Args:
            metric: name of the metric.
            measure: the metric of all examples.
            breakdown: of all examples.
            rows: numbers of those in the group.
            seed: of the examples that the interval draws.
        """
        part = Pooled(measure.rows[np.asarray(rows)], measure.score)
        value, errors = part.value, breakdown.counts.get(ERRORS)
        interval = None if math.isnan(value) else part.interval(seed=seed)
        added = None if errors is None else sum(errors[row] for row in rows)
        return cls(metric, value, interval, len(rows), added)

    def summary(self) -> dict[str, Any]:
        """The same as plain data; None for what is not a number."""
        errors = {} if self.errors is None else {ERRORS: self.errors}
        return {
            self.metric: None if math.isnan(self.value) else self.value,
            "confidence": self.confidence,
            "examples": self.examples,
            **errors,
        }
