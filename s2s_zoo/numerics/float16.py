"""The window of float16, and the loss scales that move gradients into it."""

import math

from s2s_zoo.numerics.exponents import Exponents

LARGEST = 65504.0
"""Above it is infinity."""

SMALLEST_NORMAL = -14
"""2^-14: below it, bits of precision are lost one by one."""

SMALLEST_SUBNORMAL = -24
"""2^-24: below it is zero."""

LOST_SHARE = 1e-3
"""A scale serves a gradient if `rounding_loss` is at most this.

Not if it keeps so many of its values above zero: most of the gradient of a softmax may
lie below 2^-24 and weigh nothing. On a CTC model this share asked for a scale of 16,
from which on the gradients of the weights in float16 came no closer to float32's; to
keep 99.9 % of the values above zero asked for 2^28, and 99.9 % of their sum for 2.
"""

HEADROOM = 1
"""Powers of two kept free below `LARGEST`: the next batch is another."""


def rounding_loss(gradients: Exponents, scale: int = 0) -> float:
    """What float16 rounds away below its normal numbers.

    There its numbers are 2^-24 apart: rounding takes a quarter of that on average, and
    all of what is below half of it. A value counts as the middle of its bin.

    Args:
        gradients: as they are without a scale, some of them other than zero.
        scale: k of the loss scale 2^k.

    Returns:
        Share of the sum of magnitudes.
    """
    lost = total = 0.0
    for exponent, count in enumerate(gradients.counts, gradients.lowest + scale):
        middle = 1.5 * 2.0**exponent
        total += count * middle
        if exponent < SMALLEST_SUBNORMAL - 1:
            lost += count * middle
        elif exponent < SMALLEST_NORMAL:
            lost += count * 2.0 ** (SMALLEST_SUBNORMAL - 2)
    return lost / total


def lowest_scale(gradients: Exponents) -> int:
    """The smallest k such that 2^k loses no more than `LOST_SHARE` by rounding.

    Args:
        gradients: as they are without a scale, some of them other than zero.

    Returns:
        k; below 0 where there is room to spare.
    """
    highest = gradients.lowest + len(gradients.counts)
    scales = range(SMALLEST_SUBNORMAL - highest, SMALLEST_NORMAL - gradients.lowest)
    serving = (k for k in scales if rounding_loss(gradients, k) <= LOST_SHARE)
    return next(serving, scales.stop)


def highest_scale(largest: float) -> int:
    """The largest k such that `largest` · 2^(k + `HEADROOM`) < `LARGEST`."""
    fraction, exponent = math.frexp(LARGEST / largest)
    return exponent - 1 - (fraction == 0.5) - HEADROOM
