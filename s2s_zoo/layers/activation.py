"""Activations the reference recipes use."""

from keras import ops

from s2s_zoo.typing import Tensor


def clipped_relu(x: Tensor, ceiling: float | None) -> Tensor:
    """min(max(x, 0), ceiling) of any shape; no limit where `ceiling` is None.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import clipped_relu
        >>> y = clipped_relu(ops.array([-1.0, 5.0, 30.0]), ceiling=20.0)
        >>> print(ops.convert_to_numpy(y))
        [ 0.  5. 20.]
    """
    return ops.relu(x) if ceiling is None else ops.clip(x, 0.0, ceiling)
