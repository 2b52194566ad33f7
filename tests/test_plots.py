import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.image import imread
from numpy.typing import NDArray

from s2s_zoo import plots
from s2s_zoo.plots.training import _smooth

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
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        save(figure, *arguments, **options)
        saved.append(figure)

    monkeypatch.setattr(Figure, "savefig", keep)
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
    for axes in itertools.chain.from_iterable(
        [axes, *axes.child_axes] for axes in figure.axes
    ):
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
    smooth = _smooth(values.tolist())
    for index in (0, 3, 100, 199):
        reach = min(5, index, 199 - index)
        expected = values[index - reach : index + reach + 1].mean()
        assert smooth[index] == pytest.approx(expected)


ENGLISH = ["▁A", "▁man", "▁in", "▁or", "ange", "▁hat", "▁star", "ing", ".", "</s>"]
GERMAN = ["▁Ein", "▁Mann", "▁mit", "▁or", "ange", "far", "benen", "▁Hut", ".", "</s>"]


def pieces(words: list[str], count: int) -> list[str]:
    """That many, the end of the sentence last."""
    return [*(words[:-1] * count)[: count - 1], words[-1]]


def attention(target: int, source: int) -> NDArray[np.float64]:
    """About a diagonal."""
    centers = np.linspace(0, source - 1, target)[:, None]
    weights = np.exp(-((np.arange(source) - centers) ** 2))
    return weights / weights.sum(axis=1, keepdims=True)


def labels(axis: Any) -> list[str]:
    return [label.get_text() for label in axis.get_ticklabels()]


@pytest.mark.parametrize(
    ("target", "source"),
    [(1, 1), (5, 5), (13, 14), (60, 60), (60, 5), (4, 60), (30, 55)],
)
def test_an_alignment_is_drawn_readably(
    tmp_path: Path, figures: list[Any], target: int, source: int
) -> None:
    path = tmp_path / "plots" / "alignment.png"
    weights = attention(target, source)
    plots.plot_alignment(path, pieces(ENGLISH, source), pieces(GERMAN, target), weights)
    assert imread(path).std() > 0.05
    assert max(imread(path).shape) <= 2400
    assert overlaps(figures[0]) == []
    axes = figures[0].axes[0]
    np.testing.assert_array_equal(axes.images[0].get_array(), weights)
    assert len(labels(axes.xaxis)) == source
    assert len(labels(axes.yaxis)) == target
    smallest = min(label.get_fontsize() for label in axes.get_xticklabels())
    assert smallest >= 7
    window = figures[0].bbox
    shown = [
        t.get_window_extent() for t in [*printed(axes.xaxis), *printed(axes.yaxis)]
    ]
    for box in shown:
        assert window.x0 <= box.x0 <= box.x1 <= window.x1
        assert window.y0 <= box.y0 <= box.y1 <= window.y1


def test_the_source_is_across_the_top_and_the_target_reads_down(
    tmp_path: Path, figures: list[Any]
) -> None:
    path = tmp_path / "alignment.png"
    plots.plot_alignment(path, ["a", "b", "c"], ["x", "y"], [[1, 0, 0], [0, 0, 1]])
    axes = figures[0].axes[0]
    assert labels(axes.xaxis) == ["a", "b", "c"]
    assert labels(axes.yaxis) == ["x", "y"]
    assert axes.get_ylim() == (1.5, -0.5)  # the first target piece above
    assert axes.get_xlim() == (-0.5, 2.5)
    picture = imread(path)[..., :3].mean(axis=2)
    corners = {"x of a": (0, 0), "x of c": (2, 0), "y of a": (0, 1), "y of c": (2, 1)}
    dark = {}
    for name, place in corners.items():
        column, row = axes.transData.transform(place)
        dark[name] = picture[round(len(picture) - row), round(column)] < 0.2
    expected = {"x of a": True, "x of c": False, "y of a": False, "y of c": True}
    assert dark == expected


def test_lines_part_the_words(tmp_path: Path, figures: list[Any]) -> None:
    target = ["▁Ein", "▁or", "ange", "▁Hut", "."]
    plots.plot_alignment(tmp_path / "a.png", list("abc"), target, attention(5, 3))
    axes = figures[0].axes[0]
    upright = [x.get_xdata()[0] for x in axes.lines if len(set(x.get_xdata())) == 1]
    level = [x.get_ydata()[0] for x in axes.lines if len(set(x.get_ydata())) == 1]
    assert upright == [0.5, 1.5]  # no piece is marked: each is a word
    assert level == [0.5, 2.5]


@pytest.mark.filterwarnings("error")
def test_pieces_of_any_script_are_printed_as_they_are(
    tmp_path: Path, figures: list[Any]
) -> None:
    source = ["▁Привет", ",", "▁κόσμε", "▁שלום", "العربية", "Ünï", "<0xE4>", "$x^{2$"]
    target = ["▁", " ", "", "\n", "中文a", "\\frac{", "_"]
    plots.plot_alignment(tmp_path / "a.png", source, target, attention(7, 8))
    axes = figures[0].axes[0]
    assert labels(axes.xaxis) == [piece.removeprefix("▁") for piece in source]
    assert labels(axes.yaxis) == ["␣", "␣", "∅", "⏎", "□□a", "\\frac{", "_"]


def test_long_alignments_name_some_of_the_pieces(
    tmp_path: Path, figures: list[Any]
) -> None:
    path = tmp_path / "a.png"
    plots.plot_alignment(path, ["▁piece"] * 400, ["x"] * 300, attention(300, 400))
    assert max(imread(path).shape) <= 2400
    assert overlaps(figures[0]) == []
    assert 40 < len(labels(figures[0].axes[0].xaxis)) < 400


@pytest.mark.parametrize("weights", [np.ones((3, 2)), np.ones(6), np.zeros((0, 3))])
def test_weights_of_another_shape_are_refused(tmp_path: Path, weights: Any) -> None:
    with pytest.raises(ValueError, match=r"\(2, 3\), at least 1"):
        plots.plot_alignment(tmp_path / "a.png", list("abc"), list("xy"), weights)


def test_importing_plots_imports_no_matplotlib() -> None:
    code = "import sys, s2s_zoo.plots; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
