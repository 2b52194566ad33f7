"""Recordings: the numbers of a step, as they are kept."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from s2s_zoo.numerics.exponents import Exponents
from s2s_zoo.numerics.float16 import (
    SMALLEST_NORMAL,
    SMALLEST_SUBNORMAL,
    highest_scale,
)
from s2s_zoo.numerics.watcher import LayerNumbers, Watcher

KINDS = ("activation", "gradient", "weights")


@dataclass(frozen=True)
class Recording:
    """The numbers of a step, and the loss scale that was in force.

    Attributes:
        step: of the training, from 1.
        scale: loss scale of the training.
        seen_at: loss scale they were seen at, as high as the largest gradient let it
            be: under float16, what is smaller than 2^-24 / `seen_at` was not seen.
        layers: by path, in the order they are done; gradients without a scale.
    """

    step: int
    scale: float
    seen_at: float
    layers: dict[str, LayerNumbers]

    def gradients(self) -> Iterator[tuple[str, Exponents]]:
        """Those of outputs and weights that hold other values than zero."""
        for path, numbers in self.layers.items():
            if numbers.gradient.total:
                yield path, numbers.gradient
            if numbers.weights and numbers.weights.total:
                yield f"weights of {path}", numbers.weights

    @property
    def in_float16(self) -> bool:
        """Whether layers computed in float16."""
        return any(numbers.dtype == "float16" for numbers in self.layers.values())

    def to_row(self) -> dict[str, Any]:
        """As plain values, for JSON, with the shares outside float16's window."""
        scales = {"activation": 1.0, "gradient": self.scale, "weights": self.scale}
        layers = {
            path: {
                "dtype": numbers.dtype,
                **{k: _row(getattr(numbers, k), scales[k]) for k in KINDS},
            }
            for path, numbers in self.layers.items()
        }
        return {**vars(self), "layers": layers}

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """What `to_row` gave."""
        layers = {
            path: LayerNumbers(
                numbers["dtype"],
                **{k: numbers[k] and Exponents.from_row(numbers[k]) for k in KINDS},
            )
            for path, numbers in row["layers"].items()
        }
        return cls(row["step"], row["scale"], row["seen_at"], layers)


def _row(exponents: Exponents | None, scale: float) -> dict[str, Any] | None:
    if exponents is None:
        return None
    shift = math.log2(scale)
    return {
        **exponents.to_row(),
        "below_normal": exponents.share_below(SMALLEST_NORMAL),
        "below_subnormal": exponents.share_below(SMALLEST_SUBNORMAL),
        "below_normal_scaled": exponents.share_below(SMALLEST_NORMAL - shift),
        "below_subnormal_scaled": exponents.share_below(SMALLEST_SUBNORMAL - shift),
    }


def record(
    watcher: Watcher, step: int, inputs: Any, target: Any, scale: float
) -> Recording:
    """The numbers of a step on a batch.

    Under float16 a gradient that was flushed to zero cannot be told from one that is
    zero. So the step is seen a second time where a higher loss scale is possible.
    """
    numbers = watcher.watch(inputs, target, scale)
    recording = Recording(step, scale, scale, numbers.layers)
    higher = _highest_scale(recording)
    if not recording.in_float16 or numbers.overflow() or higher <= scale:
        return recording
    deeper = watcher.watch(inputs, target, higher)
    return (
        recording
        if deeper.overflow()
        else Recording(step, scale, higher, deeper.layers)
    )


def _highest_scale(recording: Recording) -> float:
    largest = max((e.largest for _, e in recording.gradients()), default=0.0)
    if not largest:  # all were flushed: one window of float16 further down
        return recording.scale * 2.0**-SMALLEST_SUBNORMAL
    return 2.0 ** highest_scale(largest)
