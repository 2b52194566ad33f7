"""Waveforms from spectrograms: pieces of recordings, costs, files."""

from dataclasses import replace

import numpy as np
import pytest

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.data.mu_law import encode_mu_law
from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.vocoding import Vocoding
from s2s_zoo.workflows.check_data import check_data
from s2s_zoo.workflows.infer import infer
from s2s_zoo.workflows.train import train
from tests.speech_corpus import RATE, write_corpus

pytestmark = pytest.mark.usefixtures("undrawn")
PRESET = PRESETS.get("wavenet_small").scaled()
FULL = PRESETS.get("wavenet_small").settings()


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"), train=3, validation=2)


@pytest.fixture(scope="module")
def run(corpus, tmp_path_factory):
    """Three steps of a tiny model."""
    run = tmp_path_factory.mktemp("runs") / "run"
    changed = {p: v for p, v in PRESET.settings().items() if v != FULL[p]}
    settings = changed | {"recipe.max_steps": 3, "recipe.validate_every": 3}
    result = train(
        preset="wavenet_small", data=str(corpus), run_dir=run, settings=settings
    )
    assert result.steps == 3
    assert 0 < result.validation["bits_per_sample"] < 8
    bits = result.validation["loss"] / np.log(2)
    assert result.validation["bits_per_sample"] == pytest.approx(bits, rel=1e-4)
    return run


def test_a_recording_is_spoken_again(run, corpus, tmp_path):
    model = Seq2Seq.from_preset(run / "preset", load_weights=True)
    task = model.task
    path, output = corpus / "test_0.wav", tmp_path / "again.wav"
    audio = read_audio(path, RATE)
    frames = task.spectrogram(audio)[:20]
    (made,) = model.generate([frames], seed=3)
    assert made.samples.shape == (20 * task.spectrogram.stride,)
    assert np.abs(made.samples).max() <= 1
    assert str(made) == "0.04 s of speech at 16000 Hz"
    short = tmp_path / "short.wav"
    write_wav(short, audio[: 20 * 32 - 1], RATE)
    (found,) = infer(run=run, inputs=[str(short)], output=output)
    assert len(read_audio(output, RATE)) == 20 * 32
    assert found["output"].sample_rate == RATE
    with pytest.raises(UserError, match=r"Frames are \(U, 6\)\. Received: \(5, 4\)"):
        model.generate([np.zeros((5, 4))])


def test_pieces_are_of_the_recording_and_score_what_has_context(corpus):
    task = replace(PRESET.task, crop_seconds=0.1)
    examples = task.read(str(corpus), "train")
    batches = task.batches(examples, training=True, seed=1)
    (batch, *_) = batches.plan(100.0, shuffle=False).epoch(0)
    stride, later = task.spectrogram.stride, 0
    for epoch in (None, 0, 1):
        inputs, target = batches.load(batch, epoch)
        for row, i in enumerate(batch.indices):
            audio = read_audio(examples[i].source, RATE)
            every = encode_mu_law(audio, task.classes)
            frames = task.spectrogram(audio)
            piece = inputs["source"][row]
            starts = [
                s
                for s in range(len(frames) - len(piece) + 1)
                if np.array_equal(frames[s : s + len(piece)], piece)
            ]
            assert len(starts) == 1
            (start,) = starts
            later += start > 0
            assert start == 0 or epoch is not None
            samples = every[start * stride :][: len(piece) * stride]
            length = inputs["target_lengths"][row]
            assert length == len(samples)
            np.testing.assert_array_equal(inputs["target"][row, :length], samples)
            skipped = task.context if start else 0
            assert (target["target"][row, :skipped] == -1).all()
            np.testing.assert_array_equal(
                target["target"][row, skipped:length], samples[skipped:]
            )
    assert later > 0


def test_data_is_checked_by_a_preset_that_reads_transcripts(corpus):
    with pytest.raises(UserError, match="vocoding reads no transcripts"):
        check_data(data=str(corpus), preset="wavenet_small")
    report = check_data(data=str(corpus), preset="tacotron2_small")
    assert "unknown_characters" not in report.findings
    assert report.counts["usable"] == report.counts["utterances"] == 8


def test_a_piece_must_be_longer_than_its_context():
    with pytest.raises(UserError, match="leaves nothing to score behind the 6138"):
        Vocoding(crop_seconds=0.25).offers(8.0)


def test_recordings_that_do_not_fit_are_set_aside(corpus):
    task = PRESET.task
    examples = task.read(str(corpus), "train")
    long = replace(examples[0], name="long", seconds=99.0)
    found = task.select(None, [*examples, long], "here")
    assert list(found.dropped.values()) == [["long"]]
    with pytest.raises(UserError, match="here: no usable recording among 1"):
        task.select(None, [long], "here")
