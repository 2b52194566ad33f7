"""Learning-rate schedules of OpenSeq2Seq's recipes, over updates."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ExponentialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """max(minimum, rate · decay_rate^(t / decay_steps)), held until `begin`.

    Args:
        initial_learning_rate: the rate at the start.
        decay_steps: updates in which the rate falls to `decay_rate` of itself.
        decay_rate: factor per `decay_steps`.
        staircase: fall in steps instead of smoothly.
        begin: updates before the fall starts.
        minimum: absolute floor.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        decay_rate: float,
        staircase: bool = False,
        begin: int = 0,
        minimum: float = 0.0,
    ) -> None:
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.begin = begin
        self.minimum = minimum

    def __call__(self, step: Tensor) -> Tensor:
        t = ops.maximum(ops.cast(step, "float32") - self.begin, 0.0) / self.decay_steps
        t = ops.floor(t) if self.staircase else t
        rate = self.initial_learning_rate * ops.power(float(self.decay_rate), t)
        return ops.maximum(rate, self.minimum)

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}


@keras.saving.register_keras_serializable("s2s_zoo")
class PolynomialDecay(keras.optimizers.schedules.LearningRateSchedule):
    """(rate - minimum) · (1 - t / decay_steps)^power + minimum, after a warm-up.

    Args:
        initial_learning_rate: the rate the fall starts from.
        decay_steps: updates after `begin` at which the rate reaches `minimum`.
        power: 1 is a straight line.
        begin: updates before the fall starts.
        minimum: absolute floor.
        warmup: updates in which the rate rises linearly from 0.
    """

    def __init__(
        self,
        initial_learning_rate: float,
        decay_steps: int,
        power: float = 1.0,
        begin: int = 0,
        minimum: float = 0.0,
        warmup: int = 0,
    ) -> None:
        super().__init__()
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.power = power
        self.begin = begin
        self.minimum = minimum
        self.warmup = warmup

    def __call__(self, step: Tensor) -> Tensor:
        step = ops.cast(step, "float32")
        begin = max(self.begin, self.warmup)
        share = ops.clip((step - begin) / self.decay_steps, 0.0, 1.0)
        rate = self.initial_learning_rate - self.minimum
        rate = rate * ops.power(1.0 - share, self.power) + self.minimum
        return rate * ops.minimum(1.0, step / self.warmup) if self.warmup else rate

    def get_config(self) -> dict[str, Any]:
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}
