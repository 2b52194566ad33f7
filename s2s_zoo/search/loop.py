"""The loop a search runs in."""

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from keras import ops

from s2s_zoo.typing import Tensor

Condition: TypeAlias = Callable[..., Tensor]
"""From what is fixed and what is carried, one argument each, to a bool scalar."""

Body: TypeAlias = Callable[..., tuple[Any, ...]]
"""From what is fixed and what is carried to what is carried after the step."""

Loop: TypeAlias = Callable[[Condition, Body, Any, tuple[Any, ...]], tuple[Any, ...]]
"""Steps while the condition holds, from what is fixed and what is carried first."""


def while_loop(
    condition: Condition, body: Body, fixed: Any, carried: tuple[Any, ...]
) -> tuple[Any, ...]:
    """`keras.ops.while_loop`: part of the function around it, Python on PyTorch."""
    return ops.while_loop(partial(condition, fixed), partial(body, fixed), carried)
