"""Whole families added by registering parts alone: they train, resume, serve.

Each module beside this one is such a family; nothing in s2s_zoo knows of it.
"""

import importlib
import json
import shutil
import signal

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS, TASKS
from s2s_zoo.workflows.compare import compare
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.export import export
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.training_loop import TrainingLoop
from tests.families.examples import Generated

LEARNED = {
    "images": ("accuracy", 0.95),
    "frames": ("frame_error", 0.1),
    "joint": ("token_errors", 0.1),
    "streams": ("missed", 0.1),
}
"""Metric and what it must reach on held-out examples.

Guesses have an accuracy of 1/3, frame errors above 0.3, miss a beat in each.
"""
PRECISIONS = ("float32", "mixed_float16")
FIRST = 20
"""Steps after which trainings with and without an interruption are compared."""
pytestmark = pytest.mark.usefixtures("loaded_once", "undrawn")


@pytest.fixture(scope="module", autouse=True)
def registered():
    """The families, known while tests of this module run."""
    added = {KINDS: {"arrays": Generated()}, CORPORA: {}, PRESETS: {}, TASKS: {}}
    for name in LEARNED:
        module = importlib.import_module(f"tests.families.{name}")
        added[CORPORA][module.corpus.name] = module.corpus
        added[PRESETS][name] = module.preset
        added[TASKS][module.preset.task.name] = type(module.preset.task)
    with pytest.MonkeyPatch.context() as patch:
        for registry, things in added.items():
            registry.names()
            patch.setattr(registry, "_entries", registry._entries | things)
        yield


@pytest.fixture(scope="module", params=LEARNED)
def family(request):
    return request.param


class Stopping(Reporter):
    """Sends the signal of Ctrl-C after a step."""

    def __init__(self, step: int) -> None:
        self.step = step

    def stepped(self, report):
        if report.step == self.step:
            signal.raise_signal(signal.SIGINT)


@pytest.fixture(scope="module", params=PRECISIONS)
def runs(request, family, tmp_path_factory):
    """A finished training, and one that goes on from its first steps."""
    directory = tmp_path_factory.mktemp(f"{family}_{request.param}")
    whole, part = directory / "whole", directory / "part"
    settings = {"recipe.precision": request.param, "recipe.keep_checkpoints": 1000}
    settings |= {"recipe.checkpoint_every": FIRST // 2, "recipe.validate_every": 1000}
    ended = train(preset=family, run_dir=whole, settings=settings)
    assert not ended.interrupted
    left_after(FIRST // 2, whole, part)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TrainingLoop, "_validate", lambda *_: None)
        resumed = train(
            preset=family, run_dir=part, resume=True, reporter=Stopping(FIRST)
        )
    assert (resumed.interrupted, resumed.steps) == (True, FIRST)
    return whole, part


def left_after(step, whole, part):
    """Make `part` what a training that was killed after a step has left."""
    shutil.copytree(whole, part)
    for path in (part / "checkpoints").iterdir():
        if path.name != f"step-{step:08d}":
            shutil.rmtree(path)


@pytest.fixture
def run(runs):
    return runs[0]


def test_resumes_in_the_same_bits(runs):
    one, other = map(states, runs)
    assert one.keys() == other.keys()
    for name, value in one.items():
        np.testing.assert_array_equal(other[name], value)


def test_learns_what_held_out_examples_ask(family, run):
    metric, least = LEARNED[family]
    found = evaluate(run=run)
    value, (low, high) = found.metrics[metric], found.confidence[metric]
    assert low <= value <= high
    assert value >= least if metric == "accuracy" else value <= least
    assert np.isfinite(found.metrics["loss"])
    assert found.examples == len(found.outputs)


def test_two_runs_are_compared(family, run):
    metric, _ = LEARNED[family]
    difference = compare(first=run, second=run).differences[metric]
    assert (difference.low, difference.mean, difference.high) == (0, 0, 0)


def test_infers_and_writes(family, run, tmp_path):
    task = PRESETS.get(family).task
    examples = task.read(task.demo_corpus, "test")[:3]
    paths = [str(tmp_path / f"{i}.npy") for i in range(3)]
    for path, example in zip(paths, examples, strict=True):
        np.save(path, example.source)
    outputs = tmp_path / "outputs.txt"
    found = infer(run=run, inputs=paths, output=outputs, plot=tmp_path / "p.png")
    assert [result["input"] for result in found] == paths
    json.dumps(found)
    assert len(outputs.read_text().splitlines()) == 3
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    again = model.generate([example.source for example in examples])
    assert again == [result["output"] for result in found]


@pytest.mark.usefixtures("warm_exports")
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)
def test_is_exported_and_compared(run):
    assert export(run=run).max_abs_difference < 1e-4


def states(run):
    """Every variable after the first steps by its place."""
    checkpoint = run / f"checkpoints/step-{FIRST:08d}"
    found = {}
    for file in sorted(checkpoint.glob("*.npz")):
        with np.load(file) as arrays:
            found |= {place(name): arrays[name] for name in arrays.files}
    return found


def place(name):
    """Which number of which kind a variable is, whatever Keras calls it today."""
    return tuple(name.split("/")[:2])


def test_a_carried_state_is_no_part_of_the_model(tmp_path):
    preset = PRESETS.get("streams")
    model = preset.build()
    model.encoder.carry.rows.assign(ops.ones(model.encoder.carry.rows.shape))
    model.save_to_preset(tmp_path)
    again = Seq2Seq.from_preset(tmp_path, encoder={"streams": 3})
    assert tuple(again.encoder.carry.rows.shape) == (3, 24)
    assert not ops.convert_to_numpy(again.encoder.carry.rows).any()
