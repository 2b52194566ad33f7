import itertools

import numpy as np
import pytest

from s2s_zoo.metrics.bootstrap import Pooled, middle, score_all


def test_a_ratio_pools_and_a_mean_averages() -> None:
    assert Pooled.ratio([1, 2, 0], [4, 1, 5]).value == pytest.approx(3 / 10)
    assert np.isnan(Pooled.ratio([2], [0]).value)
    assert Pooled.mean(x == "a" for x in "abca").value == 0.5


def test_resampled_means_are_those_of_the_drawn_examples() -> None:
    values = np.array([0.5, 3.0, -1.0, 8.0, 2.0])
    generator = np.random.default_rng(7)
    draws = generator.choice(5, size=(50, 5), replace=True)
    expected = values[draws].mean(axis=1)
    found = Pooled.mean(values).resample(seed=7, samples=50)
    np.testing.assert_allclose(found, expected)


def test_the_interval_is_that_of_all_draws() -> None:
    """Of three examples there are 27 draws, all as likely."""
    errors, words = [0, 2, 1], [5, 4, 1]
    draws = itertools.product(range(3), repeat=3)
    rates = np.sort(
        [sum(errors[i] for i in d) / sum(words[i] for i in d) for d in draws]
    )
    low, high = Pooled.ratio(errors, words).interval(seed=0, samples=20000, level=0.8)
    assert low == rates[2]  # 2.7 of 27 draws are below
    assert high == rates[24]


def test_the_same_seed_draws_the_same_examples() -> None:
    one, other = Pooled.mean([1, 2, 4]), Pooled.mean([10, 20, 40])
    drawn = other.resample(seed=3)
    np.testing.assert_allclose(drawn, 10 * one.resample(seed=3))
    assert np.any(drawn != other.resample(seed=4))


def test_scores_hold_value_and_interval() -> None:
    measure = Pooled.mean([1.0, 1.0])
    scores = score_all({"accuracy": measure}, "how", seed=0)
    assert scores.metrics == {"accuracy": 1.0}
    assert scores.confidence == {"accuracy": (1.0, 1.0)}
    assert scores.signature == "how"


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(ValueError, match="no examples"):
        _ = Pooled.mean([]).value
    with pytest.raises(ValueError, match="no examples"):
        Pooled.mean([]).resample(seed=0)
    with pytest.raises(ValueError, match="between 0 and 1"):
        middle(np.zeros(3), 95)
