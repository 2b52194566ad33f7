"""The moving average of the weights that an optimizer with `use_ema` keeps."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops


@contextmanager
def averaged(optimizer: Any, variables: Sequence[keras.Variable]) -> Iterator[None]:
    """Give `variables` their moving average for a while, where one is kept.

    It begins with the first update.

    Example:
        >>> import keras
        >>> from s2s_zoo.optimizers import averaged
        >>> w, ema = keras.Variable([0.0]), {"use_ema": True, "ema_momentum": 0.75}
        >>> optimizer = keras.optimizers.SGD(1.0, **ema)
        >>> for _ in range(2):
        ...     optimizer.apply([keras.ops.array([-4.0])], [w])
        >>> with averaged(optimizer, [w]):
        ...     print(float(w[0]))
        5.0
        >>> float(w[0])
        8.0
    """
    optimizer = innermost(optimizer)
    averages = getattr(optimizer, "use_ema", False)
    if not averages or not int(ops.convert_to_numpy(optimizer.iterations)):
        yield
        return
    kept = [ops.convert_to_numpy(variable) for variable in variables]
    found = optimizer._model_variables_moving_average
    for variable, average in zip(variables, found, strict=True):
        variable.assign(ops.copy(average))
    try:
        yield
    finally:
        for variable, value in zip(variables, kept, strict=True):
            variable.assign(value)


def tell_validation(optimizer: Any, value: float) -> None:
    """Tell an optimizer that asks for it of a validation, lower values being better.

    It does so by having a method `validated`, such as
    `s2s_zoo.optimizers.NonMonotonicASGD`.
    """
    heard = getattr(innermost(optimizer), "validated", None)
    if heard is not None:
        heard(value)


def innermost(optimizer: Any) -> Any:
    """The optimizer in all that are around it."""
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer
