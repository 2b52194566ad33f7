"""The picture is written, shows something, and its words do not overlap."""

import pytest
from matplotlib.image import imread

from s2s_zoo.numerics import picture
from s2s_zoo.numerics.exponents import Exponents
from s2s_zoo.numerics.picture import ScaleHistory, plot_numerics
from s2s_zoo.numerics.recording import Recording
from s2s_zoo.numerics.watcher import LayerNumbers
from tests.numerics.test_verdict import at
from tests.test_plots import overlaps

LAYERS = 12


def recordings():
    layers = {
        f"encoder/block_{i}/dense": LayerNumbers(
            "float16",
            at(-12, -3, 4),
            at(*range(-40 + i, -10)),
            at(-9) if i % 2 else None,
        )
        for i in range(LAYERS)
    }
    return [Recording(step, 2.0**15, 2.0**15, layers) for step in (1, 2)]


@pytest.fixture
def figures(monkeypatch):
    saved = []
    save = picture.save_figure

    def keep(figure, path):
        save(figure, path)
        saved.append(figure)

    monkeypatch.setattr(picture, "save_figure", keep)
    return saved


@pytest.mark.parametrize(
    "history",
    [
        ScaleHistory([(0, 2.0**15), (40, 2.0**14), (2040, 2.0**15)], [40], 3000),
        ScaleHistory([(0, 1.0)], [], 2),
    ],
)
def test_the_picture_is_drawn_readably(tmp_path, figures, history):
    path = tmp_path / "plots" / "numerics.png"
    plot_numerics(path, recordings(), history)
    assert imread(path).std() > 0.1
    assert overlaps(figures[0]) == []
    axes = figures[0].axes
    names = [label.get_text() for label in axes[0].get_yticklabels()]
    assert names == [f"encoder/block_{i}/dense" for i in range(LAYERS)]
    titles = {a.get_title(loc="left") for a in axes}
    assert ("loss scale" in titles) == (len(history.changes) > 1)


def test_shares_are_of_the_layer():
    row = picture._shares(Exponents(-2, (1, 0, 3), zeros=50), -4, 2)
    assert row.tolist() == [0, 0, 0.25, 0, 0.75, 0]


def test_overflows_are_marked_at_the_scale_they_met():
    changes = [(0, 16.0), (3, 8.0), (9, 16.0)]
    assert [picture._scale_at(changes, step) for step in (1, 3, 4, 9, 10)] == [
        *(16.0, 16.0, 8.0, 8.0, 16.0)
    ]
