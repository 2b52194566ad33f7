"""Rules that choose the next loss scale, as pure functions of their state.

A rule's state maps names to float32 scalars and always holds `scale`. Arithmetic is
`keras.ops`, so the same rule runs inside a compiled step and on plain numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol, TypeAlias

from keras import ops

from s2s_zoo.typing import Tensor

State: TypeAlias = dict[str, Tensor]

SMALLEST_NORMAL = 2.0**-126
SMALLEST_FLOAT16 = -24.0
"""Exponent of float16's smallest number above zero."""


class ScalingRule(Protocol):
    """How a loss scale follows the gradients."""

    def start(self) -> dict[str, float]:
        """The state before the first step."""
        ...

    def update(
        self, state: Mapping[str, Tensor], largest: Tensor, finite: Tensor
    ) -> State:
        """The state after a step.

        Args:
            state: before the step.
            largest: largest magnitude of the scaled gradients; read where `finite`.
            finite: whether every gradient is finite.
        """
        ...


@dataclass(frozen=True)
class StaticScale:
    """A scale that never changes."""

    scale: float

    def start(self) -> dict[str, float]:
        return {"scale": self.scale}

    def update(
        self, state: Mapping[str, Tensor], largest: Tensor, finite: Tensor
    ) -> State:
        return dict(state)


@dataclass(frozen=True)
class Backoff:
    """Divide at every overflow, multiply after a window without one.

    OpenSeq2Seq's rule (Kuchaiev et al., 2018, https://arxiv.org/abs/1805.10387);
    Micikevicius et al., 2018, https://arxiv.org/abs/1710.03740, §3.2.

    Attributes:
        scale_min: floor.
        scale_max: ceiling, and the scale at the start.
        step_factor: what the scale is divided and multiplied by.
        step_window: steps without overflow before it grows.
    """

    scale_min: float = 1.0
    scale_max: float = 2.0**14
    step_factor: float = 2.0
    step_window: int = 2000

    def start(self) -> dict[str, float]:
        return {"scale": self.scale_max, "since_change": 1.0}

    def update(
        self, state: Mapping[str, Tensor], largest: Tensor, finite: Tensor
    ) -> State:
        since = state["since_change"] + 1.0
        grow = ops.greater_equal(since, float(self.step_window))
        grown = ops.where(grow, state["scale"] * self.step_factor, state["scale"])
        scale = ops.where(finite, grown, state["scale"] / self.step_factor)
        kept = ops.logical_and(finite, ops.logical_not(grow))
        return {
            "scale": ops.clip(scale, self.scale_min, self.scale_max),
            "since_change": ops.where(kept, since, 0.0),
        }


@dataclass(frozen=True)
class LogMax:
    """Keep the largest gradient, taken as log-normal, below a power of two.

    The scale is 2^(log_max - (μ + z·σ)), with μ and σ the running mean and deviation of
    x = log2 of the largest unscaled gradient (OpenSeq2Seq's automatic loss scaling). An
    overflow enters as x = log_max; a step whose gradients are all zero enters as the
    largest x that float16 would have lost at the scale in force.

    Attributes:
        scale_min: floor, and the scale at the start.
        scale_max: ceiling.
        log_max: exponent the largest scaled gradient is kept under.
        beta1: share of μ kept at each step.
        beta2: the same for σ.
        overflow_std_dev: z; 3.09 leaves one step in a thousand above.
    """

    scale_min: float = 1.0
    scale_max: float = 2.0**14
    log_max: float = 16.0
    beta1: float = 0.99
    beta2: float = 0.999
    overflow_std_dev: float = 3.09

    def start(self) -> dict[str, float]:
        averages = dict.fromkeys(("mean", "slow_mean", "square"), 0.0)
        return {"scale": self.scale_min, **averages, "weight1": 0.0, "weight2": 0.0}

    def update(
        self, state: Mapping[str, Tensor], largest: Tensor, finite: Tensor
    ) -> State:
        x = self._exponent(largest, state["scale"], finite)
        new = {
            name: beta * state[name] + (1.0 - beta) * value
            for name, beta, value in (
                ("mean", self.beta1, x),
                ("weight1", self.beta1, 1.0),
                ("slow_mean", self.beta2, x),
                ("square", self.beta2, x * x),
                ("weight2", self.beta2, 1.0),
            )
        }
        slow_mean = new["slow_mean"] / new["weight2"]
        variance = new["square"] / new["weight2"] - slow_mean * slow_mean
        deviation = ops.sqrt(ops.maximum(variance, 0.0))
        expected = new["mean"] / new["weight1"] + self.overflow_std_dev * deviation
        exponent = ops.clip(self.log_max - expected, -126.0, 127.0)
        scale = ops.clip(ops.power(2.0, exponent), self.scale_min, self.scale_max)
        return new | {"scale": scale}

    def _exponent(self, largest: Tensor, scale: Tensor, finite: Tensor) -> Tensor:
        """log2 of the largest unscaled gradient."""
        seen = ops.log2(ops.maximum(ops.where(finite, largest, 1.0), SMALLEST_NORMAL))
        seen = ops.where(ops.equal(largest, 0.0), SMALLEST_FLOAT16, seen)
        return ops.where(finite, seen - ops.log2(scale), self.log_max)
