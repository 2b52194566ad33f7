"""Sabotaged corpora are told from the clean one before anything is learned."""

from dataclasses import replace

import numpy as np
import pytest

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.data.corpora import demo_voice
from s2s_zoo.data.corpora.demo_voice import DemoVoice
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.attention_sentinel import attention_verdict, data_verdict

TASK = PRESETS.get("tacotron2_small").task
COUNT = 24


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


def test_shuffled_texts_are(clean):
    order = np.random.default_rng(0).permutation(COUNT)
    texts = [clean[i].transcript for i in order]
    shuffled = [replace(u, transcript=t) for u, t in zip(clean, texts, strict=True)]
    assert "texts may belong to other files" in concerns(shuffled)


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
