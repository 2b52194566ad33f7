"""One preset directory on every backend: the same logits, the same transcripts."""

import importlib.util
import itertools
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.models.seq2seq import Seq2Seq
from tests.gradients import compiled
from tests.speech_corpus import RATE, tones
from tests.tiny import draw_weights, exact_model, speech_batch

HERE = keras.backend.backend()
OTHERS = [name for name in ("tensorflow", "jax", "torch") if name != HERE]
NAMES = ("deepspeech2_small", "lstm_ctc_small")
LOGITS = 1e-4
"""How far backends may lie apart, absolute."""

PROGRAM = """
import sys
from tests.models.test_backends import answer
answer(*sys.argv[1:])
"""


def run(model, inputs):
    call = compiled(lambda inputs: model(inputs))
    return {k: ops.convert_to_numpy(v) for k, v in call(inputs).items()}


def wavs(directory):
    return sorted(str(path) for path in Path(directory).glob("*.wav"))


def answer(directory, output):
    """Logits of a batch and transcripts of the files, of each preset in there."""
    found = {}
    for name in NAMES:
        model = Seq2Seq.from_preset(Path(directory) / name, load_weights=True)
        found[f"{name} logits"] = run(model, speech_batch()[0])["ctc_logits"]
        found[f"{name} texts"] = model.generate(wavs(directory))
    np.savez(output, **found)


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    """Two recordings of different length and what is written about them."""
    directory = tmp_path_factory.mktemp("presets")
    for i, text in enumerate(("deacb", "bd")):
        rng = np.random.default_rng(i)
        write_wav(directory / f"{i}.wav", tones(text, rng), RATE)
    return directory


def hear(model, path):
    """Logits (T, V+1) of a file alone."""
    source = read_audio(path, RATE)
    lengths = np.array([len(source)], "int32")
    output = run(model, {"source": source[None], "source_lengths": lengths})
    assert output["mask"].all()
    return output["ctc_logits"][0]


def make_talkative(model, files, seed):
    """Draw weights whose bias lets every character take turns."""
    draw_weights(model, seed)
    dense = model.decoder.dense
    dense.kernel.assign(4 * ops.convert_to_numpy(dense.kernel))
    logits = np.concatenate([hear(model, path) for path in files])
    dense.bias.assign(ops.convert_to_numpy(dense.bias) - logits.mean(axis=0))


def margin(model, files):
    """How far the likeliest class of a frame is above the next, at the least."""
    ranked = np.sort(np.concatenate([hear(model, path) for path in files]), axis=-1)
    return np.min(ranked[:, -1] - ranked[:, -2])


@pytest.fixture(scope="module")
def models(directory):
    """Saved models of random weights that hear characters, none of them by a hair."""
    built = {}
    for name in NAMES:
        model = built[name] = exact_model(name)
        for seed in range(20):
            make_talkative(model, wavs(directory), seed)
            if margin(model, wavs(directory)) > 2 * LOGITS:
                break
        model.save_to_preset(directory / name)
    return built


@pytest.fixture(scope="module", params=OTHERS)
def elsewhere(request, models, directory):
    """The answers of another backend, all from one process."""
    if importlib.util.find_spec(request.param) is None:
        pytest.skip(f"the other backend: pip install {request.param}")
    output = directory / f"{request.param}.npz"
    environment = {**os.environ, "KERAS_BACKEND": request.param}
    command = [sys.executable, "-c", PROGRAM, str(directory), str(output)]
    root = Path(__file__).parents[2]
    subprocess.run(command, env=environment, cwd=root, check=True, timeout=500)
    with np.load(output) as answers:
        return dict(answers)


@pytest.mark.parametrize("name", NAMES)
def test_logits_are_the_same_on_another_backend(models, elsewhere, name):
    expected = run(models[name], speech_batch()[0])["ctc_logits"]
    actual = elsewhere[f"{name} logits"]
    np.testing.assert_allclose(actual, expected, rtol=0, atol=LOGITS)


@pytest.mark.parametrize("name", NAMES)
def test_transcripts_are_the_same_on_another_backend(
    models, elsewhere, directory, name
):
    texts = models[name].generate(wavs(directory))
    assert elsewhere[f"{name} texts"].tolist() == texts


def best_path(logits, alphabet):
    """The transcript of logits (T, V+1) by the definition, the blank last."""
    runs = [token for token, _ in itertools.groupby(logits.argmax(axis=-1))]
    return "".join(alphabet[token] for token in runs if token < len(alphabet))


@pytest.mark.parametrize("name", NAMES)
def test_files_are_transcribed_by_the_model_and_its_copy(models, directory, name):
    model, files = models[name], wavs(directory)
    logits = [hear(model, path) for path in files]
    assert margin(model, files) > 2 * LOGITS, "a near tie"
    expected = [best_path(part, model.task.alphabet) for part in logits]
    assert min(len(set(text)) for text in expected) >= 3
    assert expected[0] != expected[1]
    assert model.generate(files) == expected
    assert Seq2Seq.from_preset(directory / name).generate(files) == expected
