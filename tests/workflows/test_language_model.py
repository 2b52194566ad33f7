"""A language model as typed: resumed in the same bits, measured, exported."""

import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from click.testing import CliRunner
from s2s_zoo.cli import zoo

from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.workflows.compare import compare
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.export import export
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train

pytestmark = pytest.mark.usefixtures("loaded_once", "undrawn")
STEPS = 10
SETTINGS = {
    "task.vocabulary": 20,
    "task.window": 10,
    "task.search.max_length": 6,
    "features.width": 8,
    "encoder.units": (9, 8),
    "recipe.batch": 40.0,
    "recipe.epochs": 9,
    "recipe.max_steps": STEPS,
    "recipe.checkpoint_every": STEPS // 2,
    "recipe.keep_checkpoints": 9,
    "recipe.validate_every": 2,
    "recipe.optimizer.interval": 1,
    "recipe.schedule.initial_learning_rate": 30.0,
}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    directory = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(0)
    for name, lines in (("train", 40), ("valid", 9), ("test", 9)):
        texts = (rng.choice(list("abcdefgh"), rng.integers(1, 9)) for _ in range(lines))
        text = "\n".join(" ".join(words) for words in texts)
        (directory / f"{name}.txt").write_text(f"{text}\n")
    return str(directory)


@pytest.fixture(scope="module")
def runs(corpus, tmp_path_factory):
    """A whole training, and one that goes on from what another's middle has left."""
    directory = tmp_path_factory.mktemp("runs")
    whole, part = directory / "whole", directory / "part"
    how = {"preset": "awd_lstm_ptb", "data": corpus, "settings": SETTINGS}
    assert train(**how, run_dir=whole).steps == STEPS
    shutil.copytree(whole, part)
    shutil.rmtree(part / f"checkpoints/step-{STEPS:08d}")
    assert train(preset="awd_lstm_ptb", run_dir=part, resume=True).steps == STEPS
    return whole, part


def variables(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / f"checkpoints/step-{STEPS:08d}/variables.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def place(name: str) -> tuple[str, ...]:
    """Which number of which kind a variable is, whatever Keras calls it today."""
    return tuple(name.split("/")[:2])


def test_resumes_in_the_same_bits_with_the_state_of_the_streams(runs):
    """Windows vary, weights are dropped and averaged."""
    one, other = map(variables, runs)
    found = {place(name): array for name, array in other.items()}
    assert len(found) == len(one)
    for name, array in one.items():
        np.testing.assert_array_equal(found[place(name)], array, name)
    (rows,) = (a for name, a in one.items() if name.endswith("carry/rows"))
    assert rows.shape == (4, 2 * (9 + 8))
    assert rows.any()


def test_is_measured_and_compared(runs):
    found = evaluate(run=runs[0])
    low, high = found.confidence["perplexity"]
    assert low < found.metrics["perplexity"] < high
    assert found.examples == len(found.outputs) == 9
    difference = compare(first=runs[0], second=runs[1]).differences["perplexity"]
    assert (difference.low, difference.mean, difference.high) == (0, 0, 0)


@pytest.mark.parametrize(
    "search", ["", "beam=4,n_best=2", "temperature=0.8,top_p=0.9", "min_length=2"]
)
def test_goes_on_from_prompts_by_every_search(runs, tmp_path, search):
    prompts = ["a b", "", "h"]
    outputs = tmp_path / "outputs.txt"
    found = infer(
        run=runs[0],
        inputs=prompts,
        output=outputs,
        search=search,
        plot=tmp_path / "p.png",
    )
    json.dumps(found)
    assert [result["input"] for result in found] == prompts
    assert len(outputs.read_text().splitlines()) == 3
    assert (tmp_path / "p.png").stat().st_size > 2000


@pytest.mark.usefixtures("warm_exports")
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)
def test_is_exported_and_compared(runs):
    assert export(run=runs[0]).max_abs_difference < 1e-4


def test_starts_from_another_with_other_streams(runs, corpus, tmp_path):
    """The state of streams is no weight."""
    settings = {**SETTINGS, "recipe.batch": 20.0, "recipe.max_steps": 1}
    run = tmp_path / "run"
    how = {"preset": "awd_lstm_ptb", "data": corpus, "settings": settings}
    assert train(**how, run_dir=run, init_from=runs[0]).steps == 1


def test_the_command_line(runs, corpus):
    run = CliRunner().invoke
    found = run(zoo, ["evaluate", str(runs[0]), "--json"])
    assert json.loads(found.stdout)["metrics"]["perplexity"] > 1
    found = run(zoo, ["infer", str(runs[0]), "a b", "--search", "max_length=2"])
    assert found.stdout.startswith("a b\t")
    found = run(zoo, ["data", "check", corpus], standalone_mode=False)
    assert "58 texts" in found.stdout
    model = Seq2Seq.from_preset(runs[0] / "preset")
    assert not keras.ops.convert_to_numpy(model.encoder.carry.rows).any()
