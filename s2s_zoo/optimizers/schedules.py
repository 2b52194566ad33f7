"""Learning-rate schedules of OpenSeq2Seq's recipes, over updates."""

import math
from dataclasses import dataclass, fields
from itertools import pairwise
from typing import Any

import keras
from keras import ops

from s2s_zoo.typing import Tensor

_ABOVE_ZERO = (
    "initial_learning_rate",
    "decay_steps",
    "decay_rate",
    "power",
    "d_model",
    "coefficient",
    "maximum",
)
_NOT_NEGATIVE = ("begin", "warmup", "minimum")


@dataclass(frozen=True)
class Schedule(keras.optimizers.schedules.LearningRateSchedule):
    """A schedule whose configuration is its fields.

    Attributes:
        initial_learning_rate: the rate the schedule starts from.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> from dataclasses import dataclass
        >>> from s2s_zoo.optimizers import Schedule
        >>> @dataclass(frozen=True)
        ... class Harmonic(Schedule):
        ...     def __call__(self, step):
        ...         return self.initial_learning_rate / (1 + step)
        >>> Harmonic(0.5)(4), Harmonic(0.5).get_config()
        (0.1, {'initial_learning_rate': 0.5})
    """

    initial_learning_rate: float

    def __post_init__(self) -> None:
        settings = self.get_config()
        for name, value in settings.items():
            if name in _ABOVE_ZERO and value is not None and not value > 0:
                raise ValueError(f"{name} is above 0. Received: {value}")
            if name in _NOT_NEGATIVE and not value >= 0:
                raise ValueError(f"{name} is 0 or more. Received: {value}")
        minimum = settings.get("minimum", 0.0)
        if minimum > self.initial_learning_rate:
            raise ValueError(
                "minimum is at most initial_learning_rate, "
                f"{self.initial_learning_rate}. Received: {minimum}"
            )

    def get_config(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate at every update.

    Example:
        >>> from s2s_zoo.optimizers import Constant
        >>> float(Constant(0.5)(1000))
        0.5
    """

    def __call__(self, step: Tensor) -> Tensor:
        return ops.convert_to_tensor(self.initial_learning_rate, "float32")


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class PiecewiseConstantDecay(Schedule):
    """rate · decay_rates[i] after boundaries[i], the rate itself before the first.

    Attributes:
        initial_learning_rate: the rate up to and with update boundaries[0].
        boundaries: last updates of the pieces, increasing.
        decay_rates: shares of the initial rate, not of the piece before; as many as
            there are boundaries.

    Example:
        >>> from s2s_zoo.optimizers import PiecewiseConstantDecay
        >>> schedule = PiecewiseConstantDecay(1.0, (10, 20), decay_rates=(0.5, 0.1))
        >>> [round(float(schedule(step)), 3) for step in (10, 11, 21)]
        [1.0, 0.5, 0.1]
    """

    boundaries: tuple[int, ...]
    decay_rates: tuple[float, ...]

    def __post_init__(self) -> None:
        super().__post_init__()
        received = f"Received: {self.boundaries} and {self.decay_rates}"
        if len(self.boundaries) != len(self.decay_rates):
            raise ValueError(f"As many decay_rates as boundaries. {received}")
        ends = (-1, *self.boundaries)
        if any(b <= a for a, b in pairwise(ends)):
            raise ValueError(f"boundaries are 0 or more and increase. {received}")
        if any(rate < 0 for rate in self.decay_rates):
            raise ValueError(f"decay_rates are 0 or more. {received}")

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32")
        rates = [self.initial_learning_rate * r for r in (1.0, *self.decay_rates)]
        ends = ops.convert_to_tensor(self.boundaries, "float32")
        passed = ops.sum(ops.cast(step > ends, "int32"))
        return ops.take(ops.convert_to_tensor(rates, "float32"), passed)


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class ExponentialDecay(Schedule):
    """max(minimum, rate · decay_rate^(t / decay_steps)), held until `begin`.

    Attributes:
        initial_learning_rate: the rate at the start.
        decay_steps: updates in which the rate falls to `decay_rate` of itself.
        decay_rate: factor per `decay_steps`.
        staircase: fall in steps instead of smoothly.
        begin: updates before the fall starts.
        minimum: absolute floor.

    Example:
        >>> from s2s_zoo.optimizers import ExponentialDecay
        >>> schedule = ExponentialDecay(1.0, decay_steps=10, decay_rate=0.5, begin=5)
        >>> [round(float(schedule(step)), 3) for step in (5, 15, 25)]
        [1.0, 0.5, 0.25]
    """

    decay_steps: int
    decay_rate: float
    staircase: bool = False
    begin: int = 0
    minimum: float = 0.0

    def __call__(self, step: Tensor) -> Tensor:
        t = ops.maximum(ops.cast(step, "float32") - self.begin, 0.0) / self.decay_steps
        t = ops.floor(t) if self.staircase else t
        rate = self.initial_learning_rate * ops.power(float(self.decay_rate), t)
        return ops.maximum(rate, self.minimum)


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class PolynomialDecay(Schedule):
    """(rate - minimum) · (1 - t / decay_steps)^power + minimum, after a warm-up.

    Attributes:
        initial_learning_rate: the rate the fall starts from.
        decay_steps: updates at which the rate reaches `minimum`, counted from the
            later of `begin` and the end of the warm-up.
        power: 1 is a straight line.
        begin: updates before the fall starts.
        minimum: absolute floor.
        warmup: updates in which the rate rises linearly from 0.

    Example:
        >>> from s2s_zoo.optimizers import PolynomialDecay
        >>> schedule = PolynomialDecay(1.0, decay_steps=100, power=2.0, warmup=10)
        >>> [round(float(schedule(step)), 3) for step in (5, 10, 60)]
        [0.5, 1.0, 0.25]
    """

    decay_steps: int
    power: float = 1.0
    begin: int = 0
    minimum: float = 0.0
    warmup: int = 0

    def __call__(self, step: Tensor) -> Tensor:
        share = _share(step, max(self.begin, self.warmup), self.decay_steps)
        fall = self.initial_learning_rate - self.minimum
        rate = fall * ops.power(1.0 - share, self.power) + self.minimum
        return rate * _warming(step, self.warmup)


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class CosineDecay(Schedule):
    """(rate - minimum) · (1 + cos(π t / decay_steps)) / 2 + minimum, after a warm-up.

    Loshchilov and Hutter, 2017, https://arxiv.org/abs/1608.03983, section 3, without
    restarts. OpenSeq2Seq's `min_lr` of this schedule alone is a share of the rate: its
    0.01 at a rate of 0.02 is a `minimum` of 0.0002 here.

    Attributes:
        initial_learning_rate: the rate the fall starts from.
        decay_steps: updates at which the rate reaches `minimum`, counted from the
            later of `begin` and the end of the warm-up.
        begin: updates before the fall starts.
        minimum: absolute floor.
        warmup: updates in which the rate rises linearly from 0.

    Example:
        >>> from s2s_zoo.optimizers import CosineDecay
        >>> schedule = CosineDecay(1.0, decay_steps=100, minimum=0.2)
        >>> [round(float(schedule(step)), 3) for step in (0, 50, 100)]
        [1.0, 0.6, 0.2]
    """

    decay_steps: int
    begin: int = 0
    minimum: float = 0.0
    warmup: int = 0

    def __call__(self, step: Tensor) -> Tensor:
        share = _share(step, max(self.begin, self.warmup), self.decay_steps)
        fall = self.initial_learning_rate - self.minimum
        rate = fall * (1.0 + ops.cos(math.pi * share)) / 2 + self.minimum
        return rate * _warming(step, self.warmup)


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class InverseSquareRoot(Schedule):
    """The Transformer's rise and fall, also called Noam.

    rate · coefficient · d_model^-½ · min((t + 1) · warmup^-1.5, (t + 1)^-½), of Vaswani
    et al., 2017, https://arxiv.org/abs/1706.03762, section 5.3.

    Attributes:
        initial_learning_rate: a factor, 2 in most recipes; no update has this rate.
        d_model: width of the model.
        warmup: updates of the linear rise.
        coefficient: a further factor.
        maximum: absolute ceiling, None for none.

    Example:
        >>> from s2s_zoo.optimizers import InverseSquareRoot
        >>> schedule = InverseSquareRoot(2.0, d_model=4, warmup=100)
        >>> [round(float(schedule(step)), 3) for step in (0, 99, 399)]
        [0.001, 0.1, 0.05]
    """

    d_model: int
    warmup: int
    coefficient: float = 1.0
    maximum: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.warmup < 1:
            raise ValueError(f"warmup is 1 or more. Received: {self.warmup}")

    def __call__(self, step: Tensor) -> Tensor:
        t = ops.cast(step, "float32") + 1.0
        shape = ops.minimum(t * self.warmup**-1.5, ops.rsqrt(t))
        rate = self.initial_learning_rate * self.coefficient * self.d_model**-0.5
        return ops.minimum(rate * shape, self.maximum or math.inf)


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class InversePolynomialDecay(Schedule):
    """rate / (1 + c t)^power down to `minimum`, after a warm-up.

    c = ((rate / minimum)^(1 / power) - 1) / decay_steps, so that the rate meets
    `minimum` after `decay_steps`; it stays there.

    Attributes:
        initial_learning_rate: the rate the fall starts from.
        decay_steps: updates at which the rate reaches `minimum`, counted from the
            later of `begin` and the end of the warm-up.
        power: 1 is a hyperbola.
        begin: updates before the fall starts.
        minimum: absolute floor, above 0.
        warmup: updates in which the rate rises linearly from 0.

    Example:
        >>> from s2s_zoo.optimizers import InversePolynomialDecay
        >>> schedule = InversePolynomialDecay(1.0, decay_steps=90, minimum=0.1)
        >>> [round(float(schedule(step)), 3) for step in (0, 10, 90)]
        [1.0, 0.5, 0.1]
    """

    decay_steps: int
    power: float = 1.0
    begin: int = 0
    minimum: float = 1e-8
    warmup: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.minimum > 0:
            raise ValueError(f"minimum is above 0. Received: {self.minimum}")

    def __call__(self, step: Tensor) -> Tensor:
        share = _share(step, max(self.begin, self.warmup), self.decay_steps)
        most = (self.initial_learning_rate / self.minimum) ** (1 / self.power)
        rate = self.initial_learning_rate * ops.power(
            1.0 + (most - 1.0) * share, -self.power
        )
        return rate * _warming(step, self.warmup)


def _share(step: Tensor, begin: int, decay_steps: int) -> Tensor:
    """How much of the fall has passed, 0 to 1."""
    return ops.clip((ops.cast(step, "float32") - begin) / decay_steps, 0.0, 1.0)


def _warming(step: Tensor, warmup: int) -> Tensor:
    """How much of the warm-up has passed, 0 to 1."""
    return ops.minimum(ops.cast(step, "float32") / warmup, 1.0) if warmup else 1.0
