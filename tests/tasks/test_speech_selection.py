"""Which utterances a speech model is trained on."""

from dataclasses import replace

import numpy as np
import pytest

from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.speech_to_text import SpeechToText


@pytest.mark.parametrize(("speed", "dropped"), [(0.0, 0), ((0.9, 1.0), 0), (0.1, 1)])
def test_a_transcript_fits_at_the_highest_speed_too(speed, dropped):
    preset = PRESETS.get("deepspeech2_small").scaled()
    model = preset.build()
    task = replace(preset.task, augmentation=AudioAugmentation(speed=speed))
    seconds, letters = 1.0, int(task.output_frames(model, 1.0))
    utterance = Utterance("tight.wav", "tight.wav", seconds, ("ab" * letters)[:letters])
    roomy = Utterance("roomy.wav", "roomy.wav", seconds, "ab")
    found = task.select(model, [utterance, roomy], "train")
    reason = "with fewer frames than its transcript needs"
    assert found.dropped == ({reason: ["tight.wav"]} if dropped else {})
    assert len(found.usable) == 2 - dropped


def test_nothing_to_select_from_is_refused():
    with pytest.raises(UserError, match="There are no utterances in here"):
        SpeechToText().select(None, [], "here")


@pytest.fixture(scope="module")
def small():
    return PRESETS.get("deepspeech2_small").scaled()


@pytest.fixture(scope="module")
def recognizer(small):
    return small.build()


@pytest.fixture
def features(tmp_path, recognizer):
    """Computed features as wide as the model's, and wider ones."""
    width = recognizer.features.num_features
    rng = np.random.default_rng(0)
    arrays = {n: rng.normal(size=(60, width + n)).astype("float32") for n in (0, 3)}
    np.savez(tmp_path / "f.npz", **{str(n): array for n, array in arrays.items()})
    return {n: f"{tmp_path}/f.npz#{n}" for n in arrays}


def test_features_of_another_width_are_refused_with_the_setting(
    small, recognizer, features
):
    width = recognizer.features.num_features

    def utterances(n):
        return [Utterance(s, s, 0.6, "ab") for s in ("/x.npz#0", features[n])]

    assert len(small.task.select(recognizer, utterances(0), "here").usable) == 2
    match = f"{width + 3} wide, and the model reads {width}: --set features.num_fea"
    with pytest.raises(UserError, match=match):
        small.task.select(recognizer, utterances(3), "here")


def test_recordings_that_cannot_be_read_are_not_called_short(small, recognizer):
    unreadable = Utterance("a.wav", "a.wav", 0.0, "ab")
    for preset in (small, PRESETS.get("tacotron2_small").scaled()):
        with pytest.raises(UserError, match="dropped 1 empty or unreadable"):
            preset.task.select(recognizer, [unreadable], "here")


def test_features_have_the_rate_of_the_task(small):
    slow = small.with_settings({"task.sample_rate": 8000})
    assert slow.build().features.sample_rate == 8000
    other = small.with_settings({"features.sample_rate": 8000}).build()
    with pytest.raises(UserError, match=r"are the same\. Received: 16000 and 8000"):
        small.task.select(other, [Utterance("a", "a", 1.0, "ab")], "here")


def test_waveforms_and_features_go_through_together(recognizer, features):
    noise = np.random.default_rng(0).normal(0, 0.1, 8000).astype("float32")
    mixed = [features[0], noise, features[0], noise[:6000]]
    alone = [recognizer.generate([item])[0] for item in mixed]
    assert recognizer.generate(mixed) == alone


@pytest.mark.parametrize(
    "wrong", [np.zeros((9000, 2)), np.float32(0.5), np.zeros((1, 2, 3))]
)
def test_what_is_no_audio_is_refused_by_its_shape(recognizer, wrong):
    with pytest.raises(UserError, match=r"A waveform is \(S,\), and features are"):
        recognizer.generate([wrong])


def test_one_input_alone_is_refused(recognizer):
    with pytest.raises(UserError, match=r"takes a list of inputs. Received: 'a.wav'"):
        recognizer.generate("a.wav")
