"""What the pictures have in common: PNG files drawn without a display.

The state of `matplotlib.pyplot` stays untouched.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE, GRID = "#222222", "#8a8a8a", "#e4e4e4"
BLUE, ORANGE = "#30638e", "#d1495b"


def new_figure(width: float, height: float) -> "Figure":
    """A white figure of that many inches, drawn without a display."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure((width, height), dpi=120, layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_figure(figure: "Figure", path: Path) -> None:
    """Write a figure as PNG; makes the directory."""
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="png")


def tidy(axes: "Axes") -> None:
    """A pale grid behind, no frame above and to the right."""
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)


def white_to_ink() -> Any:
    """The magma map from its light end, started at white."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    colors = matplotlib.colormaps["magma_r"](np.linspace(0, 1, 16))
    return LinearSegmentedColormap.from_list("magma_on_white", ["white", *colors[1:]])
