"""Activations the reference recipes use."""

from keras import ops

from s2s_zoo.typing import Tensor


def clipped_relu(x: Tensor, ceiling: float | None) -> Tensor:
    """min(max(x, 0), ceiling); no limit where `ceiling` is None."""
    return ops.relu(x) if ceiling is None else ops.clip(x, 0.0, ceiling)
