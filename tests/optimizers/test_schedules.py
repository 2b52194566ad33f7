"""Schedules against their closed forms."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.schedules import ExponentialDecay, PolynomialDecay

STEPS = [0, 1, 2, 9, 10, 11, 49, 50, 99, 100, 101, 999, 100_000]


def values(schedule):
    return [float(ops.convert_to_numpy(schedule(step))) for step in STEPS]


def exponential(t, rate, steps, factor, staircase=False, begin=0, minimum=0.0):
    if t < begin:
        return max(rate, minimum)
    passed = (t - begin) / steps
    passed = math.floor(passed) if staircase else passed
    return max(minimum, rate * factor**passed)


def polynomial(t, rate, steps, power=1.0, begin=0, minimum=0.0, warmup=0):
    start = max(begin, warmup)
    share = min(max(t - start, 0), steps) / steps
    value = (rate - minimum) * (1 - share) ** power + minimum
    return value * min(1.0, t / warmup) if warmup else value


@pytest.mark.parametrize("staircase", [True, False])
@pytest.mark.parametrize(("begin", "minimum"), [(0, 0.0), (10, 0.0), (0, 1e-3)])
def test_exponential_decay(staircase, begin, minimum):
    arguments = (0.1, 25, 0.5, staircase, begin, minimum)
    expected = [exponential(t, *arguments) for t in STEPS]
    np.testing.assert_allclose(
        values(ExponentialDecay(*arguments)), expected, rtol=1e-5, atol=1e-12
    )


@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("begin", "minimum", "warmup"),
    [(0, 0.0, 0), (10, 0.0, 0), (0, 1e-3, 0), (0, 1e-4, 50), (50, 0.0, 10)],
)
def test_polynomial_decay(power, begin, minimum, warmup):
    arguments = (0.1, 100, power, begin, minimum, warmup)
    expected = [polynomial(t, *arguments) for t in STEPS]
    np.testing.assert_allclose(
        values(PolynomialDecay(*arguments)), expected, rtol=1e-5, atol=1e-9
    )


def test_the_recipes_reach_the_ends_openseq2seq_documents():
    small = ExponentialDecay(1e-4, 5000, 0.9, staircase=True)
    assert float(small(4999)) == pytest.approx(1e-4)
    assert float(small(5000)) == pytest.approx(0.9e-4)
    large = PolynomialDecay(1e-3, 1000, power=0.5)
    assert float(large(750)) == pytest.approx(0.5e-3)
    assert float(large(1000)) == 0


@pytest.mark.parametrize(
    "schedule",
    [
        ExponentialDecay(0.1, 25, 0.5, True, 3, 1e-3),
        PolynomialDecay(0.1, 25, 2.0, 3, 1e-3, 5),
    ],
    ids=lambda schedule: type(schedule).__name__,
)
def test_a_schedule_comes_back_from_its_configuration(schedule):
    described = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is type(schedule)
    assert again.get_config() == schedule.get_config()
    assert values(again) == values(schedule)


def test_an_optimizer_follows_its_schedule():
    optimizer = keras.optimizers.SGD(ExponentialDecay(0.1, 1, 0.5))
    variable = keras.Variable([0.0])
    optimizer.build([variable])
    seen = []
    for _ in range(4):
        seen.append(float(ops.convert_to_numpy(optimizer.learning_rate)))
        optimizer.apply([ops.ones((1,))])
    assert seen == pytest.approx([0.1, 0.05, 0.025, 0.0125])
    found = float(ops.convert_to_numpy(variable)[0])
    assert found == pytest.approx(-sum(seen), rel=1e-5)
