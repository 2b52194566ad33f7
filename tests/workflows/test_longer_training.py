"""What may be asked anew of a training that goes on, and what is refused by name."""

import json
import shutil

import numpy as np
import pytest

from s2s_zoo import checkpoints
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.tasks.speech_to_text import SpeechToText
from s2s_zoo.workflows.preparation import updates_of
from s2s_zoo.workflows.resume import limits
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.train import train
from tests.speech_corpus import write_corpus
from tests.workflows.test_train import SETTINGS, Notes, variables

pytestmark = pytest.mark.usefixtures("undrawn")
RATE = 1e-4
RATES = {"schedule.decay_steps": 0, "schedule.staircase": False}
"""An exponential decay to 0.9 of the rate that ends with the training."""


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def start(corpus, run, reporter=None, **recipe):
    settings = SETTINGS | {f"recipe.{k}": v for k, v in recipe.items()}
    return train(
        preset="deepspeech2-small",
        data=str(corpus),
        run_dir=run,
        settings=settings,
        reporter=reporter,
    )


def go_on(run, reporter=None, settings=None, **asked):
    return train(
        preset="deepspeech2-small",
        run_dir=run,
        settings=settings,
        resume=True,
        reporter=reporter,
        **asked,
    )


@pytest.fixture(scope="module")
def ended(corpus, tmp_path_factory):
    """A training of 4 steps, 3 an epoch."""
    run = tmp_path_factory.mktemp("runs") / "ended"
    start(corpus, run, max_steps=4)
    return run


@pytest.fixture
def run(ended, tmp_path):
    return shutil.copytree(ended, tmp_path / "run")


def test_the_best_value_is_that_of_the_mean_where_it_was_kept(corpus, tmp_path):
    """Else a longer training takes a worse model for a better one."""
    run = tmp_path / "run"
    better = {"average": 2, "checkpoint_every": 2, "max_steps": 4}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpeechToText, "validate", measured([90.0, 80.0, 10.0]))
        result = start(corpus, run, **better)
    assert result.best == {"step": 4, "metric": "word_error_rate", "value": 10.0}
    state = json.loads((run / "checkpoints/step-00000004/state.json").read_text())
    assert (state["best_value"], state["kept_value"], state["stale"]) == (10, 10, 0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SpeechToText, "validate", measured([50.0, 60.0, 70.0]))
        again = go_on(run, settings={"recipe.max_steps": 5})
    assert again.best == result.best


def measured(values):
    """A validation that finds these word error rates, one after the other."""
    found = iter(values)

    def validate(*_):
        metrics = {"word_error_rate": next(found), "loss": 1.0}
        return Evaluation(metrics, {}, 1, "", [Outcome("one", "right", "wrong")])

    return validate


@pytest.mark.parametrize(
    ("steps", "updates"), [(3, 0), (4, 1), (10, 3), (13, 3), (20, 6), (24, 7)]
)
def test_an_update_has_its_batches_but_at_the_end_of_an_epoch(steps, updates):
    assert updates_of(steps, 10, accumulate=4) == updates


def settings_of(run):
    return json.loads((run / "run.json").read_text())["settings"]


def test_more_steps_end_in_the_bits_of_so_many_from_the_start(corpus, run, tmp_path):
    notes = Notes()
    result = go_on(run, notes, {"recipe.max_steps": 7})
    assert result.steps == 7
    assert [report.step for report in notes.steps] == [5, 6, 7]
    (told,) = notes.notes
    assert told.startswith("To step 7 instead of 4. The schedule does not depend on")
    assert "the learning rate is 0.0001," in told

    start(corpus, tmp_path / "whole", max_steps=7)
    pairs = zip(variables(run, 7), variables(tmp_path / "whole", 7), strict=True)
    assert all((found == expected).all() for found, expected in pairs)


def test_what_is_asked_anew_is_remembered(run):
    go_on(run, settings={"recipe.max_steps": 6})
    assert settings_of(run)["recipe.max_steps"] == 6
    before = (run / "run.json").read_bytes()
    notes = Notes()
    assert go_on(run, notes).steps == 6
    assert notes.steps == []
    assert "Step 6 was the last by recipe.max_steps = 6" in notes.notes[0]
    assert (run / "run.json").read_bytes() == before


def test_more_epochs(corpus, tmp_path):
    run, notes = tmp_path / "run", Notes()
    start(corpus, run, epochs=1)
    assert go_on(run, notes, {"recipe.epochs": 2}).steps == 6
    assert [report.step for report in notes.steps] == [4, 5, 6]


def test_a_schedule_that_ends_with_the_training_goes_on_elsewhere(corpus, tmp_path):
    run, notes = tmp_path / "run", Notes()
    start(corpus, run, max_steps=4, **RATES)
    go_on(run, notes, {"recipe.max_steps": 8})
    (told,) = notes.notes
    old, new = RATE * 0.9, RATE * 0.9 ** (4 / 8)
    assert told.startswith(
        "To step 8 instead of 4. The schedule ends with the training"
    )
    assert f"is now {new:.3g} instead of {old:.3g}" in told
    rates = [report.learning_rate for report in notes.steps]
    expected = [RATE * 0.9 ** (step / 8) for step in (4, 5, 6, 7)]
    np.testing.assert_allclose(rates, expected, rtol=1e-6)


def test_a_length_that_is_behind_is_refused(run):
    before = (run / "run.json").read_bytes()
    with pytest.raises(UserError, match=r"max_steps = 2 ends it at step 2: .* 4$"):
        go_on(run, settings={"recipe.max_steps": 2})
    with pytest.raises(UserError, match=r"recipe.epochs = 1 ends it at step 3"):
        go_on(run, settings={"recipe.epochs": 1})
    assert (run / "run.json").read_bytes() == before


