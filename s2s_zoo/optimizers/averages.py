"""The moving average of the weights that an optimizer with `use_ema` keeps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops


@contextmanager
def averaged(optimizer: Any, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Give `variables` their moving average for a while, where one is kept."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    if not getattr(optimizer, "use_ema", False):
        yield
        return
    kept = [ops.convert_to_numpy(variable) for variable in variables]
    averages = optimizer._model_variables_moving_average
    for variable, average in zip(variables, averages, strict=True):
        variable.assign(average)
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)
