"""Training that stops, goes on and reports as it should."""

import errno
import json
import re
import shutil
import signal
from dataclasses import replace
from functools import partial

import keras
import numpy as np
import pytest

from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.speech_to_text import SpeechToText
from s2s_zoo.workflows import train as train_module
from s2s_zoo.workflows import training_loop
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.update import Update
from tests.speech_corpus import TINY_SETTINGS, write_corpus

pytestmark = pytest.mark.usefixtures("undrawn")
SETTINGS = TINY_SETTINGS | {"recipe.batch": 4.0, "recipe.epochs": 9}


class Notes(Reporter):
    def __init__(self):
        self.notes, self.steps, self.validations = [], [], []

    def note(self, text):
        self.notes.append(text)

    def stepped(self, report):
        self.steps.append(report)

    def validated(self, step, evaluation, best):
        self.validations.append((step, best))


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def run_training(corpus, run, reporter=None, resume=False, init_from=None, **recipe):
    settings = {**SETTINGS, **{f"recipe.{k}": v for k, v in recipe.items()}}
    return train(
        preset="deepspeech2-small",
        data=str(corpus),
        run_dir=run,
        settings=settings,
        resume=resume,
        init_from=init_from,
        reporter=reporter,
    )


def variables(run, step):
    with np.load(run / f"checkpoints/step-{step:08d}/variables.npz") as arrays:
        return [arrays[name] for name in arrays.files]


@pytest.fixture(scope="module")
def whole(corpus, tmp_path_factory):
    run, notes = tmp_path_factory.mktemp("runs") / "whole", Notes()
    result = run_training(
        corpus, run, notes, max_steps=6, checkpoint_every=2, validate_every=3
    )
    return run, notes, result


def test_every_step_is_reported_with_its_wait_for_data(whole):
    _, notes, result = whole
    assert [report.step for report in notes.steps] == [1, 2, 3, 4, 5, 6]
    assert [step for step, _ in notes.validations] == [3, 6]
    assert result.steps == 6
    seconds, waited = np.sum([[r.seconds, r.waited] for r in notes.steps], axis=0)
    assert 0 < result.data_wait_share == pytest.approx(waited / seconds)
    assert np.isfinite(result.train_loss)


def test_the_newest_checkpoints_are_kept(whole):
    run, *_ = whole
    kept = sorted(p.name for p in (run / "checkpoints").iterdir())
    assert kept == ["step-00000002", "step-00000004", "step-00000006"]


def test_validations_are_in_the_metrics(whole):
    run, *_ = whole
    rows = [json.loads(line) for line in (run / "metrics.jsonl").open()]
    assert [row["step"] for row in rows if "validation" in row] == [3, 6]


def test_a_damaged_checkpoint_is_named_and_the_one_before_it_used(
    whole, corpus, tmp_path
):
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    damaged = run / "checkpoints/step-00000006/variables.npz"
    content = bytearray(damaged.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    notes = Notes()
    run_training(corpus, run, notes, resume=True)
    assert any("step-00000006" in note and "damaged" in note for note in notes.notes)
    assert [report.step for report in notes.steps] == [5, 6]
    pairs = zip(variables(whole[0], 6), variables(run, 6), strict=True)
    assert all((expected == found).all() for expected, found in pairs)


def test_the_last_step_is_validated(corpus, tmp_path):
    notes = Notes()
    result = run_training(
        corpus, tmp_path / "run", notes, max_steps=3, validate_every=2
    )
    assert [step for step, _ in notes.validations] == [2, 3]
    assert set(result.best) == {"step", "metric", "value"}


def test_other_data_cannot_be_resumed(whole, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    other = write_corpus(tmp_path / "other", train=9)
    request = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**request, "data": str(other)}))
    with pytest.raises(UserError, match="--init-from"):
        run_training(other, run, resume=True)


def test_weights_of_another_run(whole, corpus, tmp_path):
    notes = Notes()
    with pytest.raises(UserError, match="--init-partly takes the "):
        train(
            preset="deepspeech2-small",
            data=str(corpus),
            run_dir=tmp_path / "wider",
            settings={**SETTINGS, "encoder.projection": 9, "recipe.max_steps": 1},
            init_from=whole[0],
        )
    run_training(corpus, tmp_path / "run", notes, init_from=whole[0], max_steps=1)
    start = Seq2Seq.from_preset(whole[0] / "preset")
    noise = np.random.default_rng(0).normal(size=(1, 8000)).astype("float32")
    batch = {"source": noise, "source_lengths": np.array([8000], "int32")}
    assert np.isfinite(start.predict_on_batch(batch)["ctc_logits"]).all()


