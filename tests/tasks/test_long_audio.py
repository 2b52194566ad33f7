"""Long audio in windows against the same audio at once."""

import sys
from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.long_audio import LongAudio
from tests import prepared
from tests.gradients import compiled
from tests.tiny import draw_weights, tiny_preset

RATE = 16000


def audio(seconds, seed=0):
    """Noise that becomes louder, so that no part has the statistics of the whole."""
    rng = np.random.default_rng(seed)
    samples = rng.normal(size=int(seconds * RATE))
    loud = np.geomspace(0.001, 0.2, len(samples))
    return np.clip(loud * samples, -1, 1).astype("float32")


def built(preset, **settings):
    model = preset.with_settings({"recipe.precision": "float32", **settings}).build()
    draw_weights(model)
    model.task = replace(model.task, max_seconds=1.5)
    return model


def runner(model):
    return model.task.runner(model, model.task.search)


def log_probabilities(output):
    return ops.convert_to_numpy(ops.log_softmax(output["ctc_logits"]))[0]


def alone(samples):
    return {"source": samples[None], "source_lengths": np.array([len(samples)])}


def at_once(model, samples):
    return model.predict_on_batch(alone(samples))


@pytest.fixture(scope="module", params=["per_feature", "global", "none"])
def convolutional(request):
    preset = PRESETS.get("quartznet_5x3").scaled()
    return built(preset, **{"features.normalization": request.param})


@pytest.mark.parametrize("samples", [7.31 * RATE, 8 * RATE, 3 * RATE + 1])
def test_joined_frames_of_convolutions_are_those_of_the_whole(convolutional, samples):
    source = audio(samples / RATE)
    reader = LongAudio(convolutional, convolutional.features, seconds=1.5)
    blocks = [source[:5000], source[5000:30001], source[30001:]]
    joined = log_probabilities(reader.output(lambda: blocks))
    whole = log_probabilities(compiled(convolutional)(alone(source)))
    assert np.ptp(whole, axis=0).max() > 0.1
    np.testing.assert_allclose(joined, whole, atol=1e-4)


def test_batches_have_one_shape(convolutional, monkeypatch):
    shapes, predict = set(), convolutional.predict_on_batch
    rows = []

    def recorded(inputs):
        shapes.add(inputs["source"].shape)
        rows.append(int((inputs["source_lengths"] > 0).sum()))
        return predict(inputs)

    monkeypatch.setattr("s2s_zoo.tasks.long_audio.BATCH_SECONDS", 6.0)
    monkeypatch.setattr(convolutional, "predict_on_batch", recorded)
    source = audio(10.0)
    LongAudio(convolutional, convolutional.features, 1.5).output(lambda: [source])
    assert len(shapes) == 1
    assert len(rows) > 1
    assert rows[-1] < rows[0]


def make_talkative(model, source):
    """Let what lies above its mean over time be heard: every character, in turns."""
    kernel, bias = model.decoder.trainable_variables
    mean = log_probabilities(at_once(model, source)).mean(axis=0)
    bias.assign(ops.convert_to_numpy(bias) - mean)
    for variable in (kernel, bias):
        variable.assign(30 * ops.convert_to_numpy(variable))


def test_a_recurrent_recognizer_hears_the_same_words_at_the_same_times(tmp_path):
    model = built(tiny_preset())
    source, path = audio(81.3), tmp_path / "long.wav"
    write_wav(path, source, RATE)
    make_talkative(model, source)
    reader = runner(model)
    assert reader.long_audio.windows.samples < 33 * RATE
    [found] = reader.run([path])
    output = at_once(model, read_audio(path, RATE))
    whole = reader.result(reader.search.read(output)[0])
    assert len(set(found.output)) > 1
    assert found.output == whole.output
    assert [w["text"] for w in found.details["words"]] == found.output.split()
    for word, expected in zip(
        found.details["words"], whole.details["words"], strict=True
    ):
        assert word["start"] == expected["start"]
        assert word["end"] == expected["end"]
        assert word["confidence"] == pytest.approx(expected["confidence"], abs=1e-3)
    assert found.details["words"][-1]["end"] > 40


def test_long_files_short_files_and_waveforms_keep_their_order(tmp_path):
    model = built(PRESETS.get("quartznet_5x3").scaled())
    long, short, bad = (tmp_path / f"{n}.wav" for n in ("long", "short", "bad"))
    write_wav(long, audio(4.0), RATE)
    write_wav(short, audio(0.7, seed=1), RATE)
    bad.write_bytes(b"RIFFnothing")
    results = runner(model).run([long, short, bad, audio(4.0), audio(0.7, seed=1)])
    errors = [bool(result.error) for result in results]
    assert errors == [False, False, True, False, False]
    for path, result in ((long, results[0]), (short, results[1])):
        output = at_once(model, read_audio(path, RATE))
        reader = runner(model)
        whole = reader.result(reader.search.read(output)[0])
        assert result.output == whole.output != ""


def test_what_is_wrong_with_a_long_file_is_its_error(tmp_path):
    soundfile = pytest.importorskip("soundfile")
    samples, path = audio(4.0), tmp_path / "bad.wav"
    samples[-5:] = np.nan
    soundfile.write(path, samples, RATE, "FLOAT")
    [result] = runner(built(PRESETS.get("quartznet_5x3").scaled())).run([path])
    assert result.error == f"{path}: 5 samples are NaN or infinite"


def test_a_picture_of_long_audio_shows_its_first_window(tmp_path):
    model = built(PRESETS.get("quartznet_5x3").scaled())
    path, picture = tmp_path / "long.wav", tmp_path / "long.png"
    write_wav(path, audio(4.0), RATE)
    asked, predict = [], model.predict_on_batch
    model.predict_on_batch = lambda inputs: asked.append(inputs) or predict(inputs)
    model.task.picture(model, model.task.as_example(path), picture)
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert [inputs["source"].shape[1] for inputs in asked] == [24000]


GROWTH = """
import resource, sys
from tests.tasks.test_long_audio import PRESETS, built, runner

reader = runner(built(PRESETS.get("quartznet_5x3").scaled()))
for path in sys.argv[1:]:
    reader.run([path])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def test_ten_times_the_audio_takes_less_than_its_own_size_of_memory(tmp_path):
    paths = [tmp_path / "short.wav", tmp_path / "long.wav"]
    for path, seconds in zip(paths, (120, 1200), strict=True):
        write_wav(path, audio(seconds), RATE)
    done = prepared.run([sys.executable, "-c", GROWTH, *paths])
    assert done.returncode == 0, done.stderr
    short, long = map(int, done.stdout.split()[-2:])
    waveform = 1200 * RATE * 4 // 2**20
    assert long - short < waveform


def test_progress_adds_up_to_the_inputs(monkeypatch):
    monkeypatch.setattr("s2s_zoo.tasks.long_audio.BATCH_SECONDS", 6.0)
    reader, told = runner(built(PRESETS.get("quartznet_5x3").scaled())), []
    replace(reader, progress=told.append).run([audio(10.0), audio(0.7, seed=1)])
    assert len(told) > 3
    assert all(share >= 0 for share in told)
    assert sum(told) == pytest.approx(2)
