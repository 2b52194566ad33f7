"""Gradients as tensors."""

from typing import Any

from keras import ops

from s2s_zoo.typing import Tensor


def dense(gradient: Tensor, variable: Any) -> Tensor:
    """The gradient in float32 and in the shape of its variable.

    TensorFlow gives the gradient of a look-up as slices, one for each look-up; the
    reshape adds up those of the same row.
    """
    return ops.reshape(ops.cast(gradient, "float32"), variable.shape)


class ByWholeNorms:
    """Lets the optimizer of Keras it is mixed into clip by norms of whole gradients.

    On TensorFlow Keras squares each slice of a look-up by itself: a row that a batch
    looks up n times counts up to n times too little.
    """

    clipnorm: float | None
    global_clipnorm: float | None
    _trainable_variables: list[Any]

    def apply(
        self, grads: list[Tensor | None], trainable_variables: list[Any] | None = None
    ) -> None:
        """As of Keras."""
        if self.clipnorm or self.global_clipnorm:
            variables = trainable_variables or self._trainable_variables
            pairs = zip(grads, variables, strict=True)
            grads = [g if g is None else dense(g, v) for g, v in pairs]
        super().apply(grads, trainable_variables)  # type: ignore[misc]
