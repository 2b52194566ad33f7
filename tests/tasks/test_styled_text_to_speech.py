"""Speech in a style: by a recording, by weights, or the mean."""

import re
import signal
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.manifests import read_manifest
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.export import export
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.train import train
from tests.speech_corpus import RATE, tones
from tests.tiny import draw_weights, searched

pytestmark = pytest.mark.usefixtures("undrawn")
NAME = "tacotron2_gst_small"
PRESET, FULL = PRESETS.get(NAME).scaled(), PRESETS.get(NAME).settings()
TEXTS = ("abc", "de", "abcde", "ba", "cab", "dab")
STEPS = 4
TOKEN = "0/0/1/0/0"


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    folder = tmp_path_factory.mktemp("voice")
    (folder / "wavs").mkdir()
    rng = np.random.default_rng(0)
    for i, text in enumerate(TEXTS):
        write_wav(folder / "wavs" / f"{i}.wav", tones(text, rng), RATE)
    lines = (f"{i}|{text}|{text}\n" for i, text in enumerate(TEXTS))
    (folder / "metadata.csv").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def asked(corpus):
    """What to train: a tiny model, for a few steps."""
    changed = {p: v for p, v in PRESET.settings().items() if v != FULL[p]}
    changed |= {"recipe.max_steps": STEPS, "recipe.checkpoint_every": 2}
    changed |= {"recipe.validate_every": STEPS, "task.buckets": 1}
    changed |= {"task.vocoder.iterations": 2, "task.search.stop": 0.999}
    changed |= {"task.search.frames_per_token": 3.0, "task.search.extra_frames": 5}
    return {"preset": NAME, "data": str(corpus), "settings": changed}


