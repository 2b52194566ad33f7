"""Histograms of base-2 exponents: how large the numbers of a tensor are."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.typing import Tensor

FIELDS = 256
BIAS, NON_FINITE = 127, 255
MANTISSA_BITS = 23
"""float32 as IEEE 754 lays it out: sign, 8 bits of exponent, 23 of mantissa."""

TALLY = FIELDS + 2


def tally(x: Tensor) -> Tensor:
    """Count the exponents of a tensor where it is, exactly and without a loop.

    The exponent is read from the bits of the value as float32, which holds every
    float16 and bfloat16, subnormals included.

    Args:
        x: of any shape and float dtype.

    Returns:
        (258,) float32: how many values have each of the 256 exponent fields, how many
        are zero, and the largest finite magnitude.
    """
    magnitudes = ops.reshape(ops.abs(ops.cast(x, "float32")), (-1, 1))
    fields = ops.right_shift(ops.view(magnitudes, "int32"), MANTISSA_BITS)
    fields = ops.reshape(fields, (-1,))
    counts = ops.segment_sum(ops.ones_like(fields), fields, num_segments=FIELDS)
    zeros = ops.sum(ops.cast(magnitudes == 0, "int32"))
    finite = ops.where(ops.reshape(fields, (-1, 1)) < NON_FINITE, magnitudes, 0.0)
    rest = ops.stack([ops.cast(zeros, "float32"), ops.max(finite)])
    return ops.concatenate([ops.cast(counts, "float32"), rest])


@dataclass(frozen=True)
class Exponents:
    """How many values of a tensor have which exponent ⌊log₂|x|⌋.

    Attributes:
        lowest: the exponent of the first count; -127 stands for all below 2^-126.
        counts: values of exponent `lowest`, `lowest` + 1, …; empty where no value is
            finite and other than zero.
        zeros: values that are zero.
        non_finite: values that are infinite or no number.
        largest: the largest finite magnitude, 0 where there is none.
    """

    lowest: int = 0
    counts: tuple[int, ...] = ()
    zeros: int = 0
    non_finite: int = 0
    largest: float = 0.0

    @classmethod
    def from_tally(cls, found: NDArray[np.float32]) -> Self:
        """What `tally` counted, (258,); a sum of tallies has the largest at most.

        A layer called several times in a step is counted as one, and its `largest` is
        known to a factor of 2.
        """
        zeros, largest = int(found[FIELDS]), float(found[FIELDS + 1])
        counts = found[:NON_FINITE].astype(np.int64)
        counts[0] = max(0, counts[0] - zeros)
        used = np.flatnonzero(counts)
        non_finite = int(found[NON_FINITE])
        if not used.size:
            return cls(zeros=zeros, non_finite=non_finite)
        first, last = int(used[0]), int(used[-1])
        return cls(
            lowest=first - BIAS,
            counts=tuple(counts[first : last + 1].tolist()),
            zeros=zeros,
            non_finite=non_finite,
            largest=min(largest, 2.0 ** (last - BIAS + 1)),
        )

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What `to_row` gave.

        Raises:
            ValueError: no float32 has such exponents, or a number is of another type.
        """
        names = ("counts", "lowest", "zeros", "non_finite", "largest")
        counts, lowest, zeros, non_finite, largest = (row[name] for name in names)
        numbers = (lowest, zeros, non_finite, *counts)
        if not all(isinstance(number, int) for number in numbers):
            raise ValueError("counts and exponents are whole numbers")
        if not -BIAS <= lowest <= lowest + len(counts) <= NON_FINITE - BIAS:
            raise ValueError(f"exponents from {lowest}, {len(counts)} of them")
        if not (min(numbers[1:]) >= 0 and 0 <= largest <= 2.0 ** (NON_FINITE - BIAS)):
            raise ValueError(f"{numbers[1:]} values up to {largest}")
        return cls(lowest, tuple(counts), zeros, non_finite, float(largest))

    def to_row(self) -> dict[str, Any]:
        """As plain values, for JSON."""
        return {**vars(self), "counts": list(self.counts)}

    @property
    def total(self) -> int:
        """Values that are finite and other than zero."""
        return sum(self.counts)

    def share_below(self, exponent: float) -> float:
        """Share of `total` in the bins that lie wholly below 2^`exponent`."""
        bins = max(0, math.floor(exponent) - self.lowest)
        return sum(self.counts[:bins]) / self.total if self.total else 0.0

    def __add__(self, other: "Exponents") -> "Exponents":
        lowest = min((e.lowest for e in (self, other) if e.counts), default=0)
        return Exponents(
            lowest,
            _sum(_padded(self, lowest), _padded(other, lowest)),
            self.zeros + other.zeros,
            self.non_finite + other.non_finite,
            max(self.largest, other.largest),
        )


def _padded(exponents: Exponents, lowest: int) -> tuple[int, ...]:
    """The counts from exponent `lowest` on."""
    counts = exponents.counts
    return (0,) * (exponents.lowest - lowest) + counts if counts else ()


def _sum(a: tuple[int, ...], b: tuple[int, ...]) -> tuple[int, ...]:
    size = max(len(a), len(b))
    padded = (counts + (0,) * (size - len(counts)) for counts in (a, b))
    return tuple(map(sum, zip(*padded, strict=True)))
