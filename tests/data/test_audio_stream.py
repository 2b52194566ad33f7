"""Audio in blocks against audio read whole."""

import numpy as np
import pytest
import soundfile
import soxr

from s2s_zoo.data.audio import (
    AudioError,
    CancelledAudioError,
    read_audio,
    stream_audio,
)

SECONDS = 90
"""More than a block at 16 kHz."""


def noise(rate, channels=1):
    return np.random.default_rng(0).normal(0, 0.1, (rate * SECONDS, channels))


@pytest.mark.parametrize(("rate", "wanted"), [(16000, 16000), (22050, 16000)])
def test_blocks_make_up_what_is_read_whole(tmp_path, rate, wanted):
    path = tmp_path / "long.wav"
    soundfile.write(path, noise(rate), rate, "FLOAT")
    blocks = list(stream_audio(path, wanted))
    assert len(blocks) > 1
    decoded = soundfile.read(path, dtype="float32")[0]
    if rate != wanted:
        decoded = soxr.resample(decoded, rate, wanted, quality="HQ")
    streamed = np.concatenate(blocks)
    np.testing.assert_allclose(streamed, np.clip(decoded, -1, 1), atol=1e-6)
    np.testing.assert_array_equal(read_audio(path, wanted), streamed)


@pytest.mark.parametrize("wanted", [8000, 16000])
def test_what_is_wrong_far_into_a_file_is_told_once(tmp_path, wanted):
    samples, path = noise(16000), tmp_path / "bad.wav"
    samples[[5, -7]] = np.nan
    soundfile.write(path, samples, 16000, "FLOAT")
    stream = stream_audio(path, wanted)
    with pytest.raises(AudioError, match="2 samples are NaN or infinite"):
        list(stream)


def test_channels_that_cancel_each_other_are_told_of(tmp_path):
    left, path = noise(16000), tmp_path / "cancel.wav"
    soundfile.write(path, np.concatenate([left, -left], axis=1), 16000, "FLOAT")
    with pytest.raises(CancelledAudioError, match="2 channels cancel"):
        list(stream_audio(path, 16000))
