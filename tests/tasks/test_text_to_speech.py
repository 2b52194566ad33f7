"""Speech from text: what is trained on, spoken, written and drawn."""

import wave
from dataclasses import replace

import keras
import numpy as np
import pytest

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.data.manifests import read_manifest
from s2s_zoo.data.padding import pad
from s2s_zoo.data.voices import TAIL, VoiceBatches, recorded, trimmed
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.speaker import Speech
from s2s_zoo.workflows.check_data import check_data
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.export import export
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train
from tests.speech_corpus import RATE, tones

pytestmark = pytest.mark.usefixtures("loaded_once")
TEXTS = ("abc", "de", "abcde", "ba", "cab", "dab")
PRESET = PRESETS.get("tacotron2_small").scaled()
FULL = PRESETS.get("tacotron2_small").settings()
STRIDE = PRESET.task.spectrogram.stride
FRAMES = {n: v for n, v in PRESET.settings().items() if "spectrogram" in n}


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """A folder as LJSpeech has it."""
    folder = tmp_path_factory.mktemp("voice")
    (folder / "wavs").mkdir()
    rng = np.random.default_rng(0)
    for i, text in enumerate(TEXTS):
        write_wav(folder / "wavs" / f"{i}.wav", tones(text, rng), RATE)
    lines = (f"{i}|{text.upper()}|{text}\n" for i, text in enumerate(TEXTS))
    (folder / "metadata.csv").write_text("".join(lines))
    return folder


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    """Three steps of a tiny model."""
    run = tmp_path_factory.mktemp("runs") / "run"
    settings = PRESET.settings()
    changed = {p: v for p, v in settings.items() if v != FULL[p]}
    settings = changed | {"recipe.max_steps": 3, "recipe.validate_every": 3}
    settings |= {"task.buckets": 1, "task.vocoder.iterations": 2}
    settings |= {"task.search.frames_per_token": 3.0, "task.search.stop": 0.999}
    settings |= {"task.search.extra_frames": 5}
    result = train(
        preset="tacotron2_small", data=str(corpus), run_dir=run, settings=settings
    )
    assert result.steps == 3
    return run


def test_a_training_shows_and_speaks_a_held_out_sentence_at_each_validation(run):
    for name in ("example.png", "step-00000003.png"):
        assert (run / "plots" / name).read_bytes().startswith(b"\x89PNG")
    with wave.open(str(run / "plots" / "step-00000003.wav")) as file:
        assert file.getframerate() == RATE


def test_speech_is_written_drawn_and_told(run, tmp_path):
    output, picture = tmp_path / "hello.wav", tmp_path / "p.png"
    (found,) = infer(run=run, inputs=["Abc, de"], output=output, plot=picture)
    speech = found["output"]
    with wave.open(str(output)) as file:
        form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
        assert form == (1, 2, RATE)
        assert file.getnframes() == len(speech.samples) > 0
    assert str(speech).startswith(f"{found['seconds']:.2f} s of speech at 16000 Hz")
    assert np.abs(speech.samples).max() <= 1
    assert picture.is_file()
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    (again,) = model.generate(["Abc, de"])
    np.testing.assert_allclose(again.samples, speech.samples, atol=1e-4)
    assert (again.samples.dtype, again.sample_rate) == ("float32", RATE)
    assert again.alignment.shape == (len(again.frames), len("abc, de") + 1)


def test_frames_sound_by_the_vocoder_that_is_named(run, tmp_path):
    keras.utils.set_random_seed(0)
    vocoder = PRESETS.get("wavenet_small").scaled().with_settings(FRAMES).build()
    vocoder.save_to_preset(tmp_path / "wavenet")
    short = "frames_per_token=1,extra_frames=2"
    found, plain, named = (
        infer(run=run, inputs=["ab", "\u05d0"], search=short, vocoder=name)
        for name in (tmp_path / "wavenet", "", "griffin-lim")
    )
    made, speech = found[0]["output"], plain[0]["output"]
    (expected,) = vocoder.generate([speech.frames])
    np.testing.assert_array_equal(made.samples, expected.samples)
    assert len(made.samples) == len(speech.frames) * STRIDE
    assert found[0]["finished"] == plain[0]["finished"]
    assert "error" in found[1]
    again = named[0]["output"].samples
    np.testing.assert_allclose(again, speech.samples, atol=1e-4)


def test_a_vocoder_of_other_frames_is_refused(run, tmp_path):
    other = {"task.spectrogram.sample_rate": 8000, "task.spectrogram.f_max": 4000.0}
    preset = PRESETS.get("wavenet_small").scaled().with_settings(FRAMES | other)
    preset.build().save_to_preset(tmp_path / "wavenet")
    differ = r"wavenet: .* sample_rate 16000 and 8000, f_max 8000\.0 and 4000\.0"
    with pytest.raises(UserError, match=differ):
        infer(run=run, inputs=["ab"], vocoder=tmp_path / "wavenet")
    with pytest.raises(UserError, match="a model for text_to_speech; expected vocod"):
        infer(run=run, inputs=["ab"], vocoder=run)
    with pytest.raises(UserError, match="vocoding writes no frames for a vocoder"):
        infer(run=run_of(tmp_path), inputs=["ab"], vocoder="griffin-lim")


