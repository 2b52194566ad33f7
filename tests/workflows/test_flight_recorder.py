"""Training with the flight recorder on, off, resumed and overflowing."""

import itertools
import re

import keras
import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.workflows.flight_recorder import FlightRecorder
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory, read_rows
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.unwritten import Unwritten
from tests.speech_corpus import write_corpus

pytestmark = pytest.mark.usefixtures("undrawn")
SETTINGS = {
    "features.num_features": 8,
    "encoder.kernels": ((3, 3),),
    "encoder.strides": ((2, 2),),
    "encoder.filters": (2,),
    "encoder.rnn_layers": 0,
    "encoder.projection": 4,
    "encoder.dropout": 0.5,
    "task.buckets": 1,
    "recipe.batch": 4.0,
    "recipe.epochs": 9,
    "recipe.max_steps": 5,
}
RECURRENT = {
    "encoder__rnn_layers": 1,
    "encoder__rnn_units": 4,
    "recipe__precision": "mixed_float16",
}


class Notes(Reporter):
    def __init__(self):
        self.notes, self.verdict = [], []

    def note(self, text):
        self.notes.append(text)

    def judged(self, lines):
        self.verdict = list(lines)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def run_training(corpus, run, reporter=None, numerics=True, resume=False, **settings):
    recipe = {name.replace("__", "."): value for name, value in settings.items()}
    return train(
        preset="deepspeech2-small",
        data=str(corpus),
        run_dir=run,
        settings={**SETTINGS, **recipe},
        resume=resume,
        numerics=numerics,
        reporter=reporter,
    )


def last_state(run):
    path = max((run / "checkpoints").iterdir())
    with np.load(path / "variables.npz") as arrays:
        return [arrays[name] for name in arrays.files]


@pytest.fixture(scope="module")
def recorded(corpus, tmp_path_factory):
    run, notes = tmp_path_factory.mktemp("runs") / "recorded", Notes()
    result = run_training(corpus, run, notes, **RECURRENT)
    return run, notes, result


def test_recording_changes_no_bit_of_the_training(recorded, corpus, tmp_path):
    plain = run_training(corpus, tmp_path / "plain", numerics=False, **RECURRENT)
    assert plain.numerics is None
    assert not (tmp_path / "plain/numerics.jsonl").exists()
    pairs = zip(last_state(recorded[0]), last_state(tmp_path / "plain"), strict=True)
    assert all(np.array_equal(a, b) for a, b in pairs)
    assert plain.train_loss == recorded[2].train_loss


def test_chosen_steps_are_recorded(recorded):
    run, *_ = recorded
    rows = [row for row in read_rows(run / "numerics.jsonl") if "layers" in row]
    assert [row["step"] for row in rows] == [1, 2, 4]
    first = rows[0]["layers"]
    assert list(first) == [
        "encoder/conv_0/convolution",
        "encoder/conv_0/normalization",
        "encoder/rnn_0",
        "encoder/dense",
        "encoder/dense_dropout",
        "decoder/dense",
    ]
    numbers = first["encoder/dense"]
    assert numbers["dtype"] == "float16"
    for kind in ("activation", "gradient", "weights"):
        assert sum(numbers[kind]["counts"]) > 0
        assert 0 <= numbers[kind]["below_normal"] <= 1


def test_the_verdict_is_told_and_kept(recorded):
    run, notes, result = recorded
    found = result.numerics
    assert set(found) == {"path", "verdict", "recordings", "seconds"}
    assert found["recordings"] == 3
    assert found["verdict"] == notes.verdict
    assert (run / "numerics.txt").read_text().splitlines() == notes.verdict
    assert "3 recordings" in notes.verdict[-1]
    share = float(re.search(r"([\d.]+)% of the training", found["verdict"][-1])[1])
    assert 0 < share < 100
    assert found["seconds"] > 0
    picture = (run / "plots/numerics.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_every_change_of_the_loss_scale_is_kept(recorded):
    run, _, result = recorded
    rows = read_rows(run / "numerics.jsonl")
    changes = [row for row in rows if set(row) == {"step", "scale"}]
    assert changes[0]["step"] == 0
    assert changes[-1]["scale"] == result.loss_scale
    scales = [row["scale"] for row in changes]
    assert all(a != b for a, b in itertools.pairwise(scales))


def test_a_resumed_training_goes_on_recording(corpus, tmp_path):
    run = tmp_path / "run"
    run_training(corpus, run, recipe__max_steps=3)
    before = read_rows(run / "numerics.jsonl")
    longer = {"numerics": False, "resume": True, "recipe__max_steps": 8}
    result = run_training(corpus, run, **longer)
    rows = read_rows(run / "numerics.jsonl")
    assert rows[: len(before)] == before
    assert [row["step"] for row in rows if "layers" in row] == [1, 2, 4, 8]
    assert result.numerics["seconds"] > before[-1]["seconds_so_far"]


def test_an_overflow_names_its_layer(corpus, tmp_path):
    notes = Notes()
    result = run_training(
        *(corpus, tmp_path / "run", notes),
        recipe__precision="mixed_float16",
        recipe__loss_scaling__algorithm="16777216",
        recipe__max_steps=3,
    )
    assert result.skipped_steps == 3
    rows = read_rows(tmp_path / "run/numerics.jsonl")
    overflows = [row for row in rows if "examined" in row]
    assert [row["step"] for row in overflows] == [1, 2, 3]
    assert [row["examined"] for row in overflows] == [True, True, False]
    assert overflows[0]["overflow"] == ["decoder/dense", "gradient"]
    wanted = "Overflow at step 1, loss scale 1.67772e+07: the gradient that reaches"
    assert notes.notes[0].startswith(f"{wanted} decoder/dense")
    assert "decoder/dense (2)" in notes.verdict[-2]


def test_weights_that_explode_name_the_layer_before_training_stops(corpus, tmp_path):
    notes = Notes()
    with pytest.raises(UserError, match="lower the learning rate"):
        run_training(
            *(corpus, tmp_path / "run", notes),
            recipe__precision="float32",
            recipe__schedule__initial_learning_rate=1e30,
        )
    assert "is the first that is not finite" in notes.notes[0]
    assert "encoder/" in notes.notes[0]
    assert "recordings" in notes.verdict[-1]
    assert (tmp_path / "run/plots/numerics.png").exists()


def test_recordings_grow_rare(tmp_path):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    model.build((None, 1))
    reporter = Reporter()
    unwritten = Unwritten(reporter)
    run = RunDirectory(tmp_path)
    recorder = FlightRecorder(model, run, reporter, unwritten, every=16)
    due = [step for step in range(1, 70) if recorder.is_due(step)]
    assert due == [1, 2, 4, 8, 16, 32, 48, 64]
