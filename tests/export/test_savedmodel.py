"""A SavedModel says what the model says, and needs nothing but TensorFlow."""

import json
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.export.formats import FORMATS
from s2s_zoo.export.savedmodel import run_saved_model, write_saved_model
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.search import CTCBeam
from s2s_zoo.workflows.export import export
from s2s_zoo.workflows.reporting import Reporter
from tests import prepared
from tests.runs import write_request
from tests.tiny import draw_weights, tiny_preset

pytestmark = [
    pytest.mark.skipif(
        keras.backend.backend() != "tensorflow",
        reason="the tensorflow backend writes SavedModels",
    ),
    pytest.mark.usefixtures("warm_exports"),
]

TOLERANCE = 1e-4

CLIENT = """
import json, sys

for name in ("keras", "s2s_zoo"):
    sys.modules[name] = None
import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
rows = list(np.load(sys.argv[2]).values())
source = tf.ragged.constant(rows, dtype=tf.float32).to_tensor()
lengths = tf.constant([len(row) for row in rows])
default = loaded.signatures["serving_default"](source=source, source_lengths=lengths)
found = loaded.serve(source, lengths) | loaded.log_probabilities(source, lengths)
print(json.dumps({
    "signatures": sorted(loaded.signatures),
    "default": [text.decode() for text in default["text"].numpy()],
    "text": [text.decode() for text in found["text"].numpy()],
    **{k: v.numpy().tolist() for k, v in found.items() if k != "text"},
}))
"""


class Notes(Reporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def write_run(path, preset):
    """A run directory of an untrained model that says something."""
    keras.utils.set_random_seed(1)
    preset = PRESETS.get(preset).scaled().with_settings({"encoder.rnn_layers": 1})
    model = preset.build()
    model.save_to_preset(path / "preset")
    return path


def noise(*seconds):
    rng = np.random.default_rng(5)
    return [rng.normal(0, 0.1, int(s * 16000)).astype(np.float32) for s in seconds]


def client(exported, rows, folder):
    """What a process without Keras and s2s-zoo makes of the rows, and its stderr."""
    np.savez(folder / "rows.npz", *rows)
    arguments = [sys.executable, "-c", CLIENT, str(exported), str(folder / "rows.npz")]
    done = prepared.run(arguments, server=prepared.without_keras)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout), done.stderr


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return write_run(tmp_path_factory.mktemp("run"), "deepspeech2_small")


@pytest.fixture(scope="module")
def exported(run):
    notes = Notes()
    result = export(run=run, reporter=notes)
    assert [n.split(":")[0] for n in notes.notes] == ["Compared on generated inputs"]
    assert (result.format, result.path) == (
        "savedmodel",
        str(run / "export/savedmodel"),
    )
    assert 0 <= result.max_abs_difference <= TOLERANCE
    return run / "export/savedmodel"


