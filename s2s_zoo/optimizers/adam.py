"""Adam with few operations."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.optimizers.gradients import ByWholeNorms
from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class Adam(ByWholeNorms, keras.optimizers.Adam):
    """Adam that computes the size of its step once an update, not once a variable.

    Its numbers are those of `keras.optimizers.Adam` (Kingma and Ba, 2015,
    https://arxiv.org/abs/1412.6980, end of section 2), but for norms of gradients of
    look-ups, which that class takes slice by slice on TensorFlow. On PyTorch it is that
    class, which there moves all variables in a few calls.

    Args:
        args: as of `keras.optimizers.Adam`.
        kwargs: the same.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import Adam
        >>> w, optimizer = keras.Variable([1.0, 1.0]), Adam(learning_rate=0.25)
        >>> optimizer.apply([keras.ops.array([8.0, -0.5])], [w])
        >>> print(keras.ops.convert_to_numpy(w).round(3))
        [0.75 1.25]
    """

    def _backend_update_step(
        self, grads: list[Tensor], trainable_variables: list[Any], learning_rate: Tensor
    ) -> None:
        """As in Keras, with α_t in the place of the learning rate."""
        update = ops.cast(self.iterations + 1, "float32")
        rate = ops.cast(learning_rate, "float32")
        rate *= ops.sqrt(1 - ops.power(self.beta_2, update))
        rate /= 1 - ops.power(self.beta_1, update)
        super()._backend_update_step(grads, trainable_variables, rate)

    def update_step(
        self, gradient: Tensor, variable: Any, learning_rate: Tensor
    ) -> None:
        index = self._get_variable_index(variable)
        m, v = self._momentums[index], self._velocities[index]
        gradient = ops.cast(gradient, variable.dtype)
        change = ops.subtract(gradient, m)
        self.assign_add(m, ops.multiply(change, 1 - self.beta_1))
        change = ops.subtract(ops.square(gradient), v)
        self.assign_add(v, ops.multiply(change, 1 - self.beta_2))
        if self.amsgrad:
            largest = self._velocity_hats[index]
            self.assign(largest, ops.maximum(largest, v))
            v = largest
        step = ops.multiply(m, ops.cast(learning_rate, variable.dtype))
        root = ops.add(ops.sqrt(v), self.epsilon)
        self.assign_sub(variable, ops.divide(step, root))


if keras.backend.backend() == "torch":
    Adam = keras.optimizers.Adam  # type: ignore[misc]
    keras.saving.get_custom_objects()["s2s_zoo>Adam"] = Adam
