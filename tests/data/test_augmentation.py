"""Augmentation of waveforms: duration, pitch, level, noise and reproducibility."""

import numpy as np
import pytest

from s2s_zoo.data.augmentation import AudioAugmentation

soxr = pytest.importorskip("soxr", reason="resamples for speed perturbation")

RATE = 16000


def tone(frequency=440.0, samples=RATE):
    return np.sin(2 * np.pi * frequency * np.arange(samples) / RATE).astype("float32")


def pitch(audio):
    """Frequency of the strongest component in Hz."""
    spectrum = np.abs(np.fft.rfft(audio * np.hanning(len(audio)), 1 << 17))
    return spectrum.argmax() * RATE / (1 << 17)


def decibels(audio):
    return 20 * np.log10(audio.astype("float64").std())


@pytest.mark.parametrize("ratio", [0.9, 1.0, 1.1])
def test_speed_changes_duration_and_pitch(ratio):
    audio = tone()
    fast = AudioAugmentation(speed=(ratio,))(audio, RATE, np.random.default_rng(0))
    assert fast.dtype == np.float32
    assert len(fast) == int(RATE / ratio)
    assert pitch(fast) == pytest.approx(440 * ratio, abs=0.5)
    assert decibels(fast[800:-800]) == pytest.approx(decibels(audio), abs=0.05)


def test_listed_speeds_are_equally_likely():
    augment, rng = AudioAugmentation(speed=(0.9, 1.0, 1.1)), np.random.default_rng(0)
    lengths = [len(augment(tone(samples=990), RATE, rng)) for _ in range(3000)]
    values, counts = np.unique(lengths, return_counts=True)
    assert values.tolist() == [900, 990, 1100]
    np.testing.assert_allclose(counts / 3000, 1 / 3, atol=0.04)


def test_a_number_is_a_uniform_range_of_speeds():
    augment, rng = AudioAugmentation(speed=0.2), np.random.default_rng(0)
    audio = tone(samples=2000)
    speeds = [2000 / len(augment(audio, RATE, rng)) for _ in range(1000)]
    assert 0.799 < min(speeds) < 0.81
    assert 1.19 < max(speeds) < 1.201
    assert np.mean(speeds) == pytest.approx(1, abs=0.01)
    assert np.std(speeds) == pytest.approx(0.4 / np.sqrt(12), abs=0.01)


def test_noise_has_the_level_it_says():
    silence = np.zeros(RATE, "float32")
    for level in (-90, -60, -20):
        augment = AudioAugmentation(noise_db=(level, level))
        noise = augment(silence, RATE, np.random.default_rng(0))
        assert noise.dtype == np.float32
        assert decibels(noise) == pytest.approx(level, abs=0.2)
        assert abs(np.corrcoef(noise[1:], noise[:-1])[0, 1]) < 0.03
    augment, rng = AudioAugmentation(noise_db=(-90, -60)), np.random.default_rng(0)
    levels = [decibels(augment(silence[:2000], RATE, rng)) for _ in range(500)]
    assert -90.6 < min(levels) < -88.5
    assert -61.5 < max(levels) < -59.4
    assert np.mean(levels) == pytest.approx(-75, abs=1.2)


def test_gain_is_uniform_in_decibels():
    augment, rng = AudioAugmentation(gain_db=(-6, 12)), np.random.default_rng(0)
    audio = tone(samples=800)
    gains = [decibels(augment(audio, RATE, rng)) - decibels(audio) for _ in range(2000)]
    assert -6.001 < min(gains) < -5.8
    assert 11.8 < max(gains) < 12.001
    assert np.mean(gains) == pytest.approx(3, abs=0.4)


def test_only_the_generator_decides():
    augment = AudioAugmentation((0.9, 1.1), noise_db=(-60, -30), gain_db=(-3, 3))
    audio = tone()
    before = audio.copy()
    first = augment(audio, RATE, np.random.default_rng(5))
    np.random.default_rng(6).random()
    np.testing.assert_array_equal(augment(audio, RATE, np.random.default_rng(5)), first)
    other = augment(audio, RATE, np.random.default_rng(6))
    assert len(other) != len(first) or np.abs(other - first).max() > 0
    np.testing.assert_array_equal(audio, before)


def test_nothing_asked_changes_nothing():
    audio = tone()
    augmented = AudioAugmentation()(audio, RATE, np.random.default_rng(0))
    np.testing.assert_array_equal(augmented, audio)


