import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread

from s2s_zoo import plots

ALPHABET = " abcdefghijklmnopqrstuvwxyz'"
LONG = "the quick brown fox jumps over the lazy dog " * 6


def utterance(transcript: str, seconds: float = 2.0) -> dict[str, Any]:
    """What a sure model would show for a transcript."""
    generator = np.random.default_rng(0)
    frames = round(seconds * 50)
    probabilities = np.full((frames, len(ALPHABET) + 1), 1e-4)
    times = np.linspace(0, frames - 1, len(transcript) + 2)[1:-1].round().astype(int)
    probabilities[:, -1] = 1
    probabilities[times, [ALPHABET.index(c) for c in transcript]] = 9
    return {
        "features": generator.normal(size=(2 * frames, 64)),
        "frame_seconds": 0.01,
        "probabilities": probabilities / probabilities.sum(axis=1, keepdims=True),
        "probability_seconds": 0.02,
        "alphabet": ALPHABET,
        "transcript": transcript,
    }


def training(steps: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = [
        {"step": step, "loss": 50 / step, "learning_rate": 1e-3}
        for step in range(1, steps + 1)
    ]
    validated = range(10, steps + 1, 10)
    rows += [{"step": s, "validation": {"word_error_rate": 1 / s}} for s in validated]
    return sorted(rows, key=lambda row: row["step"])


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The figures saved by a test, beside their files."""
    saved: list[Any] = []
    save = plots.save_figure

    def keep(figure: Figure, path: Path) -> None:
        save(figure, path)
        saved.append(figure)

    monkeypatch.setattr(plots, "save_figure", keep)
    return saved


def printed(axis: Any) -> list[Any]:
    """The label of an axis and the tick labels within its limits."""
    low, high = sorted(axis.get_view_interval())
    ticks = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
    return [axis.label, *(label for t in ticks for label in (t.label1, t.label2))]


def overlaps(figure: Any) -> list[tuple[str, str]]:
    """Pairs of texts that print over each other."""
    figure.canvas.draw()
    texts = [figure._supxlabel] if figure._supxlabel else []
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, *printed(axes.xaxis)]
        texts += printed(axes.yaxis)
    shown = [text for text in texts if text.get_visible() and text.get_text().strip()]
    boxes = [(text.get_text(), text.get_window_extent()) for text in shown]
    pairs = itertools.combinations(boxes, 2)
    return [(a, b) for (a, first), (b, second) in pairs if first.overlaps(second)]


@pytest.mark.parametrize("transcript", ["turn on the kitchen lamp", LONG.strip()])
def test_an_utterance_is_drawn_readably(
    tmp_path: Path, figures: list[Any], transcript: str
) -> None:
    path = tmp_path / "plots" / "utterance.png"
    plots.plot_utterance(path, **utterance(transcript, 10.0), reference=transcript)
    assert imread(path).shape[:2] == (840, 1440)
    assert imread(path).std() > 0.1
    assert overlaps(figures[0]) == []
    above, below = figures[0].axes[0], figures[0].axes[1]
    assert above.get_xlim() == below.get_xlim() == pytest.approx((0.0, 10.0))
    assert all(image.get_extent()[1] == pytest.approx(10.0) for image in below.images)


def test_rows_are_the_characters_in_use_and_the_blank(
    tmp_path: Path, figures: list[Any]
) -> None:
    plots.plot_utterance(tmp_path / "utterance.png", **utterance("cab a"))
    labels = [label.get_text() for label in figures[0].axes[1].get_yticklabels()]
    assert [label for label in labels if label] == ["space", "a", "b", "c", "blank"]


@pytest.mark.parametrize("transcript", ["", "cost $5 and $6 \\frac{"])
def test_any_transcript_can_be_drawn(
    tmp_path: Path, figures: list[Any], transcript: str
) -> None:
    arguments = utterance("") | {"transcript": transcript}
    plots.plot_utterance(tmp_path / "utterance.png", **arguments)
    assert figures[0]._supxlabel.get_text() == f"recognized  {transcript}".strip()


def test_a_training_is_drawn_readably(tmp_path: Path, figures: list[Any]) -> None:
    path = tmp_path / "training.png"
    plots.plot_training(path, training(300))
    assert imread(path).std() > 0.05
    assert overlaps(figures[0]) == []
    loss, errors = figures[0].axes[0], figures[0].axes[1]
    assert loss.get_yscale() == "log"
    assert loss.lines[0].get_ydata()[0] == 50
    assert errors.lines[0].get_xdata().tolist() == list(range(10, 301, 10))
    assert errors.lines[0].get_ydata()[0] == pytest.approx(10.0)
    assert errors.get_legend().get_texts()[0].get_text() == "best: 0.33 % at step 300"


@pytest.mark.parametrize(
    "rows",
    [
        [],
        training(1),
        training(5),
        [{"step": 1, "loss": float("nan")}, {"step": 2, "loss": 3.0}],
        [{"step": 1, "loss": 0.0}, {"step": 1, "validation": {"word_error_rate": 0.0}}],
    ],
)
def test_trainings_of_any_length_can_be_drawn(
    tmp_path: Path, rows: list[dict[str, Any]]
) -> None:
    path = tmp_path / "training.png"
    plots.plot_training(path, rows)
    assert imread(path).shape[1] == 1200


def test_smoothing_is_a_centred_mean() -> None:
    values = np.random.default_rng(0).normal(size=200)
    smooth = plots._smooth(values.tolist())
    for index in (0, 3, 100, 199):
        reach = min(5, index, 199 - index)
        expected = values[index - reach : index + reach + 1].mean()
        assert smooth[index] == pytest.approx(expected)


def test_importing_plots_imports_no_matplotlib() -> None:
    code = "import sys, s2s_zoo.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
