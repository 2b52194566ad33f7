"""Ways to feed gradients to an optimizer, and what the weights become."""

import keras
import numpy as np
import pytest
from keras import ops

SHAPES = [(3, 4), (5,), (2, 2, 2), (6,)]


def problem(steps=4):
    """Weights and gradients of several sizes; one weight and one gradient are zero."""
    rng = np.random.default_rng(0)
    scales = (1.0, 10.0, 1e-3, 0.0)
    weights = [rng.normal(0, s, n) for n, s in zip(SHAPES, scales, strict=True)]
    gradients = [[rng.normal(0, 3.0, shape) for shape in SHAPES] for _ in range(steps)]
    gradients[1][1][...] = 0.0
    gradients[2][0] *= 1e-5
    return weights, gradients


def variables(weights, name="weight"):
    return [keras.Variable(w.astype("float32"), name=name) for w in weights]


def tensors(gradients):
    return [ops.convert_to_tensor(g, "float32") for g in gradients]


def arrays(values):
    return [ops.convert_to_numpy(value).copy() for value in values]


def check(found, expected, rtol=1e-5, atol=1e-7):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours), theirs, rtol=rtol, atol=atol
        )


def stateful(optimizer, weights, gradients, name="weight"):
    """Weights after each step of `apply`."""
    found = variables(weights, name)
    after = []
    for step in gradients:
        optimizer.apply(tensors(step), found)
        after.append(arrays(found))
    return after


def stateless(optimizer, weights, gradients, name="weight"):
    """Weights after each step of a compiled `stateless_apply`."""
    if keras.backend.backend() != "jax":
        pytest.skip("the stateless path is JAX's")
    import jax

    start = variables(weights, name)
    optimizer.build(start)
    state = [v.value for v in optimizer.variables]
    found = [v.value for v in start]
    apply = jax.jit(optimizer.stateless_apply)
    after = []
    for step in gradients:
        found, state = apply(state, tensors(step), found)
        after.append(arrays(found))
    check(start, weights)
    return after


both_paths = pytest.mark.parametrize(
    "run", [stateful, stateless], ids=lambda run: run.__name__
)


def linear_model(size=2):
    """A model whose loss is the sum of its one kernel (size, 1)."""
    kernel = keras.layers.Dense(1, use_bias=False, kernel_initializer="ones")
    return keras.Sequential([keras.Input((size,)), kernel])


def descend(model, optimizer, steps):
    """Train with a loss whose gradient is 1 everywhere; the kernel after each step."""
    model.compile(optimizer, loss=lambda _, y: ops.sum(y, axis=-1))
    size = model.input_shape[-1]
    x = np.ones((2, size), "float32")
    after = []
    for _ in range(steps):
        model.train_on_batch(x, np.zeros((2, 1), "float32"))
        after.append(arrays(model.trainable_variables)[0])
    return after


def look_up(optimizer, table, tokens, upstream):
    """Train an embedding table in a compiled step.

    Args:
        table: (V, D) where it starts.
        tokens: of each step, (T,) rows that are looked up, some of them twice.
        upstream: of each step, (T, D) gradient of what was looked up.

    Returns:
        The table after each step.
    """
    rows, width = table.shape
    model = keras.Sequential([keras.layers.Embedding(rows, width, name="embedding")])
    model.build((None, len(tokens[0])))
    model.set_weights([table])
    model.compile(optimizer, loss=lambda g, y: ops.sum(g * y, axis=(1, 2)))
    after = []
    for row, gradient in zip(tokens, upstream, strict=True):
        model.train_on_batch(row[None], gradient[None].astype("float32"))
        after.append(arrays(model.trainable_variables)[0])
    return after


def looked_up(rows=7, width=3, length=4, steps=5):
    """A table, and tokens and gradients for `look_up`."""
    rng = np.random.default_rng(3)
    table = rng.normal(size=(rows, width)).astype("float32")
    tokens = rng.integers(0, rows - 1, (steps, length))
    tokens[0] = [1, 1, 2, 4]
    return table, tokens, rng.normal(size=(steps, length, width))


def table_gradients(table, tokens, upstream):
    """Gradient of the table in each step: what `look_up` gives its optimizer."""
    gradients = []
    for row, gradient in zip(tokens, upstream, strict=True):
        total = np.zeros(table.shape)
        np.add.at(total, row, gradient)
        gradients.append(total)
    return gradients
