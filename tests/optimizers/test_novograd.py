"""NovoGrad against a transcription of algorithm 1 of its paper."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.schedules import PolynomialDecay
from tests.optimizers.updates import (
    both_paths,
    check,
    look_up,
    looked_up,
    problem,
    stateful,
    table_gradients,
    tensors,
    variables,
)


def algorithm_1(
    weights, gradients, rates, beta_1=0.95, beta_2=0.98, epsilon=1e-8, d=0.0
):
    """The paper's, in its order: the first step sets both moments."""
    w = [x.astype("float64") for x in weights]
    v = [np.sum(g**2) for g in gradients[0]]
    m = [
        g / (np.sqrt(s) + epsilon) + d * x
        for g, s, x in zip(gradients[0], v, w, strict=True)
    ]
    after = []
    for t, rate in enumerate(rates):
        for i, g in enumerate(gradients[t]):
            if t > 0:
                v[i] = beta_2 * v[i] + (1 - beta_2) * np.sum(g**2)
                m[i] = beta_1 * m[i] + (g / (np.sqrt(v[i]) + epsilon) + d * w[i])
        w = [x - rate * y for x, y in zip(w, m, strict=True)]
        after.append(w)
    return after


def published_runs(
    weights, gradients, rates, beta_1=0.95, epsilon=1e-8, d=0.0, share=1
):
    """Normalized gradients into the momentum of tf.train.MomentumOptimizer."""
    w = [x.astype("float64") for x in weights]
    accumulated = [np.zeros_like(x) for x in w]
    after = []
    for step, rate in zip(gradients, rates, strict=True):
        for i, g in enumerate(step):
            change = g / np.sqrt(np.sum(g**2) + epsilon) + d * w[i]
            accumulated[i] = beta_1 * accumulated[i] + share * change
            w[i] = w[i] - rate * accumulated[i]
        after.append(list(w))
    return after


def compare(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        check(ours, theirs, rtol=2e-5, atol=1e-6)


@both_paths
@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_follows_algorithm_1(run, decay):
    weights, gradients = problem(6)
    optimizer = NovoGrad(0.05, weight_decay=decay)
    expected = algorithm_1(weights, gradients, [0.05] * 6, d=decay)
    compare(run(optimizer, weights, gradients), expected)


@both_paths
def test_other_betas_and_a_schedule(run):
    weights, gradients = problem(6)
    optimizer = NovoGrad(PolynomialDecay(0.1, 12), beta_1=0.8, beta_2=0.5, epsilon=0.1)
    rates = [0.1 * (1 - t / 12) for t in range(6)]
    expected = algorithm_1(weights, gradients, rates, 0.8, 0.5, 0.1)
    compare(run(optimizer, weights, gradients), expected)


@both_paths
@pytest.mark.parametrize("averaging", [False, True])
@pytest.mark.parametrize("beta_2", [0.5, 0.98])
def test_legacy_repeats_the_published_runs(run, averaging, beta_2):
    weights, gradients = problem(6)
    optimizer = NovoGrad(
        0.05,
        beta_2=beta_2,
        epsilon=1e-3,
        weight_decay=0.1,
        grad_averaging=averaging,
        legacy=True,
    )
    share = 0.05 if averaging else 1.0
    expected = published_runs(
        weights, gradients, [0.05] * 6, epsilon=1e-3, d=0.1, share=share
    )
    compare(run(optimizer, weights, gradients), expected)


def test_averaging_only_scales_the_steps():
    """From m = 0 the moment is linear in what enters it."""
    weights, gradients = problem(6)
    averaged = stateful(NovoGrad(1.0, grad_averaging=True), weights, gradients)
    plain = stateful(NovoGrad(1.0 - 0.95), weights, gradients)
    compare(averaged, plain)


def test_the_scale_of_a_gradient_does_not_matter():
    weights, gradients = problem(5)
    larger = [[1e3 * g for g in step] for step in gradients]
    kept = stateful(NovoGrad(0.05), weights, gradients)
    compare(stateful(NovoGrad(0.05), weights, larger), kept)


def test_the_first_gradient_of_a_variable_may_come_late():
    """Its norm starts there, not at a share of it: the first step has length λ."""
    gradients = [[np.zeros(2)], [np.array([3.0, 4.0])]]
    found = stateful(NovoGrad(0.1), [np.ones(2)], gradients)
    np.testing.assert_allclose(found[0][0], 1.0)
    np.testing.assert_allclose(found[1][0], 1 - 0.1 * np.array([0.6, 0.8]), rtol=1e-6)


def test_excluded_variables_do_not_decay():
    weights, gradients = problem()
    optimizer = NovoGrad(0.05, weight_decay=0.1)
    found = variables(weights)
    optimizer.exclude_from_weight_decay(var_list=found[:1])
    for step in gradients:
        optimizer.apply(tensors(step), found)
    rates = [0.05] * len(gradients)
    plain = algorithm_1(weights, gradients, rates)[-1]
    decayed = algorithm_1(weights, gradients, rates, d=0.1)[-1]
    check(found, plain[:1] + decayed[1:], rtol=2e-5, atol=1e-6)


def test_the_state_is_one_number_and_one_float32_moment_for_each_variable():
    optimizer = NovoGrad(0.1)
    weights = [keras.Variable(np.ones(s), dtype="float16") for s in [(2, 3), (4,)]]
    optimizer.build(weights)
    state = [v for v in optimizer.variables if v is not optimizer.iterations][1:]
    assert sorted(tuple(v.shape) for v in state) == [(), (), (2, 3), (4,)]
    assert {v.dtype for v in state} == {"float32"}


def test_norms_of_half_precision_gradients_do_not_overflow():
    found = keras.Variable(np.ones(100, "float32"))
    gradient = ops.convert_to_tensor(np.full(100, 1000.0), "float16")
    NovoGrad(0.1).apply([gradient], [found])
    np.testing.assert_allclose(ops.convert_to_numpy(found), 1 - 0.1 / 10, rtol=1e-6)


def test_rows_looked_up_twice_count_once_in_the_norm():
    table, tokens, upstream = looked_up()
    gradients = [[g] for g in table_gradients(table, tokens, upstream)]
    expected = algorithm_1([table], gradients, [0.1] * len(gradients))
    found = look_up(NovoGrad(0.1), table, tokens, upstream)
    compare([[f] for f in found], expected)


@pytest.mark.parametrize("beta", ["beta_1", "beta_2"])
@pytest.mark.parametrize("value", [1.0, -0.1])
def test_a_beta_that_is_no_share_is_refused(beta, value):
    with pytest.raises(ValueError, match=f"{beta} is at least 0.*Received: {value}"):
        NovoGrad(**{beta: value})
