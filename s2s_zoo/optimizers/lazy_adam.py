"""Adam that leaves alone what a batch did not look up."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.gradients import dense
from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LazyAdam(Adam):
    """Adam whose moments of embedding tables live in the rows that were looked up.

    In Adam (Kingma and Ba, 2015, https://arxiv.org/abs/1412.6980) the moments of a
    row decay, and move it, at every update. Here a row of a table whose gradient is
    zero keeps its moments and its weights; the bias correction still counts every
    update, as in `tf.contrib.opt.LazyAdamOptimizer`. A weight regularizer touches
    every row of its table.

    Args:
        learning_rate: a number or a schedule.
        beta_1: decay of the first moment.
        beta_2: decay of the second moment.
        epsilon: added to the root of the second moment.
        lazy: how the paths of the tables end: whole parts, such as "embeddings" or
            "decoder/embeddings". Every other variable follows Adam.
        name: of the optimizer.
        kwargs: the other arguments of `keras.optimizers.Adam`.

    Raises:
        ValueError: a weight decay, which would change every row.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import LazyAdam
        >>> table = keras.Variable([[1.0], [1.0]], name="embeddings")
        >>> optimizer = LazyAdam(learning_rate=0.25)
        >>> optimizer.apply([keras.ops.array([[4.0], [0.0]])], [table])
        >>> print(keras.ops.convert_to_numpy(table).round(3))
        [[0.75]
         [1.  ]]
    """

    def __init__(
        self,
        learning_rate: Any = 1e-3,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-7,
        lazy: Sequence[str] = ("embeddings",),
        name: str = "lazy_adam",
        **kwargs: Any,
    ) -> None:
        decay = kwargs.get("weight_decay")
        if decay is not None:
            raise ValueError(f"LazyAdam has no weight_decay. Received: {decay}")
        super().__init__(learning_rate, beta_1, beta_2, epsilon, name=name, **kwargs)
        self.lazy = tuple(lazy)

    def build(self, var_list: list[Any]) -> None:
        if self.built:
            return
        super().build(var_list)
        ends = tuple(f"/{end}" for end in self.lazy)
        self._is_lazy = [f"/{v.path}".endswith(ends) for v in var_list]

    def update_step(
        self, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        gradient = dense(gradient, variable)
        index = self._get_variable_index(variable)
        if not self._is_lazy[index]:
            super().update_step(gradient, variable, learning_rate)
            return
        state = [variable, self._momentums[index], self._velocities[index]]
        before = [ops.copy(v) for v in state]
        super().update_step(gradient, variable, learning_rate)
        columns = tuple(range(1, len(variable.shape)))
        touched = ops.any(ops.not_equal(gradient, 0), axis=columns, keepdims=True)
        for v, old in zip(state, before, strict=True):
            self.assign(v, ops.where(touched, ops.convert_to_tensor(v), old))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"lazy": list(self.lazy)}
