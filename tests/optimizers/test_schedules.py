"""Schedules against their closed forms."""

import math
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.schedules import (
    Constant,
    CosineDecay,
    ExponentialDecay,
    InversePolynomialDecay,
    InverseSquareRoot,
    PiecewiseConstantDecay,
    PolynomialDecay,
)
from tests.optimizers.updates import descend, linear_model

STEPS = [0, 1, 2, 9, 10, 11, 49, 50, 51, 99, 100, 101, 149, 150, 151, 999, 100_000]


def constant(t, rate):
    return rate


def piecewise(t, rate, boundaries, decay_rates):
    for boundary, share in reversed(list(zip(boundaries, decay_rates, strict=True))):
        if t > boundary:
            return rate * share
    return rate


def exponential(t, rate, steps, factor, staircase=False, begin=0, minimum=0.0):
    if t < begin:
        return max(rate, minimum)
    passed = (t - begin) / steps
    passed = math.floor(passed) if staircase else passed
    return max(minimum, rate * factor**passed)


def fallen(t, steps, begin, warmup):
    start = max(begin, warmup)
    return min(max(t - start, 0), steps) / steps


def warming(t, warmup):
    return t / warmup if t < warmup else 1.0


def polynomial(t, rate, steps, power=1.0, begin=0, minimum=0.0, warmup=0):
    share = fallen(t, steps, begin, warmup)
    value = (rate - minimum) * (1 - share) ** power + minimum
    return value * warming(t, warmup)


def cosine(t, rate, steps, begin=0, minimum=0.0, warmup=0):
    share = fallen(t, steps, begin, warmup)
    value = minimum + (rate - minimum) * 0.5 * (1 + math.cos(math.pi * share))
    return value * warming(t, warmup)


def noam(t, rate, d_model, warmup, coefficient=1.0, maximum=None):
    rise = (t + 1) * warmup**-1.5
    value = rate * coefficient / math.sqrt(d_model) * min(rise, (t + 1) ** -0.5)
    return value if maximum is None else min(value, maximum)


def inverse(t, rate, steps, power=1.0, begin=0, minimum=1e-8, warmup=0):
    c = ((rate / minimum) ** (1 / power) - 1) / steps
    passed = max(t - max(begin, warmup), 0)
    value = max(rate / (1 + c * passed) ** power, minimum)
    return value * warming(t, warmup)


CASES = [
    (Constant, constant, (0.1,)),
    (PiecewiseConstantDecay, piecewise, (0.1, (10,), (0.5,))),
    (PiecewiseConstantDecay, piecewise, (0.1, (0, 10, 50), (0.5, 0.0, 2.0))),
    *[
        (ExponentialDecay, exponential, (0.1, 25, 0.5, staircase, begin, minimum))
        for staircase in (True, False)
        for begin, minimum in [(0, 0.0), (10, 0.0), (0, 1e-3)]
    ],
    *[
        (PolynomialDecay, polynomial, (0.1, 100, power, begin, minimum, warmup))
        for power in (0.5, 1.0, 2.0)
        for begin, minimum, warmup in [
            (0, 0.0, 0),
            (10, 0.0, 0),
            (0, 1e-3, 0),
            (0, 1e-4, 50),
            (50, 0.0, 10),
        ]
    ],
    *[
        (CosineDecay, cosine, (0.1, 100, begin, minimum, warmup))
        for begin, minimum, warmup in [
            (0, 0.0, 0),
            (10, 0.0, 0),
            (0, 1e-3, 0),
            (0, 1e-4, 50),
            (50, 0.02, 10),
        ]
    ],
    (InverseSquareRoot, noam, (2.0, 512, 50)),
    (InverseSquareRoot, noam, (2.0, 512, 1)),
    (InverseSquareRoot, noam, (9.0, 256, 100, 0.5, 0.02)),
    *[
        (InversePolynomialDecay, inverse, (0.1, 100, power, begin, minimum, warmup))
        for power in (0.5, 1.0, 2.0)
        for begin, minimum, warmup in [(0, 1e-8, 0), (10, 1e-3, 0), (10, 1e-3, 50)]
    ],
]
IDS = [f"{case[0].__name__}-{i}" for i, case in enumerate(CASES)]
every_case = pytest.mark.parametrize(("schedule", "form", "arguments"), CASES, ids=IDS)
ONE_OF_EACH = {case[0]: case for case in CASES}
one_of_each = pytest.mark.parametrize(
    ("schedule", "form", "arguments"),
    ONE_OF_EACH.values(),
    ids=[schedule.__name__ for schedule in ONE_OF_EACH],
)


def values(schedule):
    return [float(ops.convert_to_numpy(schedule(step))) for step in STEPS]


@every_case
def test_follows_its_closed_form(schedule, form, arguments):
    expected = [form(t, *arguments) for t in STEPS]
    np.testing.assert_allclose(
        values(schedule(*arguments)), expected, rtol=2e-5, atol=1e-9
    )


@one_of_each
def test_drives_a_compiled_training_step(schedule, form, arguments):
    """The gradient is 1, so that the weights fall by the sum of the rates."""
    optimizer = keras.optimizers.SGD(schedule(*arguments))
    found = descend(linear_model(), optimizer, 12)
    rates = np.array([form(t, *arguments) for t in range(12)])
    expected = np.broadcast_to(1 - np.cumsum(rates)[:, None, None], (12, 2, 1))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
    now = float(ops.convert_to_numpy(optimizer.learning_rate))
    assert now == pytest.approx(form(12, *arguments), rel=1e-5)


