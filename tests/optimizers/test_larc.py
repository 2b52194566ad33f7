"""LARC against a transcription of its rule in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.larc import LARC, momentum_larc
from s2s_zoo.optimizers.schedules import PolynomialDecay
from s2s_zoo.registry import PRESETS
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

both_modes = pytest.mark.parametrize("mode", ["clip", "scale"])


def sgd(rate=0.05, **settings):
    return keras.optimizers.SGD(rate, **settings)


def factor(w, g, rate, eta, mode, floor=1e-7, epsilon=1e-7):
    norm = np.linalg.norm(g) + epsilon
    if mode == "clip":
        return min(max(eta * np.linalg.norm(w) / (rate * norm), floor), 1.0)
    return max(eta * np.linalg.norm(w) / norm, floor)


def reference(weights, gradients, rates, eta, mode, momentum=0.9):
    """Weights after the last step."""
    weights = [w.astype("float64").copy() for w in weights]
    velocities = [np.zeros_like(w) for w in weights]
    for step, rate in zip(gradients, rates, strict=True):
        for w, v, g in zip(weights, velocities, step, strict=True):
            v[...] = momentum * v - rate * factor(w, g, rate, eta, mode) * g
            w += v
    return weights


@both_modes
@both_paths
@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_follows_the_rule(run, mode, momentum):
    weights, gradients = problem()
    optimizer = LARC(sgd(momentum=momentum), eta=0.02, mode=mode)
    found = run(optimizer, weights, gradients)[-1]
    check(found, reference(weights, gradients, [0.05] * 4, 0.02, mode, momentum))


@both_modes
@both_paths
def test_the_rate_of_a_schedule_enters_the_bound(run, mode):
    weights, gradients = problem()
    schedule = PolynomialDecay(0.05, 8, power=2.0)
    optimizer = LARC(sgd(schedule, momentum=0.9), eta=0.02, mode=mode)
    found = run(optimizer, weights, gradients)[-1]
    rates = [0.05 * (1 - t / 8) ** 2 for t in range(4)]
    check(found, reference(weights, gradients, rates, 0.02, mode))


@both_paths
def test_a_warmup_may_begin_at_nothing(run):
    weights, gradients = problem()
    weights = [weights[0], *map(np.zeros_like, weights[1:])]
    schedule = PolynomialDecay(0.05, 8, warmup=2)
    found = run(LARC(sgd(schedule), eta=0.02), weights, [gradients[0]])[-1]
    check(found, weights)


INNER = {
    "adam": lambda: keras.optimizers.Adam(0.05),
    "adamw": lambda: keras.optimizers.AdamW(0.05, weight_decay=0.1),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.05),
    "nadam": lambda: keras.optimizers.Nadam(0.05),
}


@both_modes
@both_paths
@pytest.mark.parametrize("inner", INNER)
def test_any_optimizer_sees_scaled_gradients(run, inner, mode):
    """The same optimizer, alone, fed with gradients scaled in NumPy."""
    weights, gradients = problem()
    found = run(LARC(INNER[inner](), eta=0.02, mode=mode), weights, gradients)
    alone = INNER[inner]()
    expected = variables(weights)
    before = weights
    for step, after in zip(gradients, found, strict=True):
        pairs = zip(before, step, strict=True)
        scaled = [g * factor(w, g, 0.05, 0.02, mode) for w, g in pairs]
        alone.apply(tensors(scaled), expected)
        check(after, expected, rtol=1e-4, atol=1e-6)
        before = after


@both_modes
@both_paths
def test_the_factor_is_that_of_the_accumulated_gradient(run, mode):
    weights, gradients = problem(8)
    pairs = zip(gradients[::2], gradients[1::2], strict=True)
    means = [[(a + b) / 2 for a, b in zip(*pair, strict=True)] for pair in pairs]
    optimizer = LARC(
        sgd(momentum=0.9), eta=0.02, mode=mode, gradient_accumulation_steps=2
    )
    found = run(optimizer, weights, gradients)
    check(found[0], weights)
    check(found[2], found[1])
    check(found[-1], reference(weights, means, [0.05] * 4, 0.02, mode))


@both_modes
def test_micro_batches_do_not_move_the_schedule(mode):
    weights, gradients = problem(4)
    doubled = [step for step in gradients for _ in range(2)]
    optimizer = LARC(
        sgd(PolynomialDecay(0.05, 8), momentum=0.9),
        eta=0.02,
        mode=mode,
        gradient_accumulation_steps=2,
    )
    found = stateful(optimizer, weights, doubled)[-1]
    rates = [0.05 * (1 - t / 8) for t in range(4)]
    check(found, reference(weights, gradients, rates, 0.02, mode))
    assert int(ops.convert_to_numpy(optimizer.iterations)) == 4


@both_paths
def test_the_norm_is_of_the_unscaled_gradient(run):
    weights, gradients = problem()
    optimizer = LARC(sgd(momentum=0.9), eta=0.02, loss_scale_factor=512.0)
    assert float(ops.convert_to_numpy(optimizer.scale_loss(2.0))) == 1024.0
    scaled = [[512 * g for g in step] for step in gradients]
    found = run(optimizer, weights, scaled)[-1]
    check(found, reference(weights, gradients, [0.05] * 4, 0.02, "clip"))


def test_a_bounded_step_is_a_share_of_the_norm():
    """‖Δw‖ = η‖w‖ wherever the plain step would be longer."""
    weight = np.array([3.0, 4.0])
    for scale in (1e2, 1e4):
        gradient = scale * np.array([1.0, 2.0])
        found = stateful(LARC(sgd(0.1), eta=1e-3), [weight], [[gradient]])[0][0]
        step = np.linalg.norm(found - weight)
        assert step == pytest.approx(1e-3 * 5.0, rel=1e-3)


def test_norms_of_half_precision_gradients_do_not_overflow():
    gradient = np.full(100, 1000.0)  # the sum of squares is 1e8
    found = keras.Variable(np.ones(100, "float32"))
    optimizer = LARC(sgd(0.1), eta=1e-3)
    optimizer.apply([ops.convert_to_tensor(gradient, "float16")], [found])
    expected = 1 - 1e-3 * 10 / 1e4 * 1000
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, rtol=1e-3)


def test_rows_looked_up_twice_count_once_in_the_norm():
    table, tokens, upstream = looked_up()
    gradients = [[g] for g in table_gradients(table, tokens, upstream)]
    found = look_up(LARC(sgd(momentum=0.9), eta=0.02), table, tokens, upstream)
    check([found[-1]], reference([table], gradients, [0.05] * 5, 0.02, "clip"))


def test_the_rate_is_that_of_the_inner_optimizer():
    inner = sgd(0.25)
    optimizer = LARC(inner)
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == 0.25
    optimizer.learning_rate = 0.5
    assert float(ops.convert_to_numpy(inner.learning_rate)) == 0.5
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == 0.5
    with pytest.raises(TypeError, match="not settable"):
        LARC(sgd(PolynomialDecay(0.1, 2))).learning_rate = 0.5


@both_modes
def test_comes_back_from_its_configuration(mode):
    inner = sgd(0.05, momentum=0.8, nesterov=True)
    optimizer = LARC(inner, 2e-3, mode, 1e-5, 1e-6, 4, 8.0)
    described = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(described)
    assert type(again) is LARC
    assert again.get_config() == optimizer.get_config()
    assert again.inner_optimizer.momentum == 0.8
    assert again.inner_optimizer.nesterov
    settings = [again.eta, again.mode, again.min_update, again.epsilon]
    assert settings == [2e-3, mode, 1e-5, 1e-6]
    assert (again.gradient_accumulation_steps, again.loss_scale_factor) == (4, 8.0)


def test_an_unknown_mode_is_refused():
    with pytest.raises(ValueError, match="mode is one of clip, scale"):
        LARC(sgd(), mode="trust")


@pytest.mark.parametrize("eta", [0.0, -1e-3])
def test_a_trust_ratio_of_nothing_is_refused(eta):
    with pytest.raises(ValueError, match=f"eta is above 0. Received: {eta}"):
        LARC(sgd(), eta=eta)


@pytest.mark.parametrize("clipping", ["clipnorm", "global_clipnorm", "clipvalue"])
def test_clipping_beside_larc_is_refused(clipping):
    with pytest.raises(ValueError, match=f"no {clipping}: LARC bounds.*Received: 1.0"):
        LARC(sgd(**{clipping: 1.0}))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("gradient_accumulation_steps", 2), ("loss_scale_factor", 4.0)],
)
def test_what_comes_before_the_factor_is_refused_in_the_inner_optimizer(setting, value):
    with pytest.raises(ValueError, match=f"no {setting}: LARC takes it.*{value}"):
        LARC(sgd(**{setting: value}))


def test_wrappers_of_optimizers_are_refused_inside():
    for wrapper in (
        keras.optimizers.LossScaleOptimizer(sgd()),
        keras.optimizers.MultiOptimizer(lambda _: sgd()),
    ):
        with pytest.raises(ValueError, match=f"goes inside {type(wrapper).__name__}"):
            LARC(wrapper)


def test_momentum_larc_is_larc_around_momentum():
    weights, gradients = problem()
    optimizer = momentum_larc(0.05, momentum=0.8, eta=0.02, mode="scale")
    found = stateful(optimizer, weights, gradients)[-1]
    check(found, reference(weights, gradients, [0.05] * 4, 0.02, "scale", 0.8))


def test_the_recipe_of_deepspeech2_has_its_numbers_in_view():
    preset = PRESETS.get("deepspeech2_large")
    settings = preset.settings()
    assert settings["recipe.optimizer.eta"] == 1e-3
    assert settings["recipe.optimizer.momentum"] == 0.9
    changed = {
        "recipe.optimizer.eta": 2e-3,
        "recipe.optimizer.momentum": 0.5,
        "recipe.optimizer.gradient_accumulation_steps": 4,
    }
    recipe = preset.with_settings(changed).recipe
    optimizer = recipe.optimizer(learning_rate=PolynomialDecay(0.1, 5))
    assert type(optimizer) is LARC
    assert optimizer.eta == 2e-3
    assert optimizer.inner_optimizer.momentum == 0.5
    assert optimizer.gradient_accumulation_steps == 4
    assert float(ops.convert_to_numpy(optimizer.learning_rate)) == pytest.approx(0.1)


@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_what_has_no_gradient_stays(rate):
    variables = [keras.Variable([3.0, 4.0]), keras.Variable([0.0, 0.0])]
    optimizer = LARC(sgd(rate), epsilon=0.0)
    optimizer.apply([ops.zeros(2)] * 2, variables)
    found = [ops.convert_to_numpy(v).tolist() for v in variables]
    assert found == [[3, 4], [0, 0]]
