"""Utterances to padded batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, Bucket
from s2s_zoo.data.precomputed import FEATURE_RATE
from s2s_zoo.data.speech import SpeechBatches
from s2s_zoo.errors import UserError

RATE = 8000
SECONDS = [0.5, 0.2, 0.35]
TOKENS = [np.array(t, np.int32) for t in ([1, 2, 3], [4], [])]


def wave(i):
    """Values a 16-bit file holds exactly."""
    rng = np.random.default_rng(i)
    size = int(SECONDS[i] * RATE)
    return (rng.integers(-3000, 3000, size) / 32768).astype(np.float32)


@pytest.fixture
def batches(tmp_path):
    utterances = []
    for i, seconds in enumerate(SECONDS):
        path = tmp_path / f"{i}.wav"
        write_wav(path, wave(i), RATE)
        utterances.append(Utterance(f"u{i}", str(path), seconds, "x"))
    return SpeechBatches(utterances, TOKENS, RATE)


@pytest.fixture
def feature_batches(tmp_path):
    frames = {f"k{i}": np.full((n, 3), i, np.float32) for i, n in enumerate((6, 4, 9))}
    np.savez(tmp_path / "f.npz", **frames)
    utterances = [
        Utterance(key, f"{tmp_path}/f.npz#{key}", len(value) / FEATURE_RATE, "x")
        for key, value in frames.items()
    ]
    return SpeechBatches(utterances, TOKENS, RATE)


def test_a_batch_holds_waveforms_and_tokens_padded_to_its_bucket(batches):
    inputs, target = batches.load(Batch((2, 0), Bucket(5000, 4, 3)))
    assert inputs["source"].shape == (3, 5000)
    assert inputs["source"].dtype == np.float32
    assert inputs["source_lengths"].tolist() == [2800, 4000, 0]
    np.testing.assert_array_equal(inputs["source"][0, :2800], wave(2))
    np.testing.assert_array_equal(inputs["source"][1, :4000], wave(0))
    assert not inputs["source"][0, 2800:].any()
    assert not inputs["source"][2].any()
    assert target["target"].tolist() == [[-1] * 4, [1, 2, 3, -1], [-1] * 4]
    assert target["target_lengths"].tolist() == [0, 3, 0]
    assert batches.names(Batch((2, 0), Bucket(5000, 4, 3))) == ["u2", "u0"]


def test_the_plan_fits_every_utterance(batches):
    batches = replace(batches, buckets=2)
    plan = batches.plan(budget=1.2, shuffle=True)
    for batch in plan.epoch(0):
        inputs, target = batches.load(batch)
        assert inputs["source"].shape == (batch.bucket.rows, batch.bucket.size)
        assert target["target"].shape == (batch.bucket.rows, batch.bucket.target_size)
        assert inputs["source"].size <= 1.2 * RATE
        lengths = inputs["source_lengths"][: len(batch.indices)]
        assert lengths.tolist() == [int(SECONDS[i] * RATE) for i in batch.indices]


def test_the_plan_leaves_room_for_the_slowest_speed(batches):
    slowest = AudioAugmentation(speed=(0.5,))
    slow = replace(batches, augmentation=slowest, buckets=1)
    for batch in slow.plan(budget=10, shuffle=True).epoch(0):
        inputs, _ = slow.load(batch, epoch=0)
        lengths = inputs["source_lengths"][: len(batch.indices)]
        expected = [2 * SECONDS[i] * RATE for i in batch.indices]
        np.testing.assert_allclose(lengths, expected, atol=16)


def test_augmentation_follows_seed_epoch_and_utterance_not_the_batch(batches):
    noisy = replace(batches, augmentation=AudioAugmentation(noise_db=(-40.0, -30.0)))
    alone, pair = Batch((0,), Bucket(4000, 3, 1)), Batch((1, 0), Bucket(4000, 3, 2))
    first = noisy.load(alone, epoch=1)[0]["source"][0]
    np.testing.assert_array_equal(noisy.load(pair, epoch=1)[0]["source"][1], first)
    assert (noisy.load(alone, epoch=2)[0]["source"][0] != first).any()
    other = replace(noisy, seed=1).load(alone, epoch=1)[0]["source"][0]
    assert (other != first).any()
    clean = noisy.load(alone)[0]["source"][0]
    np.testing.assert_array_equal(clean, wave(0))


def test_features_are_padded_in_frames(feature_batches):
    assert feature_batches.features
    assert feature_batches.rate == FEATURE_RATE
    plan = replace(feature_batches, buckets=1).plan(budget=1.0, shuffle=False)
    assert [b.size for b in plan.buckets] == [9]
    inputs, _ = feature_batches.load(plan.epoch(0)[0])
    assert inputs["source"].shape == (3, 9, 3)
    assert inputs["source_lengths"].tolist() == [6, 4, 9]
    assert feature_batches.units(inputs) == pytest.approx(0.19)
    assert (inputs["source"][1, :4] == 1).all()
    assert not inputs["source"][1, 4:].any()


def test_an_unreadable_row_is_empty_and_named(batches):
    """Damaged, missing, or longer than its manifest says: training goes on."""
    paths = [Path(u.source) for u in batches.utterances]
    paths[1].write_bytes(b"RIFF")
    paths[2].unlink()
    inputs, target = batches.load(Batch((0, 1, 2), Bucket(3000, 3, 3)))
    assert inputs["source_lengths"].tolist() == [0, 0, 0]
    assert not inputs["source"].any()
    assert target["target_lengths"].tolist() == [3, 1, 0]
    assert sorted(batches.unreadable) == ["u0", "u1", "u2"]
    assert "longer than its manifest" in batches.unreadable["u0"]
    assert "1.wav" in batches.unreadable["u1"]


def test_unreadable_features_are_empty_rows_too(feature_batches):
    broken = replace(feature_batches.utterances[1], source="/absent.npz#k1")
    utterances = [feature_batches.utterances[0], broken]
    batches = replace(feature_batches, utterances=utterances)
    inputs, _ = batches.load(Batch((1, 0), Bucket(9, 3, 2)))
    assert inputs["source"].shape == (2, 9, 3)
    assert inputs["source_lengths"].tolist() == [0, 6]
    assert "absent" in batches.unreadable["k1"]
    alone = replace(batches, utterances=[broken], unreadable={})
    with pytest.raises(UserError, match=r"None of the features.*absent"):
        alone.load(Batch((0,), Bucket(9, 3, 1)))


def test_pad_keeps_what_it_is_given():
    rows = [np.array([1, 2], np.int32), np.array([], np.int32)]
    padded, lengths = pad(rows, 3, 3, -1)
    assert padded.tolist() == [[1, 2, -1], [-1] * 3, [-1] * 3]
    assert padded.dtype == np.int32
    assert lengths.tolist() == [2, 0, 0]


def test_channels_that_cancel_are_told_in_training(tmp_path: Path):
    tone = 0.5 * np.sin(np.arange(1600) / 9)
    soundfile.write(tmp_path / "anti.wav", np.stack([tone, -tone], axis=1), 16000)
    utterance = Utterance("anti", str(tmp_path / "anti.wav"), 0.1, "a")
    batches = SpeechBatches([utterance], [np.zeros(1, np.int32)], 16000)
    inputs, _ = batches.load(Batch((0,), Bucket(1600, 1, 1)))
    assert inputs["source_lengths"].tolist() == [0]
    assert "its 2 channels cancel when averaged" in batches.unreadable["anti"]


@pytest.mark.parametrize("kind", ["batches", "feature_batches"])
def test_no_room_is_made_for_lengths_that_are_never_read(kind, request):
    found = request.getfixturevalue(kind)
    endless = replace(found.utterances[1], seconds=1e12)
    found = replace(
        found, utterances=[found.utterances[0], endless, found.utterances[2]]
    )
    plan = found.plan(100.0, shuffle=False)
    for batch in plan.epoch(0):
        inputs, _ = found.load(batch)
        read = inputs["source_lengths"][: len(batch.indices)] > 0
        assert read.tolist() == [i != 1 for i in batch.indices]
    assert found.unreadable == {endless.name: "277777777.8 hours; up to 4 are read"}
