"""Values and gradients of a function of arrays on whichever backend runs."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from keras import ops


def value_and_gradients(
    function: Callable[..., Any],
    arrays: list[np.ndarray],
    upstream: np.ndarray | float = 1.0,
) -> tuple[np.ndarray, list[np.ndarray]]:
    """`function(*arrays)` and the gradients of the sum of it times `upstream`.

    Traced as in training: inside `tf.function` and `jax.jit`.
    """
    backend = keras.backend.backend()
    value, gradients = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[
        backend
    ](function, arrays, np.asarray(upstream, "float32"))
    return np.asarray(value), [np.asarray(g) for g in gradients]


def _tensorflow(function, arrays, upstream):
    import tensorflow as tf

    inputs = [tf.constant(a) for a in arrays]

    @tf.function(autograph=False)
    def run(*inputs):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
            total = tf.reduce_sum(value * upstream)
        return value, tape.gradient(total, inputs)

    return run(*inputs)


def _jax(function, arrays, upstream):
    import jax

    def total(*inputs):
        value = function(*inputs)
        return (value * upstream).sum(), value

    run = jax.jit(jax.value_and_grad(total, tuple(range(len(arrays))), has_aux=True))
    (_, value), gradients = run(*arrays)
    return value, gradients


def _torch(function, arrays, upstream):
    import torch

    inputs = [torch.tensor(a, requires_grad=True) for a in arrays]
    value = function(*inputs)
    (value * torch.tensor(upstream)).sum().backward()
    return ops.convert_to_numpy(value), [i.grad.numpy() for i in inputs]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """`function`, which updates no variable, compiled as a whole on JAX.

    JAX compiles every operation outside `jit` by itself, which takes far longer.
    """
    if keras.backend.backend() != "jax":
        return function
    import jax

    return jax.jit(function)
