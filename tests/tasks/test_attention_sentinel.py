"""Sabotaged corpora are told from the clean one before anything is learned."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.data.corpora import demo_voice
from s2s_zoo.data.corpora.demo_voice import DemoVoice
from s2s_zoo.data.manifests import write_manifest
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.attention_sentinel import (
    attention_verdict,
    data_verdict,
    rate_verdict,
)
from s2s_zoo.tasks.course import Course
from s2s_zoo.tasks.evaluation import Evaluation
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.training_log import TrainingLog

TASK = PRESETS.get("tacotron2_small").task
COUNT = 24
MISFIT = "texts may belong to other files"
TINY = {
    "features.width": 8,
    "encoder.units": 8,
    "encoder.layers": 1,
    "decoder.units": 8,
    "decoder.prenet_units": 8,
    "decoder.mel_layers": 1,
}


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """Sentences of the demo voice."""
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    few = {split: lines[:COUNT] for split, lines in demo_voice.script().items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo_voice, "script", lambda: few)
        place = DemoVoice().prepare(tmp_path_factory.mktemp("v") / "c", progress=False)
        return DemoVoice().read("train", place)


def changed(examples, directory, change):
    """The same with other samples."""
    found = []
    for one in examples:
        samples = change(read_audio(one.source, 16000))
        path = directory / f"{len(found)}.wav"
        write_wav(path, samples, 16000)
        seconds = len(samples) / 16000
        found.append(replace(one, source=str(path), seconds=seconds))
    return found


def concerns(examples, task=TASK):
    return data_verdict([*task.recordings(examples).concerns()])


def test_the_clean_one_is_not_flagged(clean):
    assert concerns(clean) == ""


def with_texts_of_others(examples):
    order = np.random.default_rng(0).permutation(COUNT)
    texts = [examples[i].transcript for i in order]
    return [replace(u, transcript=t) for u, t in zip(examples, texts, strict=True)]


def test_shuffled_texts_are(clean):
    assert MISFIT in concerns(with_texts_of_others(clean))


def test_silence_before_the_speech_is_unless_it_is_cut(clean, tmp_path):
    late = changed(clean, tmp_path, lambda x: np.pad(x, (32000, 0)))
    assert "24 of 24 recordings begin or end in silence" in concerns(
        late, replace(TASK, trim_db=0.0)
    )
    assert concerns(late) == ""


def test_half_the_speed_is(clean, tmp_path):
    slow = changed(clean, tmp_path, lambda x: np.repeat(x, 2))
    assert "the rate of the files may be wrong" in concerns(slow)


def test_attention_is_judged_when_it_should_have_formed():
    formed = {"attention_diagonality": 0.95, "attention_coverage": 0.9}
    stuck = {"attention_diagonality": 0.2, "attention_coverage": 0.1}
    assert attention_verdict(formed, 0.5) == ""
    assert attention_verdict(stuck, 0.1) == ""
    text = attention_verdict(stuck, 0.3)
    assert "not formed after 30% of the training (diagonality 0.20" in text


def descent(rate, steps=40):
    """Losses |x| of sign descent from 1: down to the rate, between its sides then."""
    place, losses = 1.0, []
    for _ in range(steps):
        losses.append(abs(place))
        place -= rate * np.sign(place)
    return losses


@pytest.mark.parametrize("rate", [0.005, 0.02])
def test_a_rate_at_which_the_loss_falls_is_not_flagged(rate):
    assert rate_verdict(Course(0.2, rate, descent(rate))) == ""


@pytest.mark.parametrize("rate", [0.4, 0.9])
def test_one_at_which_it_does_not_is(rate):
    text = rate_verdict(Course(0.2, rate, descent(rate)))
    assert f"the learning rate of {rate} seems too large" in text


def test_one_that_moves_nothing_is_not_called_too_large():
    assert rate_verdict(Course(0.2, 5e-4, descent(5e-4))) == ""
    assert rate_verdict(Course(0.2, 1e-3, [0.0] * 40)) == ""


def test_a_loss_that_is_no_number_has_not_fallen():
    losses = [*descent(0.02, 39), float("nan")]
    assert "nan" in rate_verdict(Course(0.2, 0.02, losses))


def test_a_rate_is_not_judged_by_a_handful_of_steps_nor_late():
    losses = descent(0.9)
    assert rate_verdict(Course(0.2, 0.9, losses[:11])) == ""
    assert rate_verdict(Course(0.5, 0.9, losses)) == ""
    assert rate_verdict(Course(0.2, 0.9, descent(0.9, 300))) == ""


def test_a_training_is_warned_of_each_cause_once(tmp_path):
    listener = Listener()
    log = TrainingLog(RunDirectory(tmp_path), TASK, listener)
    log.course = descent(0.9)
    stuck = {"attention_diagonality": 0.2, "attention_coverage": 0.1}
    validation = Evaluation(stuck, {}, 1, "", [])
    for share in (0.1, 0.2, 0.3, 0.4):
        log.warn(validation, share)
    assert ["loss" in note for note in listener.notes] == [True, False]
    assert "not formed after 30%" in listener.notes[1]


class Started(Exception):
    """The training was about to start."""


class Listener(Reporter):
    """Keeps what is noted before a training starts, and ends it there."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)

    def started(self, outline):
        raise Started


def test_a_training_tells_before_its_first_step(clean, tmp_path):
    manifest = Path(clean[0].source).parents[1] / "shuffled.csv"
    write_manifest(manifest, with_texts_of_others(clean))
    listener = Listener()
    asked = {"preset": "centaur_small", "data": str(manifest), "settings": TINY}
    with pytest.raises(Started):
        train(**asked, run_dir=tmp_path / "run", reporter=listener)
    assert [MISFIT in note for note in listener.notes] == [True]
