"""Updates that take place only where a condition holds."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from s2s_zoo import distribution
from s2s_zoo.typing import Tensor


def apply_if(
    condition: Tensor,
    optimizer: keras.optimizers.Optimizer,
    grads: Sequence[Tensor | None],
    variables: Sequence[Any],
) -> None:
    """Let `optimizer` move `variables` where `condition`, a bool scalar, is True.

    Works in eager code, in a compiled step, in JAX's stateless scope and on replicas
    that have the same condition and the same gradients.
    """
    if distribution.replicated():
        distribution.merged(_apply_merged, condition, optimizer, grads, variables)
        return
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


def _apply_merged(
    each: Any, condition: Any, optimizer: Any, grads: Any, variables: Any
) -> None:
    """`apply_if` in the cross-replica context of a tf.distribute strategy."""

    def update() -> Tensor:
        each(distribution.any_of(optimizer).apply, grads, variables)
        return ops.zeros(())

    ops.cond(distribution.any_of(condition), update, lambda: ops.zeros(()))
