"""Step times of a preset by precision."""

import keras
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows import benchmark as module
from s2s_zoo.workflows.benchmark import benchmark
from s2s_zoo.workflows.reporting import Reporter

SMALL = {
    "encoder.kernels": ((3, 3),),
    "encoder.strides": ((2, 2),),
    "encoder.filters": (2,),
    "encoder.rnn_layers": 0,
    "encoder.projection": 8,
    "recipe.batch": 2.0,
}


def test_each_precision_is_timed_against_the_first():
    timings = benchmark(
        preset="deepspeech2-small",
        precisions=("float32", "mixed_bfloat16", "encoder=mixed_bfloat16"),
        settings=SMALL,
        steps=2,
    )
    assert timings[0].precision == "float32"
    assert len(timings) == 3
    assert timings[0].speed == 1.0
    for timing in timings:
        assert timing.step_seconds > 0
        ratio = timings[0].step_seconds / timing.step_seconds
        assert timing.speed == pytest.approx(ratio)
        held = timing.units_per_second * timing.step_seconds
        assert 1.5 <= held <= 2.0


def test_a_hopeless_precision_is_told_and_left_out(monkeypatch):
    notes = []
    reporter = Reporter()
    reporter.note = notes.append
    monkeypatch.setattr(module, "HOPELESS", 0.0)
    timings = benchmark(
        preset="deepspeech2-small",
        precisions=("float32", "mixed_bfloat16"),
        settings=SMALL,
        steps=1,
        reporter=reporter,
    )
    assert [timing.precision for timing in timings] == ["float32"]
    assert notes[0].startswith("mixed_bfloat16: ")


def test_mistakes_are_named_before_anything_is_built(monkeypatch):
    monkeypatch.setattr(keras.utils, "set_random_seed", None)
    with pytest.raises(UserError, match="mixed_bfloat16"):
        benchmark(preset="deepspeech2-small", precisions=["half"])
    with pytest.raises(UserError, match="No setting"):
        benchmark(preset="deepspeech2-small", settings={"recipe.nothing": 1})


@pytest.mark.parametrize("name", PRESETS.names())
def test_random_batches_fit_their_budget(name):
    task = PRESETS.get(name).task
    (inputs, target), units = task.random_batch(20.0)
    rows, size, *image = inputs["source"].shape
    padded = rows if image else rows * size / getattr(task, "sample_rate", 1)
    assert 0 < units <= 20.0
    assert units <= padded <= 20.0 or task.unit.name == "seconds of speech"
    assert (inputs["source_lengths"] <= size).all()
    assert (target["target_lengths"] <= target["target"].shape[1]).all()
    if target["target"].dtype.kind == "i":
        offered = task.offers(20.0)["decoder"]
        known = {"classes", "vocabulary_size"} & set(offered)
        assert target["target"].max() < offered[known.pop()]
