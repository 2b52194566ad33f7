"""What a classifier makes of an example: the likeliest labels, and the example."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from s2s_zoo.plots.figure import BLUE, ORANGE, new_figure, save_figure, tidy


def plot_labels(
    path: Path,
    *,
    labels: Sequence[str],
    probabilities: Sequence[float],
    reference: str,
    name: str,
    image: NDArray[Any] | None = None,
) -> None:
    """Draw the probabilities of labels, that of the right one in another colour.

    Args:
        path: of the PNG file.
        labels: the likeliest first.
        probabilities: of each.
        reference: the right label; empty where it is not known.
        name: of the example.
        image: (H, W) grey or (H, W, 3) of bytes to show beside, None for none.
    """
    figure = new_figure(7 if image is not None else 4.5, 3)
    if image is not None:
        shown, axes = figure.subplots(1, 2)
        shown.imshow(image, cmap="gray", vmin=0, vmax=255)
        shown.set_axis_off()
    else:
        axes = figure.subplots()
    colors = [ORANGE if label == reference else BLUE for label in labels]
    axes.barh(range(len(labels)), probabilities, color=colors)
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("probability")
    title = f"{name}: {reference}" if reference else name
    axes.set_title(title, fontsize=9, parse_math=False)
    tidy(axes)
    save_figure(figure, path)
