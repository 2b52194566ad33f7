"""The picture of a synthesized sentence."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2s_zoo.plots.figure import INK, new_figure, save_figure, white_to_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_NAMED = 90  # characters that are named one by one
_HEIGHT = 0.09  # inches of each of them


def plot_speech(
    path: Path,
    *,
    frames: ArrayLike,
    alignment: ArrayLike,
    symbols: str,
    frame_seconds: float,
    recorded: ArrayLike | None = None,
) -> None:
    """Draw recorded and synthesized frames, and what was attended to meanwhile.

    Args:
        path: the PNG file to write.
        frames: (U, M) that were synthesized, low frequencies first.
        alignment: (U, T) weights of the symbols and of the end behind them.
        symbols: the T - 1 characters that were read.
        frame_seconds: seconds from one frame to the next.
        recorded: (U', M) of the recording, where there is one.
    """
    found, weights = np.asarray(frames), np.asarray(alignment)
    rows = [] if recorded is None else [("recorded", np.asarray(recorded))]
    rows.append(("synthesized", found))
    high = max(4.0, _HEIGHT * weights.shape[-1])
    heights = [2.2] * len(rows) + [high]
    figure = new_figure(11, sum(heights) + 0.5)
    panels = figure.subplots(len(heights), 1, height_ratios=heights)
    loudest = max([float(part.max(initial=0)) for _, part in rows] + [1e-6])
    longest = max(len(part) for _, part in rows)
    for axes, (title, part) in zip(panels, rows, strict=False):
        _draw_frames(axes, part, title, loudest)
    _draw_attention(panels[-1], weights, symbols)
    for axes in panels:
        axes.set_xlim(-0.5, max(longest, 1) - 0.5)
        _mark_seconds(axes, longest, frame_seconds)
    panels[-1].set_xlabel("seconds")
    figure.suptitle(symbols, fontsize=11, color=INK, parse_math=False)
    save_figure(figure, path)


def _draw_frames(
    axes: "Axes", frames: NDArray[Any], title: str, loudest: float
) -> None:
    axes.set_title(title, loc="left", fontsize=10, color=INK)
    axes.set_ylabel("mel channel")
    if len(frames):
        axes.imshow(
            frames.T, origin="lower", aspect="auto", cmap="magma", vmin=0, vmax=loudest
        )


def _draw_attention(axes: "Axes", weights: NDArray[Any], symbols: str) -> None:
    axes.set_title("attention", loc="left", fontsize=10, color=INK)
    if not weights.size:
        return
    axes.imshow(
        weights.T,
        origin="lower",
        aspect="auto",
        cmap=white_to_ink(),
        interpolation="nearest",
        vmin=0,
        vmax=max(float(weights.max()), 1e-6),
    )
    names = [*("␣" if one == " " else one for one in symbols), "end"]
    if len(names) <= _NAMED:
        axes.set_yticks(range(len(names)), names, fontsize=6, parse_math=False)
    axes.set_ylabel("symbol")


def _mark_seconds(axes: "Axes", frames: int, frame_seconds: float) -> None:
    seconds = max(frames * frame_seconds, 0.1)
    step = next(s for s in (0.2, 0.5, 1, 2, 5, 10, 1e9) if seconds / s <= 12)
    marks = np.arange(0, seconds, step)
    axes.set_xticks(marks / frame_seconds, [f"{mark:g}" for mark in marks])