def test_the_fitting_weights_of_another_run(whole, corpus, tmp_path):
    notes = Notes()
    settings = {**SETTINGS, "encoder.projection": 9, "recipe.max_steps": 1}
    settings["recipe.schedule.initial_learning_rate"] = 1e-12
    run = tmp_path / "wider"
    train(
        preset="deepspeech2-small",
        data=str(corpus),
        run_dir=run,
        settings=settings,
        init_from=whole[0],
        init_partly=True,
        reporter=notes,
    )
    (told,) = (note for note in notes.notes if "weights" in note)
    assert "encoder/dense/kernel (16, 9), there (16, 8)" in told
    assert "decoder/dense/bias" not in told
    old, new = (Seq2Seq.from_preset(path / "preset") for path in (whole[0], run))
    pairs = list(zip(old.trainable_variables, new.trainable_variables, strict=True))
    fits = [a for a, b in pairs if a.shape == b.shape]
    assert 0 < len(fits) < len(pairs)
    for a, b in pairs:
        if a.shape == b.shape:
            a, b = map(keras.ops.convert_to_numpy, (a, b))
            np.testing.assert_allclose(b, a, atol=1e-8)


def test_early_stopping(corpus, tmp_path):
    notes = Notes()
    result = run_training(corpus, tmp_path / "run", notes, validate_every=1, patience=2)
    stale = [best for _, best in notes.validations][-2:]
    assert result.stopped_early
    assert stale == [False, False]


def test_a_loss_that_is_not_a_number_stops_with_the_names(
    corpus, tmp_path, monkeypatch
):
    monkeypatch.setattr(Update, "_run", lambda *_: {"loss": float("nan")})
    with pytest.raises(UserError, match=r"learning rate.*train_\d+\.wav"):
        run_training(corpus, tmp_path / "run")


def test_steps_that_all_overflow_end_training_with_layers_and_names(corpus, tmp_path):
    with pytest.raises(UserError) as caught:
        run_training(
            *(corpus, tmp_path / "run"),
            precision="mixed_float16",
            **{
                "loss_scaling.algorithm": "1e30",
                "loss_scaling.max_consecutive_skips": 3,
            },
        )
    message = str(caught.value)
    assert "4 steps in a row" in message
    assert "dense/bias" in message
    assert re.search(r"train_\d+\.wav", message)


def test_loss_scale_and_accumulated_gradients_are_resumed(corpus, tmp_path):
    recipe = {
        "precision": "mixed_float16",
        "loss_scaling.algorithm": "logmax",
        "accumulate": 4,
        "max_steps": 6,
        "checkpoint_every": 3,
    }
    whole, again = tmp_path / "whole", tmp_path / "again"
    result = run_training(corpus, whole, **recipe)
    assert result.loss_scale is not None
    shutil.copytree(whole, again)
    shutil.rmtree(again / "checkpoints/step-00000006")
    notes = Notes()
    run_training(corpus, again, notes, resume=True)
    assert [report.step for report in notes.steps] == [4, 5, 6]
    pairs = zip(variables(whole, 6), variables(again, 6), strict=True)
    assert all((expected == found).all() for expected, found in pairs)


@pytest.mark.parametrize(
    "message",
    [
        "RESOURCE_EXHAUSTED: out of memory",
        "OOM when allocating tensor with shape[512,512]",
        "CUDA out of memory. Tried to allocate 2.00 GiB",
        "DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes",
        "Unable to allocate 7.45 GiB for an array with shape (1000000000,)",
    ],
)
def test_out_of_memory_names_the_setting(corpus, tmp_path, monkeypatch, message):
    def fail(*arguments, **keywords):
        raise RuntimeError(message)

    monkeypatch.setattr(Seq2Seq, "train_on_batch", fail)
    with pytest.raises(UserError, match=r"recipe\.batch "):
        run_training(corpus, tmp_path / "run")


def no_space(*arguments):
    raise OSError(errno.ENOSPC, "No space left on device")


