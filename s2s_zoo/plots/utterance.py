"""The picture of an utterance: what a CTC model heard."""

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2s_zoo.plots.figure import GRID, INK, new_figure, save_figure, white_to_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_IN_USE = 0.1  # a character that never gets likelier has no row


def plot_utterance(
    path: Path,
    *,
    features: ArrayLike,
    frame_seconds: float,
    probabilities: ArrayLike,
    probability_seconds: float,
    alphabet: Sequence[str],
    transcript: str,
    reference: str | None = None,
) -> None:
    """Draw what a CTC model heard: features, character probabilities and transcript.

    Args:
        path: the PNG file to write.
        features: (T, D) input of the encoder, low frequencies first.
        frame_seconds: seconds from one feature frame to the next.
        probabilities: (T', V+1) of the characters at each CTC frame, the blank last.
        probability_seconds: seconds from one CTC frame to the next.
        alphabet: the V characters.
        transcript: what was recognized.
        reference: what was said, where it is known.
    """
    figure = new_figure(12, 7)
    grid = figure.add_gridspec(2, 2, height_ratios=(2, 3), width_ratios=(70, 1))
    above = figure.add_subplot(grid[0, 0])
    below = figure.add_subplot(grid[1, 0], sharex=above)
    image = _draw_features(above, np.asarray(features), frame_seconds)
    figure.colorbar(image, cax=figure.add_subplot(grid[0, 1]))
    image = _draw_probabilities(
        below, np.asarray(probabilities), probability_seconds, alphabet
    )
    figure.colorbar(image, cax=figure.add_subplot(grid[1, 1]))
    above.set_xlim(0, len(np.asarray(features)) * frame_seconds)
    _caption(figure, transcript, reference)
    save_figure(figure, path)


def _draw_features(axes: "Axes", features: NDArray[Any], seconds: float) -> Any:
    frames, channels = features.shape
    low, high = np.percentile(features, [1, 99.8])
    axes.set_ylabel("feature channel")
    axes.set_title("input features", loc="left", fontsize=11, color=INK)
    axes.tick_params(labelbottom=False)
    return axes.imshow(
        features.T,
        origin="lower",
        aspect="auto",
        cmap="magma",
        vmin=low,
        vmax=high,
        extent=(0, frames * seconds, 0, channels),
    )


def _draw_probabilities(
    axes: "Axes",
    probabilities: NDArray[Any],
    seconds: float,
    alphabet: Sequence[str],
) -> Any:
    """A row for each character in use, in order of the alphabet; the blank lowest."""
    peaks = probabilities[:, :-1].max(axis=0)
    used = np.flatnonzero(peaks >= min(_IN_USE, peaks.max())).tolist()
    labels = ["space" if alphabet[i] == " " else alphabet[i] for i in used]
    count, size = len(used), _label_size(len(used) + 1)
    axes.set_yticks(range(count + 1), [*labels, "blank"], fontsize=size)
    axes.set_yticks(np.arange(count) + 0.5, minor=True)
    axes.grid(axis="y", which="minor", color=GRID, linewidth=0.6)
    axes.tick_params(axis="y", which="both", length=0)
    axes.set_title("character probabilities", loc="left", fontsize=11, color=INK)
    axes.set_xlabel("seconds")
    end = len(probabilities) * seconds
    _draw_rows(axes, probabilities[:, -1:], (0, end, count + 0.5, count - 0.5), "Greys")
    image = _draw_rows(
        axes, probabilities[:, used], (0, end, count - 0.5, -0.5), white_to_ink()
    )
    axes.set_ylim(count + 0.5, -0.5)
    return image


def _draw_rows(
    axes: "Axes",
    probabilities: NDArray[Any],
    extent: tuple[float, float, float, float],
    colors: Any,
) -> Any:
    """Probabilities as an image; in grey only half as dark, to stay behind."""
    return axes.imshow(
        probabilities.T,
        aspect="auto",
        cmap=colors,
        interpolation="nearest",
        vmin=0,
        vmax=2 if colors == "Greys" else 1,
        extent=extent,
    )


def _label_size(rows: int) -> float:
    """Points; the rows share about 240 points of height."""
    return float(np.clip(0.8 * 240 / rows, 5, 11))


def _caption(figure: "Figure", transcript: str, reference: str | None) -> None:
    lines = [("recognized", transcript)]
    if reference is not None:
        lines.append(("reference", reference))
    indent = " " * 12
    text = "\n".join(
        textwrap.fill(f"{title:<12}{said}", 104, subsequent_indent=indent)
        for title, said in lines
    )
    figure.supxlabel(
        text,
        x=0.04,
        ha="left",
        fontsize=12,
        family="monospace",
        parse_math=False,
        color=INK,
    )
