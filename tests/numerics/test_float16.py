"""The scales that serve a tensor, against trying them all."""

import numpy as np
import pytest

from s2s_zoo.numerics.float16 import (
    LARGEST,
    SMALLEST_NORMAL,
    SMALLEST_SUBNORMAL,
    highest_scale,
    lowest_scale,
    rounding_loss,
)
from tests.numerics.test_exponents import exponents_of, spread


def test_the_window_is_that_of_numpy():
    limits = np.finfo(np.float16)
    assert float(limits.max) == LARGEST
    assert float(limits.smallest_normal) == 2.0**SMALLEST_NORMAL
    assert float(limits.smallest_subnormal) == 2.0**SMALLEST_SUBNORMAL


def lost(values, exponent):
    """What NumPy's float16 rounds away below its normal numbers, as a share."""
    scaled = values.astype("float64") * 2.0**exponent
    small = scaled[np.abs(scaled) < 2.0**-14]
    return np.abs(small - small.astype("float16")).sum() / np.abs(scaled).sum()


@pytest.mark.parametrize("low", [-40, -30, -26, -20])
@pytest.mark.parametrize("scale", [-4, 0, 3, 8])
def test_the_rounding_loss_is_that_of_numpy(low, scale):
    values = spread(size=20000, low=low, high=low + 12, seed=scale + 100)
    found = rounding_loss(exponents_of(values), scale)
    assert found == pytest.approx(lost(values, scale), rel=0.1, abs=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_the_lowest_scale_is_the_first_to_lose_little(seed):
    values = spread(low=-50, high=-25, seed=seed)
    serving = [k for k in range(-20, 60) if lost(values, k) <= 1e-3]
    assert lowest_scale(exponents_of(values)) == pytest.approx(min(serving), abs=1)


@pytest.mark.parametrize("exponent", [-126, -60, -24, 0, 60])
def test_a_single_power_of_two_needs_ten_bits(exponent):
    """At 2^-16 rounding takes 2^-26 of 1.5 * 2^-16, 0.07 %; at 2^-17, 0.13 %."""
    value = np.array([2.0**exponent], "float32")
    assert lowest_scale(exponents_of(value)) == -16 - exponent


@pytest.mark.parametrize(
    "largest", [1.0, 2.0, 65504.0, 32752.0, 32751.99, 1e-7, 3.0**9, 1e30]
)
def test_the_highest_scale_leaves_a_factor_of_two(largest):
    serving = [k for k in range(-120, 120) if 2 * largest * 2.0**k < 65504]
    assert highest_scale(largest) == max(serving)
