"""LARC against a transcription of its rule in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.larc import LARC
from s2s_zoo.optimizers.schedules import PolynomialDecay

SHAPES = [(3, 4), (5,), (2, 2, 2), (6,)]
MODES = ["clip", "scale"]


def problem(steps=4):
    """Weights and gradients of several sizes; one weight and one gradient are zero."""
    rng = np.random.default_rng(0)
    scales = (1.0, 10.0, 1e-3, 0.0)
    weights = [rng.normal(0, s, n) for n, s in zip(SHAPES, scales, strict=True)]
    gradients = [[rng.normal(0, 3.0, shape) for shape in SHAPES] for _ in range(steps)]
    gradients[1][1][...] = 0.0
    gradients[2][0] *= 1e-5
    return weights, gradients


def reference(weights, gradients, rates, eta, mode, momentum, floor=1e-7, epsilon=1e-7):
    weights = [w.astype("float64").copy() for w in weights]
    velocities = [np.zeros_like(w) for w in weights]
    for step, rate in zip(gradients, rates, strict=True):
        for w, v, g in zip(weights, velocities, step, strict=True):
            norm = np.linalg.norm(g) + epsilon
            if mode == "clip":
                u = min(max(eta * np.linalg.norm(w) / (rate * norm), floor), 1.0)
            else:
                u = max(eta * np.linalg.norm(w) / norm, floor)
            v[...] = momentum * v - rate * u * g
            w += v
    return weights


def variables(weights):
    return [keras.Variable(w.astype("float32")) for w in weights]


def tensors(gradients):
    return [ops.convert_to_tensor(g, "float32") for g in gradients]


def check(found, expected):
    for ours, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours), theirs, rtol=1e-5, atol=1e-7
        )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_apply_follows_the_rule(mode, momentum):
    weights, gradients = problem()
    optimizer = LARC(0.05, momentum=momentum, eta=0.02, mode=mode)
    found = variables(weights)
    for step in gradients:
        optimizer.apply(tensors(step), found)
    rates = [0.05] * len(gradients)
    check(found, reference(weights, gradients, rates, 0.02, mode, momentum))


@pytest.mark.parametrize("mode", MODES)
def test_the_rate_of_a_schedule_enters_the_bound(mode):
    weights, gradients = problem()
    optimizer = LARC(PolynomialDecay(0.05, 8, power=2.0), eta=0.02, mode=mode)
    found = variables(weights)
    optimizer.build(found)
    for step in gradients:
        optimizer.apply(tensors(step))
    rates = [0.05 * (1 - t / 8) ** 2 for t in range(len(gradients))]
    check(found, reference(weights, gradients, rates, 0.02, mode, 0.9))


@pytest.mark.parametrize("mode", MODES)
def test_stateless_apply_follows_the_rule(mode):
    if keras.backend.backend() != "jax":
        pytest.skip("the stateless path is JAX's")
    import jax

    weights, gradients = problem()
    optimizer = LARC(0.05, eta=0.02, mode=mode)
    start = variables(weights)
    optimizer.build(start)
    state = [v.value for v in optimizer.variables], [v.value for v in start]
    apply = jax.jit(optimizer.stateless_apply)
    for step in gradients:
        found, others = apply(state[0], tensors(step), state[1])
        state = others, found
    rates = [0.05] * len(gradients)
    check(state[1], reference(weights, gradients, rates, 0.02, mode, 0.9))
    check(start, weights)


def test_a_bounded_step_is_a_share_of_the_norm():
    """‖Δw‖ = η‖w‖ wherever the plain step would be longer."""
    weight = np.array([3.0, 4.0])
    for scale in (1e2, 1e4):
        (found,) = variables([weight])
        LARC(0.1, momentum=0.0, eta=1e-3).apply(
            tensors([scale * np.array([1.0, 2.0])]), [found]
        )
        step = np.linalg.norm(ops.convert_to_numpy(found) - weight)
        assert step == pytest.approx(1e-3 * 5.0, rel=1e-3)


def test_norms_of_half_precision_gradients_do_not_overflow():
    gradient = np.full(100, 1000.0)  # the sum of squares is 1e8
    found = keras.Variable(np.ones(100, "float32"))
    optimizer = LARC(0.1, momentum=0.0, eta=1e-3)
    optimizer.apply([ops.convert_to_tensor(gradient, "float16")], [found])
    expected = 1 - 1e-3 * 10 / 1e4 * 1000
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-3)


@pytest.mark.parametrize("mode", MODES)
def test_comes_back_from_its_configuration(mode):
    optimizer = LARC(0.05, 0.8, 2e-3, mode, min_update=1e-5, epsilon=1e-6)
    described = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is LARC
    assert again.get_config() == optimizer.get_config()
    for name, value in (("eta", 2e-3), ("mode", mode), ("momentum", 0.8)):
        assert getattr(again, name) == value


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="clip or scale"):
        LARC(mode="trust")
