"""LazyAdam against Adam, run by hand in the rows that were touched."""

from contextlib import ExitStack

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.lazy_adam import LazyAdam
from tests.optimizers.updates import (
    both_paths,
    check,
    look_up,
    looked_up,
    problem,
    stateful,
    table_gradients,
    variables,
)
from tests.pytorch_reference import import_torch

RATE, BETA_1, BETA_2, EPSILON = 0.05, 0.8, 0.9, 1e-7


def lazy_adam(**settings):
    return LazyAdam(RATE, BETA_1, BETA_2, EPSILON, **settings)


def adam(**settings):
    return keras.optimizers.Adam(RATE, BETA_1, BETA_2, EPSILON, **settings)


def row_by_row(table, gradients, amsgrad=False):
    """The table after each step of an Adam that visits the touched rows only."""
    w = table.astype("float64")
    m, v, largest = np.zeros_like(w), np.zeros_like(w), np.zeros_like(w)
    after = []
    for t, gradient in enumerate(gradients, start=1):
        correction = np.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        for row, g in enumerate(gradient):
            if np.any(g):
                m[row] = BETA_1 * m[row] + (1 - BETA_1) * g
                v[row] = BETA_2 * v[row] + (1 - BETA_2) * g**2
                largest[row] = np.maximum(largest[row], v[row])
                root = np.sqrt(largest[row] if amsgrad else v[row])
                w[row] -= RATE * correction * m[row] / (root + EPSILON)
        after.append(w.copy())
    return after


def sparse_gradients():
    """Of a (7, 3) table; row 6 is never touched, some are in some steps."""
    return table_gradients(*looked_up())


@both_paths
@pytest.mark.parametrize("amsgrad", [False, True])
def test_moments_and_weights_change_in_touched_rows_only(run, amsgrad):
    table, gradients = looked_up()[0], sparse_gradients()
    steps = [[g] for g in gradients]
    found = run(lazy_adam(amsgrad=amsgrad), [table], steps, name="embeddings")
    expected = row_by_row(table, gradients, amsgrad)
    before = table
    for (ours,), theirs, gradient in zip(found, expected, gradients, strict=True):
        check([ours], [theirs])
        untouched = ~np.any(gradient, axis=1)
        assert untouched[6]
        assert np.array_equal(ours[untouched], before[untouched])
        before = ours


def test_a_compiled_step_of_an_embedding_layer():
    """On TensorFlow these gradients are slices, with two of the same row."""
    table, tokens, upstream = looked_up()
    found = look_up(lazy_adam(), table, tokens, upstream)
    check(found, row_by_row(table, table_gradients(table, tokens, upstream)))


@both_paths
def test_is_adam_where_every_row_is_touched(run):
    torch = import_torch()
    rng = np.random.default_rng(5)
    table = rng.normal(size=(5, 2))
    gradients = rng.normal(size=(4, 5, 2))
    parameter = torch.nn.Parameter(torch.tensor(table))
    theirs = torch.optim.Adam([parameter], RATE, (BETA_1, BETA_2), 1e-12)
    ours = LazyAdam(RATE, BETA_1, BETA_2, 1e-12)
    found = run(ours, [table], [[g] for g in gradients], name="embeddings")
    for gradient, (after,) in zip(gradients, found, strict=True):
        parameter.grad = torch.tensor(gradient)
        theirs.step()
        check([after], [parameter.detach().numpy()])


@both_paths
def test_other_variables_follow_adam(run):
    weights, gradients = problem(5)
    expected = stateful(adam(), weights, gradients)
    for ours, theirs in zip(
        run(lazy_adam(), weights, gradients), expected, strict=True
    ):
        check(ours, theirs)


@pytest.mark.parametrize(
    ("path", "ends", "lazy"),
    [
        ("embeddings", ("embeddings",), True),
        ("encoder/embedding/embeddings", ("embeddings",), True),
        ("encoder/my_embeddings", ("embeddings",), False),
        ("encoder/embeddings", ("decoder/embeddings",), False),
        ("decoder/embeddings", ("decoder/embeddings",), True),
        ("table", ("embeddings", "table"), True),
        ("embeddings", (), False),
    ],
)
def test_tables_are_chosen_by_how_their_path_ends(path, ends, lazy):
    *scopes, name = path.split("/")
    with ExitStack() as stack:
        for scope in scopes:
            stack.enter_context(keras.name_scope(scope))
        table = keras.Variable(np.ones((2, 1), "float32"), name=name)
    optimizer = lazy_adam(lazy=ends)
    steps = [np.array([[1.0], [1.0]]), np.array([[1.0], [0.0]])]
    seen = []
    for gradient in steps:
        optimizer.apply([ops.convert_to_tensor(gradient, "float32")], [table])
        seen.append(ops.convert_to_numpy(table).copy())
    assert (seen[0][1] == seen[1][1]) == lazy


def test_moments_of_untouched_rows_do_not_decay():
    optimizer = lazy_adam()
    (table,) = variables([np.ones((2, 1))], "embeddings")
    for gradient in ([[1.0], [2.0]], [[1.0], [0.0]], [[1.0], [0.0]]):
        optimizer.apply([ops.convert_to_tensor(gradient, "float32")], [table])
    momentum, velocity = (
        ops.convert_to_numpy(v)[1, 0]
        for v in (optimizer._momentums[0], optimizer._velocities[0])
    )
    assert momentum == pytest.approx((1 - BETA_1) * 2)
    assert velocity == pytest.approx((1 - BETA_2) * 4)


def test_weight_decay_is_refused():
    with pytest.raises(ValueError, match=r"no weight_decay. Received: 0.1"):
        lazy_adam(weight_decay=0.1)
