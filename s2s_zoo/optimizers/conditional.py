"""Updates that take place only where a condition holds."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo.typing import Tensor


def apply_if(
    condition: Tensor,
    optimizer: keras.optimizers.Optimizer,
    grads: Sequence[Tensor | None],
    variables: Sequence[Any],
) -> None:
    """Let `optimizer` move `variables` where `condition`, a bool scalar, is True.

    Works in eager code, in a compiled step and in JAX's stateless scope.
    """
    if keras.backend.backend() != "jax":
        ops.cond(condition, lambda: optimizer.apply(grads, variables), lambda: None)
        return
    weights = [ops.copy(v) for v in variables]
    state = [ops.copy(v) for v in optimizer.variables]

    def update() -> tuple[list[Tensor], list[Tensor]]:
        new_weights, new_state = optimizer.stateless_apply(state, grads, weights)
        return list(new_weights), list(new_state)

    weights, state = ops.cond(condition, update, lambda: (weights, state))
    for variable, value in zip(
        [*variables, *optimizer.variables], [*weights, *state], strict=True
    ):
        variable.assign(value)