def check(model, rows, found):
    assert found["text"] == found["default"] == model.generate(rows)
    assert len(set(found["text"])) == len(rows), "untrained, yet it says something"
    tokens = np.array(found["tokens"])
    assert [model.task.decode(row) for row in tokens] == found["text"]
    assert found["token_lengths"] == (tokens >= 0).sum(axis=1).tolist()
    scores = np.array(found["log_probabilities"])
    frames = [1 + len(row) // 160 for row in rows]
    assert found["lengths"] == [-(-n // 2) for n in frames]
    for row, score, length in zip(rows, scores, found["lengths"], strict=True):
        alone = {"source": row[None], "source_lengths": np.array([len(row)])}
        logits = model(alone, training=False)["ctc_logits"]
        expected = keras.ops.convert_to_numpy(keras.ops.log_softmax(logits))[0]
        np.testing.assert_allclose(score[:length], expected, atol=TOLERANCE)
    np.testing.assert_allclose(np.exp(scores).sum(axis=-1), 1, atol=1e-5)


def test_serves_without_the_package(run, exported, tmp_path):
    rows = noise(0.31, 0.67, 0.5)
    found, errors = client(exported, rows, tmp_path)
    assert found["signatures"] == ["log_probabilities", "serve", "serving_default"]
    check(Seq2Seq.from_preset(run / "preset"), rows, found)
    assert "gradient" not in errors


def test_serves_real_speech(run, exported, tmp_path, data_dir):
    model = Seq2Seq.from_preset(run / "preset")
    utterances = sorted(model.task.read("librispeech", "test"), key=lambda u: u.seconds)
    reader = model.task.runner(model, model.task.search)
    rows = [reader.source(u.source) for u in utterances[:3]]
    found, _ = client(exported, rows, tmp_path)
    check(model, rows, found)


def test_says_what_goes_in_and_out(exported):
    described = json.loads((exported / "serving.json").read_text())
    assert described["alphabet"] == " abcdefghijklmnopqrstuvwxyz'"
    assert (described["sample_rate"], described["frame_seconds"]) == (16000, 0.02)
    serve = described["signatures"]["serve"]
    assert serve["inputs"]["source"] == {"shape": [None, None], "dtype": "float32"}
    assert serve["inputs"]["source_lengths"] == {"shape": [None], "dtype": "int32"}
    assert serve["outputs"] == {
        "text": {"shape": [None], "dtype": "string"},
        "tokens": {"shape": [None, None], "dtype": "int32"},
        "token_lengths": {"shape": [None], "dtype": "int32"},
    }
    assert described["signatures"]["log_probabilities"]["outputs"] == {
        "log_probabilities": {"shape": [None, None, 29], "dtype": "float32"},
        "lengths": {"shape": [None], "dtype": "int32"},
    }


@pytest.fixture(scope="module")
def exported_features(tmp_path_factory):
    """A run of a mixed_float16 model that learned from features, exported."""
    folder = tmp_path_factory.mktemp("features")
    run = write_run(folder / "run", "lstm_ctc_small")
    rng = np.random.default_rng(0)
    rows = {f"u{i}": rng.normal(size=(60 + i, 13)).astype("f") for i in range(3)}
    np.savez(folder / "features.npz", **rows)
    lines = [f"{name},{len(row)},a" for name, row in rows.items()]
    manifest = folder / "features.csv"
    manifest.write_text("\n".join(["utt,frames,transcript", *lines, ""]))
    write_request(run, "lstm_ctc_small", manifest)
    notes = Notes()
    export(run=run, reporter=notes)
    assert notes.notes == [], "compared on the examples of the run"
    return run


def test_a_model_of_features_takes_features(exported_features):
    path = exported_features / "export/savedmodel/serving.json"
    inputs = json.loads(path.read_text())["signatures"]["serve"]["inputs"]
    assert inputs["source"]["shape"] == [None, None, 13]


def test_mixed_precision_is_exported_in_float32(exported_features):
    """It says what the weights say in float32, closer than float16 can."""
    preset = exported_features / "preset"
    assert '"dtype": "mixed_float16"' in (preset / "config.json").read_text()
    float32 = {"dtype": "float32"}
    model = Seq2Seq.from_preset(preset, encoder=float32, decoder=float32)
    source = np.random.default_rng(1).normal(size=(2, 90, 13)).astype(np.float32)
    batch = {"source": source, "source_lengths": np.array([90, 50], np.int32)}
    inputs = {f"log_probabilities/{name}": value for name, value in batch.items()}
    found = run_saved_model(exported_features / "export/savedmodel", [inputs])[0]
    scores = found["log_probabilities/log_probabilities"]
    expected = keras.ops.log_softmax(model(batch, training=False)["ctc_logits"])
    assert scores.dtype == np.float32
    np.testing.assert_allclose(scores, keras.ops.convert_to_numpy(expected), atol=1e-5)


def test_a_run_that_searches_by_a_lexicon_is_exported_with_it(tmp_path):
    (tmp_path / "words.txt").write_text("zoo\n")
    search = CTCBeam(beam=4, lexicon=str(tmp_path / "words.txt"))
    preset = tiny_preset()
    model = replace(preset, task=replace(preset.task, search=search)).build()
    draw_weights(model)
    model.save_to_preset(tmp_path / "run" / "preset")
    assert export(run=tmp_path / "run").max_abs_difference < TOLERANCE
    exported = tmp_path / "run/export/savedmodel"
    (asset,) = (exported / "assets.extra").iterdir()
    assert asset.read_text() == "zoo\n"
    described = json.loads((exported / "serving.json").read_text())
    assert described["search"] == "beam=4,lexicon=lexicon-words.txt"


def changed_weight(serving, path):
    write_saved_model(serving, path)
    bias = serving.model.variables[-1]
    bias.assign(bias + np.linspace(0, 1, bias.shape[0], dtype="float32"))


def not_a_model(serving, path):
    path.mkdir()
    (path / "saved_model.pb").write_text("nonsense")


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (changed_weight, r"log_probabilities/log_probabilities on inputs .*: by \d"),
        (not_a_model, "does not run where s2s-zoo is absent"),
    ],
)
def test_what_differs_is_refused(run, tmp_path, monkeypatch, write, message):
    broken = replace(FORMATS["savedmodel"], write=write)
    monkeypatch.setitem(FORMATS, "savedmodel", broken)
    with pytest.raises(UserError, match=message):
        export(run=run, output=tmp_path / "made" / "out")
    assert list((tmp_path / "made").iterdir()) == []