def run_of(folder):
    """A run directory with the model that lies in `wavenet`."""
    (folder / "run").mkdir()
    (folder / "wavenet").rename(folder / "run" / "preset")
    return folder / "run"


def test_what_cannot_be_said_is_told_in_its_place(run, tmp_path):
    output = tmp_path / "out.wav"
    found = infer(run=run, inputs=["abc", "\u05d0", " ", "de"], output=output)
    assert ["error" in result for result in found] == [False, True, True, False]
    assert "['\u05d0']" in found[1]["error"]
    assert "Nothing to say" in found[2]["error"]
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["out-1.wav", "out-4.wav"]


def test_an_evaluation_measures_what_is_spoken(run, corpus):
    found = evaluate(run=run, data=str(corpus), split="validation")
    metrics = found.metrics
    assert next(iter(metrics)) == "mel_cepstral_distortion"
    assert metrics["mel_cepstral_distortion"] > 0
    assert 0 <= metrics["stop_accuracy"] <= 1
    assert np.isfinite(metrics["loss"])
    assert str(found.outputs[0].reference) in TEXTS
    assert "mcd:13,dtw|f0:pyin,dtw" in found.signature
    assert list(metrics)[-1] == "loss"
    assert 0 <= metrics["voicing_error_rate"] <= 1
    low, high = found.confidence["voicing_error_rate"]
    assert low <= metrics["voicing_error_rate"] <= high


def test_a_recording_that_is_what_it_should_be_costs_nothing(corpus):
    task, utterances = PRESET.task, read_manifest(corpus)
    outcomes = []
    for one in utterances:
        reference = task.reference(one)
        speech = Speech(reference.frames, np.eye(len(reference.frames)), True, task)
        outcomes.append(Outcome(one.name, reference, speech))
    values = {name: m.value for name, m in task.measures(outcomes).items()}
    assert values["mel_cepstral_distortion"] == 0
    assert values["duration_error"] == 0
    assert values["stop_accuracy"] == 1
    (outcome, *_) = outcomes
    heard = outcome.reference.pitch
    assert len(heard) == len(outcome.reference.frames)
    outcome.output.__dict__["samples"] = read_audio(utterances[0].source, RATE)
    values = {n: m.value for n, m in task.further_measures(outcomes[:1]).items()}
    assert values == {"f0_error_cents": 0, "voicing_error_rate": 0}


def test_batches_hold_frames_and_where_to_stop(corpus):
    task, utterances = PRESET.task, read_manifest(corpus)
    batches = task.batches(utterances)
    (batch, *_) = batches.plan(1000.0, shuffle=False).epoch(0)
    inputs, target = batches.load(batch)
    for row, i in enumerate(batch.indices):
        frames = recorded(utterances[i], task.spectrogram, task.trim_db)
        length = target["target_lengths"][row]
        assert length == len(frames) + TAIL
        np.testing.assert_array_equal(target["target"][row, : len(frames)], frames)
        assert not target["target"][row, len(frames) :].any()
        where = np.flatnonzero(target["stop"][row])
        assert where.tolist() == list(range(len(frames), length))
        ids = inputs["source"][row, : inputs["source_lengths"][row]]
        assert ids.tolist() == task.text.encode(utterances[i].transcript).tolist()
    seconds = target["target_lengths"].sum() / task.spectrogram.frame_rate
    assert batches.units(inputs) == pytest.approx(seconds)


def test_what_cannot_be_read_is_an_empty_row(corpus, tmp_path):
    utterances = read_manifest(corpus)
    missing = replace(utterances[0], source=str(tmp_path / "none.wav"))
    shorter = replace(utterances[2], seconds=0.1)
    task = PRESET.task
    batches: VoiceBatches = task.batches([missing, shorter, utterances[1]])
    lengths = {}
    for batch in batches.plan(1000.0, shuffle=False).epoch(0):
        inputs, _ = batches.load(batch)
        for row, i in enumerate(batch.indices):
            lengths[i] = inputs["source_lengths"][row], inputs["target_lengths"][row]
    assert lengths[0] == lengths[1] == (0, 0)
    assert min(lengths[2]) > 0
    reasons = batches.unreadable
    assert "cannot be read" in reasons[missing.name]
    assert "longer than its manifest says" in reasons[shorter.name]


def test_silence_at_the_ends_is_cut():
    voice = tones("abc", np.random.default_rng(0))
    padded = np.pad(voice, (RATE, 2 * RATE))
    assert len(trimmed(padded, 40.0)) < len(voice) + RATE // 20
    assert len(trimmed(padded, 0.0)) == len(padded)


