"""Distances of speech by definition, and what is said of attention."""

from functools import cache

import numpy as np
import pytest
import scipy.fft

from s2s_zoo.metrics.speech import (
    Spoken,
    coverage,
    diagonality,
    distortion,
    speech_breakdown,
    speech_measures,
    wanderings,
    warping_path,
)


def cheapest(costs):
    """The least sum over all paths, by the recursion of Sakoe and Chiba."""

    @cache
    def best(i, j):
        if min(i, j) < 0:
            return np.inf, 0
        before = (best(i - 1, j - 1), best(i - 1, j), best(i, j - 1))
        total, length = (0.0, 0) if i == j == 0 else min(before)
        return total + costs[i, j], length + 1

    return best(len(costs) - 1, costs.shape[1] - 1)


@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (4, 1), (3, 7), (8, 8), (9, 4)])
def test_warping_is_the_cheapest_of_all_paths(shape):
    costs = np.random.default_rng(0).uniform(size=shape)
    path = warping_path(costs)
    expected, length = cheapest(costs)
    assert costs[path[:, 0], path[:, 1]].sum() == pytest.approx(expected, rel=1e-12)
    assert len(path) == length
    assert path[0].tolist() == [0, 0]
    assert path[-1].tolist() == [shape[0] - 1, shape[1] - 1]
    steps = np.diff(path, axis=0)
    assert ((steps >= 0) & (steps <= 1)).all()
    assert (steps.sum(axis=1) > 0).all()


def test_distortion_is_kubichek_s():
    """Of cepstra by scipy's cosine transform; one frame each, so nothing is warped."""
    rng = np.random.default_rng(1)
    one, other = rng.normal(size=(2, 1, 40))
    both = (scipy.fft.dct(x[0], type=2)[1:14] / 40 for x in (one, other))
    difference = np.subtract(*both)
    expected = 10 / np.log(10) * np.sqrt(2 * (difference**2).sum())
    total, frames = distortion(one, other)
    assert (total, frames) == (pytest.approx(expected), 1)


def test_distortion_forgives_tempo_and_level_alone():
    frames = np.random.default_rng(2).normal(size=(12, 40))
    slower = np.repeat(frames, 3, axis=0) + 5.0
    assert distortion(frames, slower)[0] == pytest.approx(0, abs=1e-9)
    assert distortion(frames, frames[::-1])[0] > 1
    assert distortion(frames, frames[:0])[0] > 1
    assert distortion(frames[:0], frames) == (0.0, 0.0)


def walk(places, size):
    return np.eye(size)[list(places)]


def test_attention_that_goes_ahead_is_told_from_that_which_does_not():
    ahead = walk(np.repeat(np.arange(10), 3), 10)
    assert diagonality(ahead) == pytest.approx(1, abs=0.01)
    assert coverage(ahead) == 1
    assert diagonality(ahead[::-1]) == 0
    assert diagonality(walk([4] * 30, 10)) == 0
    assert coverage(walk([4] * 30, 10)) == 0.3
    drawn = walk(np.random.default_rng(0).integers(0, 10, 300), 10)
    assert diagonality(drawn) < 0.2
    assert (diagonality(ahead[:1]), coverage(ahead[:0])) == (0, 0)


def test_measures_pool_sentences():
    rng = np.random.default_rng(3)
    recorded = rng.normal(size=(10, 20))
    sentences = [
        Spoken(recorded, recorded, True, walk(range(10), 10)),
        Spoken(recorded, np.concatenate([recorded] * 2), True, walk([0] * 20, 10)),
        Spoken(recorded, recorded[:9], False, walk(range(9), 10)),
    ]
    found = speech_measures(sentences)
    assert found["stop_accuracy"].value == pytest.approx(1 / 3)
    assert found["duration_error"].value == pytest.approx((0 + 10 + 1) / 30)
    assert found["attention_diagonality"].value == pytest.approx(2 / 3, abs=1e-6)
    assert found["attention_coverage"].value == pytest.approx((1 + 0.2 + 1) / 3)
    assert found["attention_skips"].value == pytest.approx(1 / 3)
    assert found["attention_repeats"].value == 0
    pooled = [distortion(one.recorded, one.found) for one in sentences]
    total, frames = np.sum(pooled, axis=0)
    assert found["mel_cepstral_distortion"].value == pytest.approx(total / frames)


@pytest.mark.parametrize(
    ("places", "expected"),
    [
        (range(10), (0, 0)),
        ([0, 3, 6, 9], (0, 0)),
        ([0, 1, 6, 7, 8, 9], (1, 0)),
        ([4, 5, 6, 7, 8, 9], (1, 0)),
        ([0, 1, 2], (1, 0)),
        ([0, 3, 6, 3, 6, 9], (0, 0)),
        ([0, 3, 6, 2, 2, 3, 6, 9, 5, 9], (0, 2)),
        ([], (1, 0)),
    ],
)
def test_skips_and_repeats_are_counted(places, expected):
    assert wanderings(walk(places, 10)) == expected


def test_going_back_is_measured():
    frames = np.zeros((10, 20))
    back, ahead = walk([0, 3, 6, 2, 2, 3, 6, 9, 5, 9], 10), walk(range(10), 10)
    sentences = [Spoken(frames, frames, True, way) for way in (back, ahead)]
    assert speech_measures(sentences)["attention_repeats"].value == 1


def test_a_breakdown_names_the_sentences():
    frames = np.zeros((3, 20))
    sentences = [
        Spoken(frames, frames, True, walk([0, 3, 6, 9], 10)),
        Spoken(frames, frames, False, walk([0, 8, 2, 9], 10)),
    ]
    found = speech_breakdown(["one", "other"], sentences)
    assert found.counts["errors"] == [0, 3]
    assert found.summary == {"skips": 1, "repeats": 1, "unstopped": 1}
    assert found.lines == [
        "skips: 1 in 1 sentences: other",
        "repeats: 1 in 1 sentences: other",
        "unstopped: 1 in 1 sentences: other",
    ]
