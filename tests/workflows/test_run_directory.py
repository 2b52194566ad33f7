"""What a run says about itself: read line by line, and damage named."""

import json
import re

import keras
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.workflows.flight_recorder import FlightRecorder
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.unwritten import Unwritten

ROW = {"step": 1, "epoch": 0, "loss": 0.5, "learning_rate": 0.1}


@pytest.mark.parametrize(
    "cut", ['{"step": 2, "lo', "\xff\xfe", "\0" * 9, "[" * 100_000]
)
def test_what_a_kill_has_cut_is_left_out(tmp_path, cut):
    run = RunDirectory(tmp_path)
    lines = [json.dumps(ROW), cut, json.dumps({"step": 3, "loss": float("inf")})]
    run.metrics.write_bytes("\n".join(lines).encode("latin-1"))
    assert run.read_metrics() == [ROW, {"step": 3, "loss": float("inf")}]
    run.forget_after(2)
    assert run.read_metrics() == [ROW]


@pytest.mark.parametrize(
    "row",
    [
        3,
        [ROW],
        {"loss": 0.5},
        {"step": "1"},
        {"step": 1.5},
        {"step": True},
        {"step": 1, "loss": "0.5"},
        {"step": 1, "loss": 10**400},
        {"step": 1, "validation": 0.5},
        {"step": 1, "validation": {"word_error_rate": None}},
    ],
)
def test_a_row_that_no_training_wrote_is_named(tmp_path, row):
    run = RunDirectory(tmp_path)
    run.metrics.write_text(f"{json.dumps(ROW)}\n{json.dumps(row)}\n")
    with pytest.raises(UserError, match=re.escape(f"{run.metrics}:2: ")):
        run.read_metrics()
    with pytest.raises(UserError, match=re.escape(f"{run.metrics}:2: ")):
        run.forget_after(1)


def test_a_row_that_is_read_and_cannot_be_written_is_named(tmp_path, monkeypatch):
    """A depth between what Python decodes and what it encodes depends on the stack."""

    def too_deep(row):
        raise RecursionError

    run = RunDirectory(tmp_path)
    run.metrics.write_text(f"{json.dumps(ROW)}\n")
    content = run.metrics.read_bytes()
    monkeypatch.setattr(json, "dumps", too_deep)
    with pytest.raises(UserError, match=r"metrics\.jsonl: a row is nested too deeply"):
        run.forget_after(1)
    assert run.metrics.read_bytes() == content


@pytest.mark.parametrize("layers", [3, {"a": 3}, {"a": {"dtype": "float16"}}, [1]])
def test_recordings_that_nobody_made_are_named(tmp_path, layers):
    model = keras.Sequential([keras.layers.Dense(1)])
    model.build((None, 2))
    model.compile(optimizer="adam", loss="mse")
    run, quiet = RunDirectory(tmp_path), Reporter()
    row = {"step": 1, "scale": 1.0, "seen_at": 1.0, "layers": layers}
    run.numerics.write_text(json.dumps(row))
    with pytest.raises(UserError, match=rf"{re.escape(str(run.numerics))} is damaged"):
        FlightRecorder(model, run, quiet, Unwritten(quiet))
