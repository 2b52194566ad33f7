"""Which labels are taken for which."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.plots.figure import INK, new_figure, save_figure, white_to_ink

WRITTEN = 20
"""Labels up to which each is named and each cell has its number."""


def plot_confusion(path: Path, labels: Sequence[str], counts: NDArray[Any]) -> None:
    """Draw a confusion matrix: right labels down, given ones across.

    Colours are shares of the examples of a right label, so that rare ones show too.

    Args:
        path: of the PNG file.
        labels: of rows and columns.
        counts: (C, C) examples by right label and the one given.
    """
    size = min(10.0, 2.5 + 0.4 * len(labels))
    figure = new_figure(size + 1, size)
    axes = figure.subplots()
    totals = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    shares = counts / totals
    shown = axes.imshow(shares, cmap=white_to_ink(), vmin=0, vmax=1)
    figure.colorbar(shown, ax=axes, label="share of the right label", shrink=0.8)
    axes.set_xlabel("given")
    axes.set_ylabel("right")
    if len(labels) <= WRITTEN:
        places = range(len(labels))
        axes.set_xticks(places, labels, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(places, labels, parse_math=False)
        for row, column in np.argwhere(counts > 0):
            color = "white" if shares[row, column] > 0.5 else INK
            text = str(counts[row, column])
            axes.text(column, row, text, ha="center", va="center", color=color)
    save_figure(figure, path)