@one_of_each
def test_comes_back_from_its_configuration(schedule, form, arguments):
    first = schedule(*arguments)
    described = keras.saving.serialize_keras_object(first)
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is schedule
    assert again.get_config() == first.get_config()
    assert values(again) == values(first)


def test_the_recipes_reach_the_ends_openseq2seq_documents():
    small = ExponentialDecay(1e-4, 5000, 0.9, staircase=True)
    assert float(small(4999)) == pytest.approx(1e-4)
    assert float(small(5000)) == pytest.approx(0.9e-4)
    large = PolynomialDecay(1e-3, 1000, power=0.5)
    assert float(large(750)) == pytest.approx(0.5e-3)
    assert float(large(1000)) == 0
    images = PiecewiseConstantDecay(0.1, (30, 60, 80, 90), (0.1, 0.01, 1e-3, 1e-4))
    found = [float(images(t)) for t in (30, 31, 60, 61, 80, 81, 90, 91)]
    expected = [0.1, 0.01, 0.01, 1e-3, 1e-3, 1e-4, 1e-4, 1e-5]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_transformer_peaks_at_the_end_of_its_warmup():
    """Section 5.3 of its paper: d_model^-½ · warmup^-½ with 512 and 4000."""
    schedule = InverseSquareRoot(1.0, d_model=512, warmup=4000)
    rates = [float(schedule(t)) for t in (3998, 3999, 4000)]
    assert rates[1] == pytest.approx((512 * 4000) ** -0.5, rel=1e-5)
    assert max(rates) == rates[1]


CURVED = {
    "polynomial": partial(PolynomialDecay, 0.1, 20),
    "cosine": partial(CosineDecay, 0.1, 20),
    "inverse": partial(InversePolynomialDecay, 0.1, 20),
}


@pytest.mark.parametrize("make", CURVED.values(), ids=CURVED)
def test_a_warmup_and_a_fall_meet_at_the_rate_and_end_at_the_floor(make):
    schedule = make(warmup=10, begin=15, minimum=0.03)
    at = {t: float(schedule(t)) for t in (0, 5, 10, 15, 16, 34, 35, 36, 1000)}
    assert at[0] == 0
    assert at[5] == pytest.approx(0.05)
    assert at[10] == at[15] == pytest.approx(0.1)
    assert at[16] < 0.1
    assert at[34] > 0.03 * (1 + 1e-6)
    assert at[35] == at[36] == at[1000] == pytest.approx(0.03)


WRONG = [
    (Constant, (-0.1,), "initial_learning_rate is above 0. Received: -0.1"),
    (Constant, (0.0,), "initial_learning_rate is above 0. Received: 0.0"),
    (Constant, (math.nan,), "initial_learning_rate is above 0. Received: nan"),
    (PiecewiseConstantDecay, (0.1, (5, 5), (0.5, 0.1)), r"increase.*\(5, 5\)"),
    (PiecewiseConstantDecay, (0.1, (5, 3), (0.5, 0.1)), r"increase.*\(5, 3\)"),
    (PiecewiseConstantDecay, (0.1, (-1,), (0.5,)), r"increase.*\(-1,\)"),
    (PiecewiseConstantDecay, (0.1, (5,), (0.5, 0.1)), r"As many.*\(5,\) and \(0.5"),
    (PiecewiseConstantDecay, (0.1, (5,), (-0.5,)), r"0 or more.*\(-0.5,\)"),
    (ExponentialDecay, (0.1, 0, 0.5), "decay_steps is above 0. Received: 0"),
    (ExponentialDecay, (0.1, 10, 0.0), "decay_rate is above 0. Received: 0.0"),
    (ExponentialDecay, (0.1, 10, 0.5, False, -1), "begin is 0 or more.*-1"),
    (ExponentialDecay, (0.1, 10, 0.5, False, 0, 0.2), "minimum is at most.*0.2"),
    (PolynomialDecay, (0.1, -5), "decay_steps is above 0. Received: -5"),
    (PolynomialDecay, (0.1, 5, 0.0), "power is above 0. Received: 0.0"),
    (PolynomialDecay, (0.1, 5, 1.0, 0, -1.0), "minimum is 0 or more.*-1.0"),
    (CosineDecay, (0.1, 0), "decay_steps is above 0. Received: 0"),
    (CosineDecay, (0.1, 5, 0, 0.0, -2), "warmup is 0 or more. Received: -2"),
    (InverseSquareRoot, (2.0, 0, 10), "d_model is above 0. Received: 0"),
    (InverseSquareRoot, (2.0, 8, 0), "warmup is 1 or more. Received: 0"),
    (InverseSquareRoot, (2.0, 8, 10, -1.0), "coefficient is above 0.*-1.0"),
    (InverseSquareRoot, (2.0, 8, 10, 1.0, 0.0), "maximum is above 0.*0.0"),
    (InversePolynomialDecay, (0.1, 0), "decay_steps is above 0. Received: 0"),
    (InversePolynomialDecay, (0.1, 5, 1.0, 0, 0.0), "minimum is above 0.*0.0"),
]


@pytest.mark.parametrize(("schedule", "arguments", "message"), WRONG)
def test_numbers_out_of_range_are_refused(schedule, arguments, message):
    with pytest.raises(ValueError, match=message):
        schedule(*arguments)


def test_steps_may_be_filled_in_later():
    recipe = partial(CosineDecay, initial_learning_rate=0.1, decay_steps=0)
    assert float(partial(recipe, decay_steps=10)()(5)) == pytest.approx(0.05)
