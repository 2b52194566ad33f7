"""The pitch of tones and glides is known, and so is how far they are apart."""

import numpy as np
import pytest

from s2s_zoo.metrics.pitch import Pitched, pitch, pitch_measures

RATE, STRIDE = 16000, 256


def tone(frequencies):
    """Ten harmonics of frequencies (S,) in Hz."""
    phase = 2 * np.pi * np.cumsum(frequencies) / RATE
    return sum(np.sin(n * phase) / n for n in range(1, 11)).astype("float32") / 3


def cents(one, other):
    return 1200 * np.log2(one / other)


@pytest.mark.parametrize("frequency", [90.0, 221.5, 410.0])
def test_a_tone_has_its_frequency(frequency):
    found = pitch(tone(np.full(RATE // 2, frequency)), RATE, STRIDE)
    assert found.shape == (1 + RATE // 2 // STRIDE,)
    inner = found[3:-3]
    assert np.abs(cents(inner, frequency)).max() <= 10, "half of what is told apart"


def test_a_glide_is_followed_and_silence_is_not_voiced():
    place = np.arange(RATE) / RATE
    frequencies = 120 * 2 ** (0.7 * place)
    audio = tone(frequencies)
    audio[RATE // 2 :] = 0
    found = pitch(audio, RATE, STRIDE)
    half = RATE // 2 // STRIDE
    inner = np.arange(3, half - 3)
    assert np.abs(cents(found[inner], frequencies[inner * STRIDE])).max() <= 15
    assert np.isnan(found[half + 3 :]).all()
    assert len(pitch(audio[:0], RATE, STRIDE)) == 0


def frames(count, seed=0):
    """Such that each is compared with itself alone."""
    return np.random.default_rng(seed).normal(0, 5, (count, 20))


def test_errors_are_roots_of_mean_squares_over_pairs_that_are_voiced():
    nan = np.nan
    one, other = (np.array(row) for row in ([100.0, 100, nan, nan], [200, 100, nan, 9]))
    sentences = [Pitched(frames(4), frames(4), one, other)]
    sentences.append(Pitched(frames(2), frames(2), one[:2], np.array([50.0, nan])))
    found = pitch_measures(sentences)
    assert found["f0_error_cents"].value == pytest.approx(np.sqrt(2 * 1200**2 / 3))
    assert found["voicing_error_rate"].value == pytest.approx(2 / 6)
    low, high = found["f0_error_cents"].interval(seed=0)
    assert low == pytest.approx(np.sqrt(1200**2 / 2))
    assert high == pytest.approx(1200)


def test_sentences_are_warped_in_time_first():
    slow = np.repeat(np.arange(6), 3)
    known = 100.0 * np.arange(1, 7)
    found = pitch_measures([Pitched(frames(6), frames(6)[slow], known, known[slow])])
    assert found["f0_error_cents"].value == 0


def test_what_is_not_there_is_not_voiced():
    known = np.array([100.0, 100, np.nan])
    nothing = Pitched(frames(3), frames(0), known, np.zeros(0))
    unread = Pitched(frames(0), frames(3), np.zeros(0), known)
    found = pitch_measures([nothing, unread])
    assert {name: m.value for name, m in found.items()} == {
        "voicing_error_rate": pytest.approx(2 / 3)
    }


def test_tones_are_as_far_apart_as_they_are():
    one, other = (tone(np.full(RATE // 2, f)) for f in (200.0, 220.0))
    pitches = [pitch(audio, RATE, STRIDE) for audio in (one, other)]
    same = frames(len(pitches[0]))
    found = pitch_measures([Pitched(same, same, *pitches)])
    assert found["f0_error_cents"].value == pytest.approx(cents(1.1, 1), abs=15)
    assert found["voicing_error_rate"].value < 0.1
