"""Training states, and whole runs with the data they were trained on."""

import hashlib
import json
import os
from functools import cache
from pathlib import Path
from typing import Any

import keras

from s2s_zoo.checkpoints import (
    TrainingState,
    average_checkpoints,
    load_latest,
    save_checkpoint,
)
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.numerics.exponents import Exponents
from s2s_zoo.numerics.recording import Recording
from s2s_zoo.numerics.watcher import LayerNumbers
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.flight_recorder import FlightRecorder
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.resume import limits, renewed
from s2s_zoo.workflows.run_directory import (
    RunDirectory,
    append_row,
    find_run,
)
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.unwritten import Unwritten
from tests.fuzzing.subjects import Subject
from tests.runs import write_request
from tests.text_corpus import SMALL, write_pairs

PRESET = "reversal_rr"
STEPS = 2


def settings() -> dict[str, Any]:
    """Of a tiny model and two steps."""
    preset = PRESETS.get(PRESET)
    scaled = preset.scaled().settings()
    changed = {p: v for p, v in scaled.items() if v != preset.settings()[p]}
    return changed | SMALL | {"recipe.max_steps": STEPS}


@cache
def compiled() -> Seq2Seq:
    """What training states are loaded into."""
    keras.utils.set_random_seed(0)
    preset = PRESETS.get(PRESET).with_settings(settings())
    model = preset.build()
    preset.compile(model, updates=STEPS)
    return model


def make_states(directory: Path) -> None:
    for step in range(1, STEPS + 1):
        state = TrainingState(step=step, best_step=1, best_value=0.5)
        save_checkpoint(directory, compiled(), state, keep=STEPS)


def load_states(directory: Path) -> None:
    load_latest(directory, compiled())
    average_checkpoints(directory, compiled(), STEPS)


def seal(directory: Path) -> None:
    """Make the hashes of training states agree with what they hold."""
    for path in directory.rglob("state.json"):
        try:
            described = json.loads(path.read_bytes())
            described.pop("sha256", None)
            content = path.with_name("variables.npz").read_bytes()
            text = json.dumps(described, sort_keys=True).encode()
        except (OSError, ValueError, AttributeError, TypeError, RecursionError):
            continue
        described["sha256"] = hashlib.sha256(content + text).hexdigest()
        path.write_text(json.dumps(described))


def make_run(directory: Path) -> None:
    """A run of two steps and its data."""
    directory.mkdir()
    os.chdir(directory)
    write_pairs(directory / "data", train=12, validation=4)
    train(
        preset=PRESET,
        data="data",
        run_dir=directory / "run",
        settings=settings(),
        numerics=True,
    )


def load_run(directory: Path) -> None:
    """Measure it, and go on with it, which ends at once."""
    evaluate(run="run", split="test")
    ends = {"recipe.max_steps": STEPS, "recipe.epochs": STEPS}
    train(preset=PRESET, run_dir="run", resume=True, settings=ends)


def make_records(directory: Path) -> None:
    """What a run says about itself, without its model."""
    run = RunDirectory(directory)
    run.preset.mkdir(parents=True)
    (run.preset / "empty").touch()
    write_request(directory, PRESET, Path("data"))
    request = run.read_request()
    run.write_request({**request, "settings": PRESETS.get(PRESET).scaled().settings()})
    for step in (1, 2):
        run.add_metrics({"step": step, "epoch": 0, "loss": 0.5, "learning_rate": 0.1})
        run.add_metrics({"step": step, "epoch": 0, "validation": {"exact_match": 0.5}})
        exponents = Exponents(-4, (step, 3), zeros=1, largest=0.2)
        layers = {"a": LayerNumbers("float16", exponents, exponents, None)}
        append_row(run.numerics, Recording(step, 2.0, 2.0, layers).to_row())
    append_row(run.numerics, {"step": 2, "scale": 1.0})


def load_records(directory: Path) -> None:
    """As resuming, evaluating and comparing read it."""
    run = find_run(directory)
    request = run.read_request()
    preset = PRESETS.get(request["preset"])
    before = preset.with_settings(request["settings"])
    renewed(request, {**request, "data": "other"}, before)
    limits(before.recipe, 3)
    before.recipe.rates(10)
    before.build()
    run.forget_after(2)
    assert all(row["step"] <= 2 for row in run.read_metrics())
    quiet = Reporter()
    FlightRecorder(compiled(), run, quiet, Unwritten(quiet))


RUNS = [
    Subject("training states", make_states, load_states, share=4, seal=seal),
    Subject("records of a run", make_records, load_records, share=2),
    Subject("run", make_run, load_run, share=2, slow=True, seal=seal),
]
