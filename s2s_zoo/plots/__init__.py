"""Pictures as PNG files, one subject a module."""

from s2s_zoo.plots.alignment import plot_alignment
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
from s2s_zoo.plots.probabilities import plot_probabilities
from s2s_zoo.plots.training import plot_training
from s2s_zoo.plots.utterance import plot_utterance

__all__ = [
    "BLUE",
    "GRID",
    "INK",
    "ORANGE",
    "PALE",
    "new_figure",
    "plot_alignment",
    "plot_probabilities",
    "plot_training",
    "plot_utterance",
    "save_figure",
    "tidy",
]
