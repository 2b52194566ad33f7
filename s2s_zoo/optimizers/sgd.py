"""Stochastic gradient descent."""

import keras

from s2s_zoo.optimizers.gradients import ByWholeNorms


@keras.saving.register_keras_serializable("s2s_zoo")
class SGD(ByWholeNorms, keras.optimizers.SGD):
    """SGD that clips by norms of whole gradients on every backend.

    Of a look-up, `keras.optimizers.SGD` on TensorFlow takes the norm of what each
    position adds, not of the sum. On PyTorch it is that class.

    Args:
        args: as of `keras.optimizers.SGD`.
        kwargs: the same.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import SGD
        >>> w, optimizer = keras.Variable([1.0, 1.0]), SGD(1.0, clipnorm=0.5)
        >>> optimizer.apply([keras.ops.array([3.0, -4.0])], [w])
        >>> print(keras.ops.convert_to_numpy(w).round(3))
        [0.7 1.4]
    """


if keras.backend.backend() == "torch":
    SGD = keras.optimizers.SGD  # type: ignore[misc]
    keras.saving.get_custom_objects()["s2s_zoo>SGD"] = SGD
