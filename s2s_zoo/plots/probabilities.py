"""The picture of a text as a language model sees it: how probable each token is."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from s2s_zoo.plots.figure import BLUE, INK, new_figure, save_figure, tidy

MOST = 60
"""Tokens that are shown."""
_SHOWN = {"": "∅", "▁": "␣"}
_WIDTH = 0.28  # inches of a token


def plot_probabilities(
    path: Path, pieces: Sequence[str], log_probabilities: ArrayLike
) -> None:
    """Draw the surprise of the first `MOST` tokens in bits; 0 for what was certain.

    Args:
        path: the PNG file to write.
        pieces: the U tokens; ▁ marks the starts of words and is not printed.
        log_probabilities: (U,) natural logarithms of their probabilities.

    Raises:
        ValueError: they are not as many, or there are none.
    """
    scores = np.asarray(log_probabilities, np.float64)
    if scores.shape != (len(pieces),) or not len(pieces):
        raise ValueError(
            f"as many log-probabilities as pieces, at least 1. Received: "
            f"{scores.shape} and {len(pieces)}"
        )
    bits, place = -scores[:MOST] / math.log(2), np.arange(min(MOST, len(pieces)))
    figure = new_figure(1.5 + _WIDTH * max(12, len(place)), 3.2)
    axes = figure.add_subplot()
    axes.bar(place, bits, width=0.8, color=BLUE)
    axes.set_xticks(place, [_label(p) for p in pieces[:MOST]], rotation=90, fontsize=8)
    axes.tick_params(axis="x", length=0, colors=INK)
    axes.set_ylabel("surprise in bits")
    mean = -float(scores.mean()) / math.log(2)
    axes.set_title(f"{mean:.2f} bits a token, perplexity {2**mean:.1f}", fontsize=10)
    tidy(axes)
    save_figure(figure, path)


def _label(piece: str) -> str:
    shown = _SHOWN.get(piece) or piece.removeprefix("▁")
    return shown.replace("$", r"\$")
