"""Clips of one length as frames and as images."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.features.clip import ClipFeatures
from s2s_zoo.features.mel import LogMel
from s2s_zoo.registry import PRESETS

EXAMPLES = {
    ClipFeatures: {
        "frontend": LogMel(num_features=4, sample_rate=8000),
        "seconds": 0.5,
        "image": True,
    }
}
CLIPS = np.random.default_rng(0).normal(0, 0.1, (2, 8000)).astype("float32")
LENGTHS = np.array([8000, 0], "int32")


@pytest.mark.parametrize("image", [False, True])
def test_a_clip_has_the_frames_of_its_frontend(image):
    frontend = LogMel(num_features=4)
    features = ClipFeatures(frontend, seconds=0.5, image=image)
    found, mask = map(ops.convert_to_numpy, features(CLIPS, LENGTHS))
    wanted, _ = frontend(CLIPS[:1], LENGTHS[:1])
    assert features.source_shape == (None, 8000)
    assert found.shape == features.feature_shape((2, 8000))
    wanted = ops.convert_to_numpy(wanted)[..., None] if image else wanted
    np.testing.assert_allclose(found[:1], wanted, atol=1e-5)
    assert mask.sum(1).tolist() == [1 if image else 51, 0]
    lengths = features.output_lengths(LENGTHS)
    assert ops.convert_to_numpy(lengths).tolist() == mask.sum(1).tolist()


def test_silence_that_fills_a_clip_is_part_of_it():
    features = ClipFeatures(LogMel(num_features=4), seconds=0.5)
    short = CLIPS * (np.arange(8000) < 3000)
    _, mask = features(short, np.array([8000, 3000], "int32"))
    assert ops.convert_to_numpy(mask).all()


def test_the_rate_is_that_of_the_frontend_and_of_the_task():
    preset = PRESETS.get("speech_commands_small").scaled()
    features = preset.with_settings({"task.sample_rate": 8000}).build().features
    assert features.source_shape == (None, 8000)
    assert features.frontend.sample_rate == 8000


def test_the_frontend_comes_back_from_the_configuration():
    described = keras.saving.serialize_keras_object(
        ClipFeatures(LogMel(num_features=4), image=True)
    )
    again = keras.saving.deserialize_keras_object(described)
    assert (type(again.frontend), again.frontend.num_features) == (LogMel, 4)
