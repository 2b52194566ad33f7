"""Tallies of exponents against NumPy."""

import math

import numpy as np
import pytest
from keras import ops

from s2s_zoo.numerics.exponents import Exponents, tally


def exponents_of(values, dtype="float32"):
    return Exponents.from_tally(ops.convert_to_numpy(tally(ops.cast(values, dtype))))


def counted(exponents):
    """Counts by exponent, without empty bins."""
    pairs = enumerate(exponents.counts, exponents.lowest)
    return {exponent: count for exponent, count in pairs if count}


def expected(values):
    magnitudes = np.abs(np.asarray(values, "float64"))
    magnitudes = magnitudes[np.isfinite(magnitudes) & (magnitudes > 0)]
    found, counts = np.unique(np.floor(np.log2(magnitudes)), return_counts=True)
    return dict(zip(found.astype(int).tolist(), counts.tolist(), strict=True))


def spread(size=4000, low=-60, high=30, seed=0):
    rng = np.random.default_rng(seed)
    signs = rng.choice([-1.0, 1.0], size)
    return (signs * 2.0 ** rng.uniform(low, high, size)).astype("float32")


def test_exponents_are_those_of_numpy():
    values = spread().reshape(8, 5, 100)
    found = exponents_of(values)
    assert counted(found) == expected(values)
    assert found.total == values.size
    assert found.largest == np.abs(values).max()


def test_powers_of_two_open_their_bin():
    powers = 2.0 ** np.arange(-126, 128)
    below = np.nextafter(powers[1:].astype("float32"), np.float32(0))
    values = np.concatenate([powers, below]).astype("float32")
    assert counted(exponents_of(values)) == expected(values)


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_half_precision_keeps_its_exponents(dtype):
    values = spread(low=-24, high=15)
    rounded = ops.convert_to_numpy(ops.cast(ops.cast(values, dtype), "float32"))
    assert counted(exponents_of(values, dtype)) == expected(rounded)


def test_subnormals_of_float16_are_no_zeros():
    steps = np.array([1, 2, 3, 1023, 1024], "float16") * np.float16(2.0**-24)
    found = exponents_of(steps, "float16")
    assert counted(found) == {-24: 1, -23: 2, -15: 1, -14: 1}
    assert found.zeros == 0


def test_zeros_and_what_is_not_finite_are_counted_apart():
    values = np.array([0.0, -0.0, 1.5, -np.inf, np.inf, np.nan, 3.0, 0.0], "float32")
    found = exponents_of(values)
    assert counted(found) == {0: 1, 1: 1}
    assert (found.zeros, found.non_finite, found.largest) == (3, 3, 3.0)


@pytest.mark.parametrize("values", [np.zeros(7), np.full(7, np.nan)])
def test_nothing_but_zeros_or_nothing_finite(values):
    found = exponents_of(values.astype("float32"))
    assert found.total == 0
    assert found.largest == 0.0
    assert found.zeros + found.non_finite == 7
    assert found.share_below(100) == 0.0


@pytest.mark.parametrize("exponent", [-100, -24, -14, 0, 100])
def test_the_share_below_a_power_of_two(exponent):
    values = spread()
    share = np.mean(np.abs(values) < 2.0**exponent)
    assert exponents_of(values).share_below(exponent) == pytest.approx(share)


def test_exponents_add_up():
    parts = [spread(seed=1, low=-5), spread(seed=2, high=-20), np.zeros(3, "float32")]
    added = sum(map(exponents_of, parts), Exponents())
    assert added == exponents_of(np.concatenate(parts))


def test_exponents_survive_json():
    found = exponents_of(spread())
    assert Exponents.from_row(found.to_row()) == found


@pytest.mark.parametrize(
    "changed",
    [
        {"lowest": 10**12},
        {"lowest": -128},
        {"lowest": 120, "counts": [1] * 9},
        {"lowest": 1.5},
        {"counts": [-1]},
        {"counts": ["1"]},
        {"zeros": None},
        {"largest": math.nan},
        {"largest": 1e39},
    ],
)
def test_exponents_of_no_float32_are_refused(changed):
    row = Exponents(-3, (1, 2), largest=0.4).to_row()
    assert Exponents.from_row(row) == Exponents(-3, (1, 2), largest=0.4)
    with pytest.raises(ValueError, match=r"\S"):
        Exponents.from_row(row | changed)