def test_a_limit_that_still_holds_is_named(run):
    notes = Notes()
    assert go_on(run, notes, {"recipe.epochs": 99}).steps == 4
    assert "Step 4 was the last by recipe.max_steps = 4" in notes.notes[0]
    assert settings_of(run)["recipe.epochs"] == 99


def test_a_training_that_stopped_early_says_so_and_can_go_on(corpus, tmp_path):
    run, notes = tmp_path / "run", Notes()
    first = start(corpus, run, max_steps=9, validate_every=1, patience=1)
    assert first.stopped_early
    assert go_on(run, notes).steps == first.steps
    assert "by recipe.patience = 1: a larger one or 0 goes on" in notes.notes[0]
    assert go_on(run, settings={"recipe.patience": 0}).steps == 9


def test_what_is_repeated_is_accepted(corpus, run, monkeypatch):
    request = (run / "run.json").read_bytes()
    monkeypatch.chdir(corpus.parent)
    for data in (str(corpus), corpus.name, f"{corpus}/../{corpus.name}"):
        assert go_on(run, settings=SETTINGS, data=data).steps == 4
    assert (run / "run.json").read_bytes() == request


def test_every_change_that_cannot_be_is_refused_by_name(run, tmp_path):
    changes = {
        "recipe.seed": 3,
        "recipe.precision": "mixed_float16",
        "recipe.loss_scaling.algorithm": "logmax",
        "recipe.schedule.initial_learning_rate": 1.0,
        "recipe.batch": 5.0,
        "recipe.devices": 2,
        "encoder.rnn_units": 16,
        "task.alphabet": " abc",
    }
    before = (run / "run.json").read_bytes()
    allowed = {"recipe.epochs": 10, "encoder.projection": 8}
    with pytest.raises(UserError) as caught:
        go_on(run, settings=changes | allowed, init_from=run, init_partly=True)
    told = str(caught.value)
    for path, value in changes.items():
        assert f"\n  {path} = " in told
        assert f", received {value!r}\n" in told
    assert "recipe.epochs" not in told
    assert "encoder.projection" not in told
    assert f"--init-from was not given, received {run}" in told
    assert "--init-partly was not given" in told
    assert (run / "run.json").read_bytes() == before


def test_moved_data_is_accepted_and_other_data_refused(corpus, run, tmp_path):
    other = write_corpus(tmp_path / "other", train=9)
    with pytest.raises(UserError, match=r"--data .*other are not those of the check"):
        go_on(run, data=str(other))
    moved = shutil.copytree(corpus, tmp_path / "moved")
    assert go_on(run, data=str(moved), settings={"recipe.max_steps": 5}).steps == 5
    assert json.loads((run / "run.json").read_text())["data"] == str(moved)


def test_paths_that_differ_in_case_or_hyphens_are_other_data(corpus, run, tmp_path):
    one, other = (shutil.copytree(corpus, tmp_path / name) for name in ("a-b", "A_b"))
    assert go_on(run, data=str(one)).steps == 4
    assert go_on(run, data=str(other)).steps == 4
    assert json.loads((run / "run.json").read_text())["data"] == str(other)


def test_a_resumed_run_without_a_checkpoint_starts_from_the_same_weights(
    corpus, ended, tmp_path
):
    run = tmp_path / "run"
    settings = SETTINGS | {"recipe.max_steps": 1}
    settings["recipe.schedule.initial_learning_rate"] = 1e-12
    options = {"preset": "deepspeech2-small", "data": str(corpus), "run_dir": run}
    train(**options, settings=settings, init_from=ended)
    shutil.rmtree(run / "checkpoints")
    shutil.rmtree(run / "preset")
    go_on(run, init_from=str(ended))
    old, new = (Seq2Seq.from_preset(path / "preset") for path in (ended, run))
    for a, b in zip(old.trainable_variables, new.trainable_variables, strict=True):
        np.testing.assert_allclose(b.numpy(), a.numpy(), atol=1e-8)


@pytest.mark.parametrize("content", ["[]", "3", '{"preset": "deepspeech2_small"}', "{"])
def test_a_damaged_request_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=rf"run\.json|{tmp_path} is of format 0"):
        RunDirectory(tmp_path).read_request()


@pytest.mark.parametrize(
    ("epochs", "max_steps", "last", "why"),
    [
        (3, 0, 12, "recipe.epochs = 3"),
        (3, 7, 7, "recipe.max_steps = 7"),
        (3, 99, 12, "recipe.epochs = 3"),
        (3, 12, 12, "recipe.epochs = 3 and recipe.max_steps = 12"),
    ],
)
def test_which_limit_ends_a_training(epochs, max_steps, last, why):
    preset = PRESETS.get("deepspeech2_small").with_settings(
        {"recipe.epochs": epochs, "recipe.max_steps": max_steps}
    )
    assert limits(preset.recipe, 4) == (last, why)


def test_a_place_beyond_the_epoch_is_refused(run):
    """Where no batch is left, no step would ever come."""
    (path,) = (run / "checkpoints").glob("*4/state.json")
    described = json.loads(path.read_text()) | {"position": 3}
    del described["sha256"]
    content = path.with_name("variables.npz").read_bytes()
    described["sha256"] = checkpoints._digest(content, described)
    path.write_text(json.dumps(described))
    with pytest.raises(UserError, match="are not those of the checkpoint"):
        go_on(run, settings={"recipe.max_steps": 7})
