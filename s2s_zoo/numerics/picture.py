"""The picture of recordings: layers down, exponents across, float16's window."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.numerics.exponents import Exponents
from s2s_zoo.numerics.float16 import SMALLEST_NORMAL, SMALLEST_SUBNORMAL
from s2s_zoo.numerics.recording import KINDS, Recording
from s2s_zoo.plots import BLUE, INK, ORANGE, new_figure, save_figure, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

TITLES = {
    "activation": "activations",
    "gradient": "gradients of activations",
    "weights": "gradients of weights",
}
TOP = 16
"""2^16 is just above the largest number of float16."""
FAINTEST = 1e-6
"""Share of a layer's values that still has a colour."""
DEEPEST = -80
"""The lowest exponent drawn."""


@dataclass(frozen=True)
class ScaleHistory:
    """The loss scale over a training.

    Attributes:
        changes: (step, scale) where it is known or has changed.
        overflows: steps that overflowed.
        end: the last step.
    """

    changes: Sequence[tuple[int, float]]
    overflows: Sequence[int]
    end: int


def plot_numerics(
    path: Path, recordings: Sequence[Recording], history: ScaleHistory
) -> None:
    """Draw the exponents of every layer over all recordings, and the loss scale.

    Args:
        path: the PNG file to write.
        recordings: of one training, at least one.
        history: of its loss scale.
    """
    layers = list(recordings[-1].layers)
    scale = history.changes[-1][1]
    scaled = any(scale != 1 for _, scale in history.changes)
    heights = [max(1.4, 0.24 * len(layers)), 1.6][: 1 + scaled]
    figure = new_figure(14, sum(heights) + 1.1 * len(heights))
    grid = figure.add_gridspec(len(heights), 3, height_ratios=heights)
    image = _draw_kinds(figure, grid, recordings, layers, scale)
    colours = figure.colorbar(image, ax=figure.axes, pad=0.01, aspect=30)
    colours.set_label("share of the layer's values")
    if scaled:
        _draw_scale(figure.add_subplot(grid[1, :]), history)
    handles, labels = figure.axes[1].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=4, frameon=False)
    save_figure(figure, path)


def _draw_kinds(
    figure: "Figure",
    grid: Any,
    recordings: Sequence[Recording],
    layers: Sequence[str],
    scale: float,
) -> Any:
    found = {kind: _merged(recordings, layers, kind) for kind in KINDS}
    low, high = _limits([e for merged in found.values() for e in merged])
    image = None
    for column, (kind, merged) in enumerate(found.items()):
        axes = figure.add_subplot(grid[0, column])
        image = _draw_exponents(axes, merged, low, high)
        _draw_window(axes, 1.0, INK, "float16")
        if scale != 1 and kind != "activation":
            _draw_window(axes, scale, BLUE, f"float16 at loss scale {scale:g}")
        axes.set_title(TITLES[kind], loc="left", fontsize=11, color=INK)
        axes.set_yticks(range(len(layers)), [] if column else layers, fontsize=8)
        axes.tick_params(axis="y", length=0)
        axes.set_xlabel(
            "exponent of 2" + (", loss scale divided out" if column else "")
        )
    return image


def _merged(
    recordings: Sequence[Recording], layers: Sequence[str], kind: str
) -> list[Exponents]:
    found = []
    for path in layers:
        parts = [getattr(r.layers[path], kind) for r in recordings if path in r.layers]
        found.append(sum((p for p in parts if p), Exponents()))
    return found


def _limits(found: Sequence[Exponents]) -> tuple[int, int]:
    """The exponents drawn: all there are above `DEEPEST`, and float16's window."""
    used = [e for e in found if e.counts]
    low = min([e.lowest for e in used] + [SMALLEST_SUBNORMAL])
    high = max([e.lowest + len(e.counts) for e in used] + [TOP])
    return max(low, DEEPEST) - 1, high + 1


def _draw_exponents(
    axes: "Axes", merged: Sequence[Exponents], low: int, high: int
) -> Any:
    from matplotlib.colors import LogNorm

    shares = np.stack([_shares(exponents, low, high) for exponents in merged])
    axes.grid(False)
    return axes.imshow(
        np.ma.masked_less_equal(shares, 0),
        aspect="auto",
        interpolation="nearest",
        cmap="magma_r",
        norm=LogNorm(FAINTEST, 1),
        extent=(low, high, len(merged) - 0.5, -0.5),
    )


def _shares(exponents: Exponents, low: int, high: int) -> NDArray[np.float64]:
    """Share of the values of each exponent from `low` to below `high`."""
    row = np.zeros(high - low)
    total = max(1, exponents.total)
    for i, count in enumerate(exponents.counts):
        column = exponents.lowest + i - low
        if 0 <= column < len(row):
            row[column] = max(count / total, FAINTEST) if count else 0
    return row


def _draw_window(axes: "Axes", scale: float, colour: str, name: str) -> None:
    """Where float16 ends on both sides, and below what it loses bits."""
    low, normal, high = (
        exponent - math.log2(scale)
        for exponent in (SMALLEST_SUBNORMAL, SMALLEST_NORMAL, TOP)
    )
    axes.axvline(low, color=colour, linewidth=1.4, label=name)
    axes.axvline(high, color=colour, linewidth=1.4)
    label = f"below it {name} loses bits"
    axes.axvline(normal, color=colour, linewidth=1, linestyle=":", label=label)


def _draw_scale(axes: "Axes", history: ScaleHistory) -> None:
    from matplotlib.ticker import MaxNLocator

    steps = [step for step, _ in history.changes] + [history.end]
    scales = [scale for _, scale in history.changes] + [history.changes[-1][1]]
    axes.step(steps, scales, where="post", color=BLUE, linewidth=1.6)
    axes.set_yscale("log", base=2)
    marked = [_scale_at(history.changes, step) for step in history.overflows]
    axes.plot(history.overflows, marked, "x", color=ORANGE, label="overflow")
    if marked:
        axes.legend(loc="upper right", frameon=False)
    axes.set_title("loss scale", loc="left", fontsize=11, color=BLUE)
    axes.set_xlabel("step")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    tidy(axes)


def _scale_at(changes: Sequence[tuple[int, float]], step: int) -> float:
    """The scale in force when a step began."""
    before = [scale for at, scale in changes if at < step]
    return before[-1] if before else changes[0][1]
