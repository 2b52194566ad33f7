"""The picture of a training: loss, learning rate and error over steps."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.plots.figure import (
    BLUE,
    GRID,
    INK,
    ORANGE,
    PALE,
    new_figure,
    save_figure,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def plot_training(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Draw a training: loss, learning rate and word error rate over steps.

    Args:
        path: the PNG file to write.
        rows: of metrics.jsonl: `step` in each; `loss`, `learning_rate` and
            `validation` (a mapping with `word_error_rate`, a fraction) where they
            were measured.
    """
    figure = new_figure(10, 6)
    validations = [{"step": r["step"], **r.get("validation", {})} for r in rows]
    errors = _series(validations, "word_error_rate")
    count = 2 if errors[0] else 1
    panels = figure.subplots(count, 1, sharex=True, squeeze=False)[:, 0]
    _draw_loss(panels[0], _series(rows, "loss"))
    _draw_learning_rate(panels[0], _series(rows, "learning_rate"))
    if errors[0]:
        _draw_errors(panels[1], errors)
    panels[-1].set_xlabel("step")
    save_figure(figure, path)


def _series(
    rows: Sequence[Mapping[str, Any]], key: str
) -> tuple[list[float], list[float]]:
    """Steps and finite values of a column that not every row has."""
    found = [(row["step"], row[key]) for row in rows if row.get(key) is not None]
    finite = [(step, value) for step, value in found if math.isfinite(value)]
    return [step for step, _ in finite], [value for _, value in finite]


def _draw_loss(axes: "Axes", loss: tuple[list[float], list[float]]) -> None:
    steps, values = loss
    axes.plot(steps, values, color=BLUE, alpha=0.25, linewidth=0.8)
    axes.plot(steps, _smooth(values), color=BLUE, linewidth=1.8)
    if values and min(values) > 0:
        axes.set_yscale("log")
        _plain_log_labels(axes)
    axes.set_title("training loss", loc="left", fontsize=11, color=BLUE)
    tidy(axes)


def _smooth(values: Sequence[float]) -> NDArray[np.float64]:
    """Centred mean over a twentieth of the run, less towards its ends."""
    reach = len(values) // 40
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    reaches = np.minimum(reach, np.minimum(index, len(values) - 1 - index))
    return (sums[index + reaches + 1] - sums[index - reaches]) / (2 * reaches + 1)


def _plain_log_labels(axes: "Axes") -> None:
    """Label 1, 2, 5 of each decade, as numbers without exponents."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes.yaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())


def _draw_learning_rate(axes: "Axes", rate: tuple[list[float], list[float]]) -> None:
    if not rate[0]:
        return
    twin = axes.twinx()
    twin.plot(*rate, color=PALE, linewidth=1, linestyle=(0, (4, 2)))
    twin.set_ylim(0, 1.08 * max(rate[1]) or 1)
    twin.ticklabel_format(axis="y", style="sci", scilimits=(-2, 3), useMathText=True)
    twin.tick_params(axis="y", colors=PALE)
    twin.spines[["top", "left"]].set_visible(False)
    twin.spines["right"].set_color(GRID)
    axes.set_title("learning rate (dashed)", loc="center", fontsize=11, color=PALE)


def _draw_errors(axes: "Axes", errors: tuple[list[float], list[float]]) -> None:
    steps, percents = errors[0], [100 * rate for rate in errors[1]]
    best = int(np.argmin(percents))
    axes.plot(steps, percents, color=ORANGE, linewidth=1.8, marker="o", markersize=4)
    axes.plot(
        steps[best],
        percents[best],
        marker="o",
        markersize=10,
        markerfacecolor="none",
        color=INK,
        label=f"best: {percents[best]:.2f} % at step {steps[best]}",
    )
    axes.set_ylim(0, 1.08 * max(percents) or 1)
    axes.legend(loc="upper right", frameon=False)
    title = "validation word error rate, %"
    axes.set_title(title, loc="left", fontsize=11, color=ORANGE)
    tidy(axes)
