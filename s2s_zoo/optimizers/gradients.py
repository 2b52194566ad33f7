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
