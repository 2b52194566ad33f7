"""The picture of an alignment: which source pieces each target piece looked at."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from s2s_zoo.plots.figure import INK, PALE, new_figure, save_figure, white_to_ink

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WORD_START = "▁"
# In inches:
_LARGEST, _SMALLEST = 0.55, 0.2  # of a cell, as long as every piece can be named
_SIDE = 9.0  # of the longer side, as long as cells are of that size
_LONGEST, _SHORTEST = 16.0, 0.8  # of a side
_MARGIN = 1.1  # for the titles of the axes and the scale
_BAR = 0.12  # how wide the scale is
_SHOWN = {" ": "␣", "\n": "⏎", "\t": "⇥", "": "∅", WORD_START: "␣"}
_MISSING = "□"
_LINE = "#d0d0d0"


def plot_alignment(
    path: Path,
    source_pieces: Sequence[str],
    target_pieces: Sequence[str],
    weights: ArrayLike,
) -> None:
    """Draw attention: source across, target down, the darker the more of it.

    Where pieces mark the starts of words with ▁, lines part the words and the mark is
    not printed. Characters the font lacks are printed as □.

    Args:
        path: the PNG file to write.
        source_pieces: the T pieces attended to.
        target_pieces: the U pieces produced.
        weights: (U, T) of the source pieces at each target piece.

    Raises:
        ValueError: the weights are not (U, T), or there are no pieces.
    """
    attention = np.asarray(weights, np.float64)
    expected = (len(target_pieces), len(source_pieces))
    if attention.shape != expected or 0 in expected:
        raise ValueError(
            f"weights have the shape (target, source) = {expected}, at least 1 of "
            f"both. Received: {attention.shape}"
        )
    cell = _cell(max(expected))
    size = float(np.clip(0.55 * 72 * cell, 7.5, 12))
    across, down = _labels(source_pieces), _labels(target_pieces)
    figure = _new_figure(expected, cell, _longest(across, size), _longest(down, size))
    axes = figure.add_subplot()
    image = _draw_weights(axes, attention)
    _name_pieces(axes.xaxis, across, cell, size)
    _name_pieces(axes.yaxis, down, cell, size)
    if cell >= _SMALLEST:
        _part_words(axes, source_pieces, target_pieces)
    _title(axes)
    _scale(figure, axes, image, expected, cell)
    save_figure(figure, path)


def _cell(pieces: int) -> float:
    """Inches of the side of a cell, where the longer side has that many."""
    legible = float(np.clip(_SIDE / pieces, _SMALLEST, _LARGEST))
    return min(legible, _LONGEST / pieces)


def _new_figure(
    shape: tuple[int, int], cell: float, above: float, beside: float
) -> "Figure":
    """A figure in which the cells are squares of `cell` inches."""
    height, width = (max(count * cell, _SHORTEST) for count in shape)
    return new_figure(width + beside + 2 * _MARGIN, height + above + _MARGIN)


def _longest(labels: Sequence[str], size: float) -> float:
    """About how many inches the longest label takes."""
    return max(map(len, labels)) * 0.65 * size / 72


def _labels(pieces: Sequence[str]) -> list[str]:
    has = _font_has()
    plain = (p.removeprefix(WORD_START) if p != WORD_START else p for p in pieces)
    return [
        "".join(c if has(c) else _MISSING for c in _SHOWN.get(piece, piece))
        for piece in plain
    ]


def _font_has() -> Callable[[str], bool]:
    """Whether a character can be printed."""
    from matplotlib.font_manager import FontProperties, findfont, get_font

    characters = get_font(findfont(FontProperties(family="DejaVu Sans"))).get_charmap()
    return lambda character: ord(character) in characters


def _draw_weights(axes: "Axes", attention: NDArray[np.float64]) -> Any:
    return axes.imshow(
        attention,
        aspect="equal",
        cmap=white_to_ink(),
        interpolation="nearest",
        vmin=0,
        vmax=max(float(attention.max()), 1e-6),
    )


def _name_pieces(axis: Any, labels: Sequence[str], cell: float, size: float) -> None:
    """Name the pieces, those of the source on end unless all fit side by side."""
    every = math.ceil(1.2 * size / 72 / cell)
    across = axis.axis_name == "x"
    upright = across and _longest(labels, size) > every * cell
    axis.set_ticks(
        range(0, len(labels), every),
        labels[::every],
        fontsize=size,
        family="DejaVu Sans",
        rotation=90 if upright else 0,
        parse_math=False,
        color=INK,
    )
    axis.set_tick_params(length=0, pad=4)
    if across:
        axis.set_tick_params(labeltop=True, labelbottom=False)


def _part_words(axes: "Axes", source: Sequence[str], target: Sequence[str]) -> None:
    for start in _word_starts(source):
        axes.axvline(start - 0.5, color=_LINE, linewidth=0.8)
    for start in _word_starts(target):
        axes.axhline(start - 0.5, color=_LINE, linewidth=0.8)
    axes.spines[:].set_color(PALE)


def _word_starts(pieces: Sequence[str]) -> list[int]:
    """Where a line goes: at word starts; at each piece where none is marked."""
    starts = [i for i, piece in enumerate(pieces) if piece.startswith(WORD_START)]
    return [i for i in starts or range(len(pieces)) if i]


def _title(axes: "Axes") -> None:
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("source", loc="left", fontsize=11, color=PALE, labelpad=8)
    axes.set_ylabel("target", loc="top", fontsize=11, color=PALE, labelpad=8)


def _scale(
    figure: "Figure", axes: "Axes", image: Any, shape: tuple[int, int], cell: float
) -> None:
    """The colours' meaning, as a bar beside the picture and as high."""
    height, width = (count * cell for count in shape)
    inset = axes.inset_axes((1 + 1.2 * _BAR / width, 0, _BAR / width, 1))
    bar = figure.colorbar(image, cax=inset)
    bar.locator = _ticks(height)
    bar.set_label("attention", color=PALE, fontsize=11)
    bar.outline.set_edgecolor(PALE)
    inset.tick_params(labelsize=8, color=PALE)


def _ticks(height: float) -> Any:
    """Round numbers, at least a third of an inch apart."""
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(int(np.clip(3 * height, 1, 6)), steps=(1, 2, 5, 10))
