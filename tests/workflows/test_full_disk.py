"""A disk that fills up ends no training, and the end tells what is missing."""

import errno
import json
import shutil
import sys
from dataclasses import replace

import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.speech_to_text import SpeechToText
from s2s_zoo.workflows import events, flight_recorder, training_log, training_loop
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.unwritten import Unwritten
from s2s_zoo.workflows.update import Update
from tests import prepared
from tests.speech_corpus import TINY, TINY_SETTINGS, write_corpus

SETTINGS = TINY_SETTINGS | {"recipe.batch": 4.0, "recipe.epochs": 9}


class Notes(Reporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def run_training(corpus, run, reporter=None, numerics=False, resume=False, **recipe):
    return train(
        preset="deepspeech2-small",
        data=str(corpus),
        run_dir=run,
        settings={**SETTINGS, **{f"recipe.{k}": v for k, v in recipe.items()}},
        numerics=numerics,
        resume=resume,
        reporter=reporter,
    )


def no_space(*arguments, **keywords):
    raise OSError(errno.ENOSPC, "No space left on device")


FULL = {
    "a run": {
        (training_loop, "save_checkpoint"): "The checkpoint of step 2",
        (RunDirectory, "add_metrics"): "The metrics up to step 2",
        (Seq2Seq, "save_to_preset"): "The best model, of step ",
        (training_log, "plot_training"): "The pictures in ",
        (events, "_open"): "Events for TensorBoard",
    },
    "events": {(events, "_scalar"): "Events for TensorBoard"},
    "rows of numbers": {
        (flight_recorder, "append_row"): "What the flight recorder saw up to step 2"
    },
    "the picture of numbers": {(flight_recorder, "plot_numerics"): "The picture "},
}


@pytest.mark.parametrize("full", FULL)
def test_training_goes_on_and_the_result_tells_what_is_missing(
    corpus, tmp_path, monkeypatch, full
):
    owners = [owner for owner, _ in FULL[full]]
    for owner, name in FULL[full]:
        monkeypatch.setattr(owner, name, no_space)
    notes = Notes()
    result = run_training(
        *(corpus, tmp_path / "run", notes),
        numerics=flight_recorder in owners,
        max_steps=2,
        checkpoint_every=1,
    )
    assert result.steps == 2
    assert set(result.best) == {"step", "metric", "value"}
    assert len(result.unwritten) == len(owners)
    for missing in FULL[full].values():
        (found,) = (text for text in result.unwritten if text.startswith(missing))
        assert found.endswith("not written, No space left on device")
    told = [note for note in notes.notes if "training goes on" in note]
    assert len(told) == len(owners)
    assert all("No space left on device" in note for note in told)


@pytest.fixture
def undrawn(monkeypatch):
    """Of these tests alone: others are about pictures that find no room."""
    monkeypatch.setattr(training_log.TrainingLog, "draw", lambda *_: None)


@pytest.fixture
def rates(monkeypatch, undrawn):
    """Word error rates that validations will have."""
    queue = []
    measure = SpeechToText.validate

    def validate(task, *arguments):
        found = measure(task, *arguments)
        return replace(found, metrics=found.metrics | {"word_error_rate": queue.pop(0)})

    monkeypatch.setattr(SpeechToText, "validate", validate)
    return queue


class Fills(Notes):
    """Fills the disk after one step, and makes room after another."""

    def __init__(self, monkeypatch, full, room=99):
        super().__init__()
        self.monkeypatch, self.full, self.room = monkeypatch, full, room
        self.save = Seq2Seq.save_to_preset

    def stepped(self, report):
        if report.step == self.full:
            self.monkeypatch.setattr(Seq2Seq, "save_to_preset", no_space)
        if report.step == self.room:
            self.monkeypatch.setattr(Seq2Seq, "save_to_preset", self.save)


def test_a_best_model_without_room_is_known_and_the_one_before_stays(
    corpus, tmp_path, monkeypatch, rates
):
    rates[:] = [0.9, 0.2, 0.5]
    run = tmp_path / "run"
    fills = Fills(monkeypatch, full=2)
    result = run_training(corpus, run, fills, max_steps=3, validate_every=1)
    assert result.best == {"step": 2, "metric": "word_error_rate", "value": 0.2}
    (found,) = result.unwritten
    assert found.startswith("The best model, of step 2: ")
    assert Seq2Seq.from_preset(run / "preset", load_weights=True)
    assert not (run / ".preset").exists()


def test_room_is_used_by_the_best_from_then_on(corpus, tmp_path, monkeypatch, rates):
    rates[:] = [0.9, 0.2, 0.5, 0.7]
    kept = []
    replace_preset = RunDirectory.replace_preset

    def replacing(run, model):
        replace_preset(run, model)
        kept.append(model)

    monkeypatch.setattr(RunDirectory, "replace_preset", replacing)
    run = tmp_path / "run"
    fills = Fills(monkeypatch, full=2, room=3)
    settings = {"max_steps": 4, "validate_every": 1, "checkpoint_every": 1}
    result = run_training(corpus, run, fills, **settings)
    assert len(kept) == 2
    assert result.best["step"] == 2
    (found,) = result.unwritten
    assert found.startswith("The best model, of step 2: ")

    shutil.rmtree(run / "checkpoints/step-00000004")
    rates[:] = [0.6]
    (found,) = run_training(corpus, run, resume=True, **settings).unwritten
    assert found == "The best model, of step 2: not written before"

    shutil.rmtree(run / "checkpoints/step-00000004")
    rates[:] = [0.1]
    result = run_training(corpus, run, resume=True, **settings)
    assert result.best["step"] == 4
    assert len(kept) == 3
    assert result.unwritten == []


def test_a_later_success_makes_up_for_failures_of_its_kind():
    notes = Notes()
    unwritten = Unwritten(notes)
    for step in (1, 2):
        with unwritten.noted("checkpoint", f"The checkpoint of step {step}"):
            no_space()
    assert list(unwritten) == [
        "The checkpoint of step 2: not written, No space left on device"
    ]
    assert len(notes.notes) == 1
    with unwritten.noted("checkpoint", "The checkpoint of step 3"):
        pass
    assert list(unwritten) == []
    with unwritten.noted("rows", "The rows up to step 1", replaces=False):
        no_space()
    with unwritten.noted("rows", "The rows up to step 2", replaces=False):
        pass
    assert len(list(unwritten)) == 1


def zoo(limit, *arguments):
    """The command line in a process whose files cannot grow beyond some bytes."""
    start = (
        "import resource, sys\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, -1))\n"
        "from s2s_zoo.cli import main\n"
        "main(sys.argv[1:])"
    )
    return prepared.run([sys.executable, "-c", start, *arguments])


def options(corpus, run):
    settings = ("recipe.batch=4", *TINY)
    return (
        *("train", "deepspeech2-small", "--data", corpus, "--run-dir", run),
        *("--max-steps", 4, "--epochs", 9),
        *(part for setting in settings for part in ("--set", setting)),
    )


def test_the_command_line_tells_what_was_reached_and_what_is_missing(corpus, tmp_path):
    run = tmp_path / "run"
    done = zoo(9_000, *options(corpus, run))
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.startswith("Best word error rate ")
    assert "of 4, after" in done.stdout
    assert "Next:" not in done.stdout
    _, told = done.stderr.split(f"Error: {run} lacks\n")
    for what in (
        "The best model, of step ",
        "The checkpoint of step 4",
        "The pictures",
    ):
        assert what in told
    assert "Make room; --resume goes on" in told
    assert json.loads((run / "run.json").read_text())["data"] == str(corpus)
    assert not (run / "preset").exists()


def test_a_disk_full_from_the_start_leaves_no_run_directory(corpus, tmp_path):
    run = tmp_path / "run"
    done = zoo(20, *options(corpus, run))
    assert done.returncode == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert f"Error: {run}: cannot be written" in done.stderr
    assert not run.exists()


def fails(self, *arguments):
    raise UserError("Out of memory, say")


@pytest.mark.parametrize(
    ("owner", "method"),
    [(training_loop.TrainingLoop, "__post_init__"), (Update, "_run")],
)
def test_a_training_that_fails_at_once_leaves_nothing(
    corpus, tmp_path, monkeypatch, owner, method
):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.setattr(owner, method, fails)
    for run in (tmp_path / "run", empty):
        with pytest.raises(UserError, match="say"):
            run_training(corpus, run)
    assert list(tmp_path.iterdir()) == [empty]
    assert list(empty.iterdir()) == []


@pytest.mark.usefixtures("undrawn")
def test_a_training_that_fails_later_leaves_what_can_be_gone_on_from(
    corpus, tmp_path, monkeypatch
):
    run_step = Update._run

    def fails_later(update, step, *batch):
        return fails(update) if step == 2 else run_step(update, step, *batch)

    run = tmp_path / "run"
    monkeypatch.setattr(Update, "_run", fails_later)
    with pytest.raises(UserError, match="say"):
        run_training(corpus, run, checkpoint_every=1, max_steps=2)
    monkeypatch.setattr(Update, "_run", run_step)
    result = run_training(corpus, run, resume=True)
    assert result.steps == 2


def test_a_place_where_nothing_can_be_made_is_one_clear_line(corpus, tmp_path):
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(UserError, match=r"file/run: cannot be written"):
        run_training(corpus, file / "run")


def test_a_run_that_is_removed_meanwhile_ends_with_what_went_wrong(tmp_path):
    run = RunDirectory(tmp_path / "run")

    def fail():
        with run.held():
            shutil.rmtree(run.path)
            raise UserError("no room")

    with pytest.raises(UserError, match="no room"):
        fail()
    assert not run.path.exists()