def test_a_check_hears_what_hurts_synthesis(corpus, tmp_path):
    (tmp_path / "wavs").mkdir()
    voice = tones("abc", np.random.default_rng(0))
    recordings = {
        "fine": voice,
        "clipped": np.clip(5 * voice, -1, 1),
        "late": np.pad(voice, (RATE, 0)),
        "long": np.pad(voice, (0, 2 * RATE)),
    }
    lines = []
    for name, audio in recordings.items():
        write_wav(tmp_path / "wavs" / f"{name}.wav", audio, RATE)
        lines.append(f"{name}|5 cabs|5 cabs\n")
    (tmp_path / "metadata.csv").write_text("".join(lines))
    report = check_data(data=str(tmp_path), preset="tacotron2_small")
    found = {
        kind: [name.rpartition(":")[2] for name, _ in pairs]
        for kind, pairs in report.findings.items()
    }
    assert sorted(found["silent_ends"]) == ["late", "long"]
    assert found["clipped"] == ["clipped"]
    assert "unknown_characters" not in found
    (late,) = (d for n, d in report.findings["silent_ends"] if n.endswith("late"))
    assert late.startswith("1.0")
    assert report.counts["usable"] == report.counts["utterances"] == 4


def test_what_cannot_be_learned_from_is_set_aside(corpus):
    task, utterances = PRESET.task, read_manifest(corpus)
    short, empty = (
        replace(utterances[0], name="short", seconds=0.1),
        replace(utterances[0], name="empty", transcript="\u2026 "),
    )
    found = task.select(None, [*utterances, short, empty], "here")
    assert [u.name for u in found.usable] == [u.name for u in utterances]
    assert sorted(found.dropped.values()) == [["empty"], ["short"]]
    assert len(task.select(None, [short], "here", training=False).usable) == 1
    with pytest.raises(UserError, match="here: no usable recording among 1"):
        task.select(None, [empty], "here")
    with pytest.raises(UserError, match="There are no recordings in here"):
        task.select(None, [], "here")
    strange = replace(utterances[0], transcript="\u05d0b \u05d0")
    with pytest.raises(UserError, match=r"Received also '\u05d0' 2 times"):
        task.select(None, [strange], "here")


def test_a_limit_is_told_from_a_stop(run):
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    dense = model.decoder.stop_dense
    learned = keras.ops.convert_to_numpy(dense.bias).copy()
    for bias, finished in ((-99.0, False), (99.0, True)):
        dense.bias.assign(np.full(dense.bias.shape, bias))
        (found,) = model.task.infer(model, ["abc"], "frames_per_token=2,extra_frames=4")
        assert found["finished"] == finished
        assert ("cut at the limit" in str(found["output"])) != finished
        assert len(found["output"].frames) == (0 if finished else 12)
        assert len(found["output"].samples) == 11 * STRIDE * (not finished)
    dense.bias.assign(learned)


@pytest.mark.usefixtures("warm_exports")
@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)
def test_a_saved_model_speaks_texts_and_ids(run, tmp_path):
    found = export(run=run, output=tmp_path / "saved")
    assert found.max_abs_difference < 1e-4
    import tensorflow as tf

    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    lines = ["Bad cab", "d\u00e9ad, abed"]
    ids = [model.task.text.encode(line) for line in lines]
    source, lengths = pad(ids, 2, 14, 0)
    speak = loaded.signatures["serve_tokens"]
    of_ids = speak(source=source, source_lengths=lengths)
    of_texts = loaded.signatures["serving_default"](source=tf.constant(lines))
    for row, speech in enumerate(model.generate(lines)):
        for said in (of_ids, of_texts):
            count = int(said["lengths"][row])
            assert count == len(speech.samples) > 0
            waveform = said["waveforms"][row, :count]
            np.testing.assert_allclose(waveform, speech.samples, atol=1e-4)
            frames = said["frames"][row, : len(speech.frames)]
            np.testing.assert_allclose(frames, speech.frames, atol=1e-5)
            assert not np.any(said["waveforms"][row, count:])
            assert int(said["sample_rate"]) == speech.sample_rate == RATE
    with pytest.raises(tf.errors.InvalidArgumentError, match="in words"):
        loaded.serve(tf.constant(["abc", "5 cabs"]))


def test_a_file_of_the_output_reads_back(tmp_path):
    frames = PRESET.task.spectrogram(tones("ab", np.random.default_rng(1)))
    speech = Speech(frames, np.zeros((len(frames), 1)), True, PRESET.task)
    PRESET.task.write([{"input": "ab", "output": speech}], tmp_path / "x.wav")
    audio = read_audio(tmp_path / "x.wav", RATE)
    np.testing.assert_allclose(audio, speech.samples, atol=1 / 32768)