def test_empty_stays_empty_and_one_sample_stays():
    augment = AudioAugmentation((1.1,), noise_db=(-60, -60), gain_db=(0, 0))
    rng = np.random.default_rng(0)
    assert augment(np.zeros(0, "float32"), RATE, rng).shape == (0,)
    assert augment(np.ones(1, "float32"), RATE, rng).shape == (1,)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [((), 10.0), ((0.9, 1.0, 1.1), 10 / 0.9), (0.05, 10 / 0.95), (0.0, 10.0)],
)
def test_longest(speed, expected):
    assert AudioAugmentation(speed=speed).longest(10.0) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("speed", "expected"),
    [((), 10.0), ((0.9, 1.0, 1.1), 10 / 1.1), (0.05, 10 / 1.05), (0.0, 10.0)],
)
def test_shortest(speed, expected):
    assert AudioAugmentation(speed=speed).shortest(10.0) == pytest.approx(expected)


@pytest.mark.parametrize("speed", [(0.9,), (1.1,), 0.13])
def test_every_duration_lies_between_shortest_and_longest(speed):
    augment, rng = AudioAugmentation(speed=speed), np.random.default_rng(0)
    for samples in (2, 7, 100, 1001, 12345):
        most = augment.longest(samples / RATE) * RATE
        least = augment.shortest(samples / RATE) * RATE
        for _ in range(5):
            found = len(augment(tone(samples=samples), RATE, rng))
            assert least - 1 < found <= most + 1e-6


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"speed": (0.9, 0.0)}, "speed is 0.1 to 10.0. Received: 0.0"),
        ({"speed": (1e-300,)}, "speed is 0.1 to 10.0. Received: 1e-300"),
        ({"speed": 1.0}, "speed is 0 to 0.9. Received: 1.0"),
        ({"speed": -0.1}, "speed is 0 to 0.9. Received: -0.1"),
        ({"noise_db": (-60, -90)}, r"noise_db is \(lowest, highest\) in dB"),
        ({"noise_db": (-60, float("nan"))}, r"noise_db .* Received: \(-60, nan\)"),
        ({"gain_db": (1, 0)}, r"gain_db .* Received: \(1, 0\)"),
        ({"gain_db": (0, 1e308)}, r"gain_db .* from -200 to 200. Received: \(0, 1e"),
    ],
)
def test_bad_options_name_what_is_accepted(options, message):
    with pytest.raises(ValueError, match=message):
        AudioAugmentation(**options)


def test_silence_stands_at_both_ends_and_is_uniform():
    augment, rng = AudioAugmentation(silence_seconds=0.1), np.random.default_rng(0)
    audio = np.ones(50, "float32")
    found = [augment(audio, 1000, rng) for _ in range(2000)]
    before = np.array([np.argmax(a) for a in found])
    after = np.array([len(a) for a in found]) - 50 - before
    for lengths in (before, after):
        assert (lengths.min(), lengths.max()) == (0, 100)
        assert lengths.mean() == pytest.approx(50, abs=3)
    assert abs(np.corrcoef(before, after)[0, 1]) < 0.1
    assert all(a.sum() == 50 for a in found)
    assert augment.longest(0.05) == pytest.approx(0.25)


def test_bands_leave_what_lies_inside():
    augment = AudioAugmentation(band_hz=(300.0, 3400.0))
    rng = np.random.default_rng(0)
    within = tone(1000.0)
    levels = {frequency: [] for frequency in (100.0, 1000.0, 6000.0)}
    for frequency, found in levels.items():
        for _ in range(300):
            audio = augment(tone(frequency), RATE, rng)
            assert audio.dtype == np.float32
            found.append(audio.std() / within.std())
    np.testing.assert_allclose(levels[1000.0], 1, atol=1e-3)
    is_gone = {f: np.mean(np.array(found) < 0.5) for f, found in levels.items()}
    assert is_gone[100.0] == pytest.approx(200 / 300, abs=0.08)
    assert is_gone[6000.0] == pytest.approx(2600 / 4600, abs=0.08)


@pytest.mark.parametrize("band", [(3400.0, 300.0), (-1.0, 300.0)])
def test_a_band_the_wrong_way_round_is_refused(band):
    with pytest.raises(ValueError, match="the lower first"):
        AudioAugmentation(band_hz=band)


def test_each_change_happens_to_its_share_of_the_utterances():
    augment = AudioAugmentation(probability=0.25, speed=(0.5,), gain_db=(-20.0, -20.0))
    rng = np.random.default_rng(0)
    changed = [augment(np.ones(64, "float32"), 8000, rng) for _ in range(4000)]
    slow = np.mean([len(audio) == 128 for audio in changed])
    quiet = np.mean([np.median(audio) < 0.5 for audio in changed])
    both = np.mean([len(x) == 128 and np.median(x) < 0.5 for x in changed])
    assert (slow, quiet) == (
        pytest.approx(0.25, abs=0.03),
        pytest.approx(0.25, abs=0.03),
    )
    assert both == pytest.approx(1 / 16, abs=0.02)
    assert (augment.longest(1.0), augment.shortest(1.0)) == (2.0, 1.0)