class Interrupts(Notes):
    """Sends SIGINT to its own process after the first step."""

    def __init__(self, times):
        super().__init__()
        self.times = times

    def stepped(self, report):
        super().stepped(report)
        for _ in range(self.times if report.step == 2 else 0):
            signal.raise_signal(signal.SIGINT)


def test_an_interruption_that_cannot_be_saved_says_so(corpus, tmp_path, monkeypatch):
    monkeypatch.setattr(training_loop, "save_checkpoint", no_space)
    with pytest.raises(UserError, match="could not be saved"):
        run_training(corpus, tmp_path / "run", Interrupts(1), max_steps=4)


def test_the_second_interruption_stops_at_once(corpus, tmp_path):
    run = tmp_path / "run"
    options = {"max_steps": 4, "checkpoint_every": 1}
    with pytest.raises(KeyboardInterrupt):
        run_training(corpus, run, Interrupts(2), **options)
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step-00000001"]
    notes = Notes()
    run_training(corpus, run, notes, resume=True)
    assert [report.step for report in notes.steps] == [2, 3, 4]


def test_the_best_model_is_kept_when_a_later_one_is_worse(
    corpus, tmp_path, monkeypatch
):
    rates, seen = iter([0.5, 0.2, 0.7, 0.9]), []
    measure = SpeechToText.validate

    def validate(task, model, *arguments):
        seen.append(model.get_weights())
        found = measure(task, model, *arguments)
        return replace(found, metrics=found.metrics | {"word_error_rate": next(rates)})

    monkeypatch.setattr(SpeechToText, "validate", validate)
    run = tmp_path / "run"
    result = run_training(corpus, run, max_steps=4, validate_every=1)
    assert result.best == {"step": 2, "metric": "word_error_rate", "value": 0.2}
    kept = Seq2Seq.from_preset(run / "preset", load_weights=True).get_weights()
    as_kept = [
        all((a == b).all() for a, b in zip(weights, kept, strict=True))
        for weights in seen
    ]
    assert as_kept == [False, True, False, False]


def test_unreadable_validation_audio_is_named(corpus, tmp_path):
    other = tmp_path / "corpus"
    shutil.copytree(corpus, other)
    damaged = other / "validation_1.wav"
    damaged.write_bytes(damaged.read_bytes()[:-2000])
    notes = Notes()
    run_training(other, tmp_path / "run", notes, max_steps=1)
    assert any("validation_1.wav" in note for note in notes.notes)


def test_a_line_of_metrics_cut_by_a_kill_is_left_out(whole, corpus, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(whole[0], run)
    rows = (run / "metrics.jsonl").read_text().splitlines()
    cut = next(row for row in rows if "validation" in row)[:-1]
    (run / "metrics.jsonl").write_text("\n".join([*rows, cut]))
    assert cut.endswith("}")
    assert RunDirectory(run).read_metrics() == [json.loads(row) for row in rows]


def test_a_second_process_is_refused(whole, corpus):
    from s2s_zoo.checkpoints import run_lock

    with run_lock(whole[0]), pytest.raises(UserError, match="in use by process"):
        run_training(corpus, whole[0], resume=True)


class Unregistered(CTCDecoder):
    """A part whose decorator was forgotten."""


def test_a_part_that_could_not_be_kept_is_refused_before_the_first_step(
    corpus, tmp_path
):
    preset = replace(PRESETS.get("deepspeech2_small"), decoder=partial(Unregistered))
    notes = Notes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PRESETS, "get", lambda name: preset)
        with pytest.raises(UserError, match="Unregistered is no registered part"):
            run_training(corpus, tmp_path / "run", notes)
    assert notes.steps == []


@pytest.mark.parametrize("spelt", ["demo_speech", "demo-speech"])
@pytest.mark.parametrize("named", [None, "demo_speech", "demo-speech", "other"])
def test_the_demo_corpus_has_its_settings_by_name_too(spelt, named):
    preset = PRESETS.get("deepspeech2_small")
    preset = replace(preset, task=replace(preset.task, demo_corpus=spelt))
    request = {"preset": preset.name, "data": named, "settings": {}}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PRESETS, "get", lambda name: preset)
        batch = train_module._resolve(request, preset.name).recipe.batch
    assert batch == (preset.recipe.batch if named == "other" else 16.0)