@pytest.fixture(scope="module")
def run(asked, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "run"
    assert train(**asked, run_dir=run).steps == STEPS
    return run


@pytest.fixture(scope="module")
def model(run):
    """What was trained, with weights among which styles can be heard."""
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    draw_weights(model)
    return model


@pytest.fixture(scope="module")
def wav(corpus):
    return str(corpus / "wavs" / "1.wav")


def frames(found):
    return found[0]["output"].frames


def test_a_style_is_that_of_a_recording_of_weights_or_the_mean(model, wav, corpus):
    task = model.task
    weights = task.weights(model, wav)
    assert weights.shape == (2, 5)
    np.testing.assert_allclose(weights.sum(1), 1, rtol=1e-5)
    example = next(u for u in read_manifest(corpus) if u.transcript == TEXTS[1])
    batches = task.batches([example])
    (batch,) = batches.plan(1000.0, shuffle=False).epoch(0)
    inputs, _ = batches.load(batch)
    found = model.encoder.weigh(inputs["target"], inputs["target_lengths"])
    np.testing.assert_allclose(ops.convert_to_numpy(found)[0], weights, atol=1e-5)
    assert not task.weights(model, "mean").any()
    np.testing.assert_array_equal(task.weights(model, TOKEN)[1], [0, 0, 1, 0, 0])

    spoken = {
        style: frames(task.infer(model, ["abc"], f"style={style}"))
        for style in ("mean", TOKEN, wav)
    }
    default = frames(task.infer(model, ["abc"]))
    np.testing.assert_array_equal(default, spoken["mean"])
    for style, other in ((TOKEN, "mean"), (wav, TOKEN), (wav, "mean")):
        size = min(len(spoken[style]), len(spoken[other]))
        assert np.abs(spoken[style][:size] - spoken[other][:size]).max() > 1e-4
    (again,) = model.generate(["abc"], style=wav)
    np.testing.assert_allclose(again.frames, spoken[wav], atol=1e-5)


@pytest.mark.parametrize(
    "style",
    [
        *("sad.wav", "0.2/0.8", "1/1/1/1/-1", "0/0/0/0/0", "1/1/1/1/x"),
        *("nan/1/1/1/1", "inf/1/1/1/1", ""),
    ],
)
def test_what_is_no_style_is_one_error(model, style):
    accepted = "style is mean, an audio file, or 5 weights from 0 with slashes"
    with pytest.raises(UserError, match=f"{accepted}.*{re.escape(style)}"):
        model.task.infer(model, ["abc"], f"style={style}")


def test_a_style_needs_what_can_be_heard_and_a_model_that_has_styles(
    model, run, tmp_path
):
    (tmp_path / "text.wav").write_text("no sound")
    write_wav(tmp_path / "empty.wav", np.zeros(0, "float32"), RATE)
    for name, message in (("text.wav", "text.wav"), ("empty.wav", "empty.wav")):
        with pytest.raises(UserError, match=message):
            infer(run=run, inputs=["abc"], search=f"style={tmp_path / name}")
    with pytest.raises(UserError, match="style=own is that of the recording"):
        infer(run=run, inputs=["abc"], search="style=own")
    with pytest.raises(UserError, match="style is text"):
        model.generate(["abc"], style=0.5)
    with pytest.raises(UserError, match="Received: style"):
        PRESETS.get("tacotron2_small").task.search.parse("style=mean")


def test_an_evaluation_speaks_in_the_style_of_each_recording_if_asked(model, corpus):
    example = read_manifest(corpus)[1]
    assert model.task.validation_search == "style=own"
    found = model.task.validate(model, [example], 100.0, lambda _: None)
    assert "|style:own" in found.signature
    own = found.outputs[0].output.frames
    alone = model.generate([example.transcript] * 2, style=example.source)
    np.testing.assert_allclose(own, alone[0].frames, atol=1e-4)


def test_all_styles_are_spoken_by_one_graph(model):
    model.generate(["abc"])
    graph = model.predict_function
    model.generate(["abc"], style=TOKEN)
    assert model.predict_function is graph


def test_free_running_is_teacher_forcing_with_what_it_wrote(model):
    ids = [model.task.text.encode(text) for text in ("abc", "de")]
    sources = np.zeros((2, max(map(len, ids))), "int32")
    for row, one in zip(sources, ids, strict=True):
        row[: len(one)] = one
    style = np.random.default_rng(0).dirichlet(np.ones(5), (2, 2)).astype("float32")
    inputs = {"source": sources, "source_lengths": np.array([*map(len, ids)], "int32")}
    inputs = {
        n: ops.convert_to_tensor(v) for n, v in {**inputs, "style": style}.items()
    }
    search = replace(model.task.search, stop=1 - 1e-9)
    free = searched(model, inputs, search)
    forced = model(
        {**inputs, "target": free["frames"], "target_lengths": free["lengths"]},
        training=False,
    )
    for name in ("frames", "refined"):
        pair = (ops.convert_to_numpy(found[name]) for found in (free, forced))
        for one, other, length in zip(*pair, free["lengths"], strict=True):
            np.testing.assert_allclose(one[:length], other[:length], atol=2e-5)


def test_every_token_learns_and_the_mean_style_follows():
    keras.utils.set_random_seed(0)
    model = PRESET.build()
    model.compile(optimizer=keras.optimizers.SGD(0.1))
    (inputs, target), _ = model.task.random_batch(1.0)
    bank = model.encoder.bank
    before, mean = (ops.convert_to_numpy(w).copy() for w in (bank.bank, bank.mean))
    model.train_on_batch(inputs, target)
    assert (ops.convert_to_numpy(bank.bank) != before).any(axis=1).all()
    assert (ops.convert_to_numpy(bank.mean) != mean).any()
    np.testing.assert_allclose(ops.convert_to_numpy(bank.mean).sum(1), 1, rtol=1e-5)


@pytest.mark.usefixtures("warm_exports")
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)
def test_a_saved_model_takes_a_style(run, wav, tmp_path):
    assert export(run=run, output=tmp_path / "saved").max_abs_difference < 1e-4
    import tensorflow as tf

    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    serve = tf.saved_model.load(str(tmp_path / "saved")).signatures["serve_tokens"]
    ids = model.task.text.encode("bad cab")
    for style in ("mean", TOKEN, wav):
        said = serve(
            source=ids[None],
            source_lengths=np.array([len(ids)], "int32"),
            style=model.task.weights(model, style)[None],
        )
        (speech,) = model.generate(["bad cab"], style=style)
        count = int(said["lengths"][0])
        assert count == len(speech.samples) > 0
        np.testing.assert_allclose(
            said["waveforms"][0, :count], speech.samples, atol=1e-3
        )


class Stopping(Reporter):
    """Sends the signal of Ctrl-C half way."""

    def stepped(self, report):
        if report.step == STEPS // 2:
            signal.raise_signal(signal.SIGINT)


@pytest.mark.slow
def test_resumes_in_the_same_bits_with_the_mean_style(asked, run, tmp_path):
    part = tmp_path / "part"
    assert train(**asked, run_dir=part, reporter=Stopping()).interrupted
    assert train(preset=NAME, run_dir=part, resume=True).steps == STEPS
    one, other = map(variables, (run, part))
    assert len(one) == len(other)
    assert any("mean" in name for name in one)
    for (name, array), found in zip(one.items(), other.values(), strict=True):
        np.testing.assert_array_equal(found, array, name)


def variables(run):
    with np.load(run / f"checkpoints/step-{STEPS:08d}/variables.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}
