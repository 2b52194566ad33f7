"""Metrics as people read them."""

import math
from collections.abc import Iterator, Mapping, Sequence

from s2s_zoo.metrics.breakdown import ERRORS, Group
from s2s_zoo.metrics.significance import Difference

TITLES = {
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge1": "ROUGE-1",
    "rouge2": "ROUGE-2",
    "rouge_l": "ROUGE-L",
}
"""Metrics from 0 to 100, and what people call them."""
FRACTIONS = ("_rate", "accuracy")
"""How the names of metrics from 0 to 1 end, which are shown in percent."""
SIGNIFICANT = 0.05


def metric_title(name: str) -> str:
    """The name of a metric in words."""
    return TITLES.get(name, name.replace("_", " "))


def metric_text(
    name: str, value: float, interval: tuple[float, float] | None = None
) -> str:
    """The value of a metric, and its interval where it is known."""
    if interval is not None:
        low, high = (metric_text(name, end) for end in interval)
        return f"{metric_text(name, value)} [{low}, {high}]"
    if name.endswith(FRACTIONS):
        return f"{value:.2%}"
    return f"{value:.2f}" if name in TITLES else f"{value:.4f}"


def difference_text(name: str, difference: Difference) -> str:
    """A difference with its interval, in points of a percent or of the metric."""
    ends = (difference.mean, difference.low, difference.high)
    mean, low, high = (f"{_points(name, end):+.2f}" for end in ends)
    return f"{mean} [{low}, {high}] points"


def verdict(name: str, difference: Difference, first: str, second: str) -> str:
    """A sentence on whether two systems differ.

    Args:
        name: of the metric.
        difference: second minus first.
        first: what to call the one system.
        second: what to call the other.
    """
    title = metric_title(name)
    if difference.mean == 0:
        return f"{first} and {second} have the same {title}."
    higher, lower = (second, first) if difference.mean > 0 else (first, second)
    points = abs(_points(name, difference.mean))
    apart = f"The {title} of {higher} is {points:.2f} points above that of {lower}"
    if difference.p_value < SIGNIFICANT:
        return f"{apart}, hardly by chance ({_p_text(difference.p_value)})."
    return f"{apart}, which may be by chance ({_p_text(difference.p_value)})."


def group_lines(column: str, groups: Mapping[str, Group]) -> Iterator[str]:
    """A table of groups by their value in a column; no lines where there are none."""
    if not groups:
        return
    first = next(iter(groups.values()))
    counted = [] if first.errors is None else [ERRORS]
    rows = [[column, metric_title(first.metric), "examples", *counted]]
    for value, group in groups.items():
        name = value if value.isprintable() else ascii(value)
        errors = [] if group.errors is None else [str(group.errors)]
        told = [_group_text(group), str(group.examples), *errors]
        rows.append([name or "(none)", *told])
    yield from table_lines(rows)


def table_lines(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines of the cells of rows: names on the left, what is said of them aligned."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *cells in rows:
        sized = zip(cells, widths[1:], strict=True)
        aligned = (cell.rjust(width) for cell, width in sized)
        yield "  ".join((name.ljust(widths[0]), *aligned))


def _group_text(group: Group) -> str:
    if math.isnan(group.value):
        return "nothing to measure by"
    return metric_text(group.metric, group.value, group.confidence)


def _points(name: str, difference: float) -> float:
    return difference * 100 if name.endswith(FRACTIONS) else difference


def _p_text(p_value: float) -> str:
    return "p < 0.001" if p_value < 0.001 else f"p = {p_value:.3f}"
