"""Pictures of an utterance and of a training, as PNG files.

Drawn without a display and without touching the state of `matplotlib.pyplot`.
"""

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, PALE, GRID = "#222222", "#8a8a8a", "#e4e4e4"
BLUE, ORANGE = "#30638e", "#d1495b"
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
        axes, probabilities[:, used], (0, end, count - 0.5, -0.5), _white_to_ink()
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


def _white_to_ink() -> Any:
    """The magma map from its light end, started at white."""
    import matplotlib
    from matplotlib.colors import LinearSegmentedColormap

    colors = matplotlib.colormaps["magma_r"](np.linspace(0, 1, 16))
    return LinearSegmentedColormap.from_list("magma_on_white", ["white", *colors[1:]])


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


def tidy(axes: "Axes") -> None:
    """A pale grid behind, no frame above and to the right."""
    axes.grid(color=GRID, linewidth=0.6)
    axes.spines[["top", "right"]].set_visible(False)
    axes.set_axisbelow(True)
