"""Which utterances a speech model is trained on."""

from dataclasses import replace

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
