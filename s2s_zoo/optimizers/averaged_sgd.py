"""Averaged stochastic gradient descent, as language models are trained by."""

import math
from typing import Any

import keras
import numpy as np
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.optimizers.gradients import ByWholeNorms

MAX_INTERVAL = 1000


@keras.saving.register_keras_serializable("s2s_zoo")
class NonMonotonicASGD(ByWholeNorms, keras.optimizers.SGD):
    """SGD whose weights are averaged from when validations get no better (NT-ASGD).

    Merity et al., 2017, https://arxiv.org/abs/1708.02182, algorithm 1: averaging
    begins once a validation is worse than the best of those more than `interval`
    validations ago. From then on the average is the mean of the weights after every
    update, and what is validated and kept; until then it is the weights themselves.

    Args:
        learning_rate: constant in the paper.
        interval: n, validations that may be no better.
        kwargs: as of `keras.optimizers.SGD`.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import NonMonotonicASGD, averaged
        >>> w, optimizer = keras.Variable([0.0]), NonMonotonicASGD(1.0, interval=1)
        >>> optimizer.build([w])
        >>> for loss in (5.0, 4.0, 6.0):
        ...     optimizer.validated(loss)
        >>> for _ in range(2):
        ...     optimizer.apply([keras.ops.array([-1.0])], [w])
        >>> with averaged(optimizer, [w]):
        ...     print(float(w[0]))
        1.5
    """

    def __init__(
        self, learning_rate: Any = 30.0, interval: int = 5, **kwargs: Any
    ) -> None:
        check_range("interval", interval, 1, MAX_INTERVAL)
        super().__init__(learning_rate, **{**kwargs, "use_ema": True})
        self.interval = interval

    def build(self, variables: list[Any]) -> None:
        if self.built:
            return
        super().build(variables)
        never = keras.initializers.Constant(math.inf)
        self.begun = self._scalar("begun")
        self.count = self._scalar("count")
        self.recent = self.add_variable(
            (self.interval,), initializer=never, dtype="float32", name="recent"
        )
        self.older = self.add_variable(
            (), initializer=never, dtype="float32", name="older"
        )

    def _scalar(self, name: str) -> Any:
        return self.add_variable((), initializer="zeros", dtype="int32", name=name)

    def validated(self, value: float) -> None:
        """Hear of a validation, lower values being better."""
        recent = ops.convert_to_numpy(self.recent)
        older = float(ops.convert_to_numpy(self.older))
        if value > older:
            self.begun.assign(1)
        self.older.assign(min(older, float(recent[0])))
        self.recent.assign(np.append(recent[1:], np.float32(value)))

    def _update_model_variables_moving_average(self, trainable_variables: Any) -> None:
        count = (ops.convert_to_tensor(self.count) + 1) * self.begun
        self.count.assign(count)
        share = 1.0 / ops.cast(ops.maximum(count, 1), "float32")
        pairs = zip(
            trainable_variables, self._model_variables_moving_average, strict=True
        )
        for variable, average in pairs:
            average.assign(average + (variable - average) * share)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "interval": self.interval}
