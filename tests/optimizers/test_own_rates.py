"""Own rates against optimizers that have the learning rate itself."""

import json

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer
from s2s_zoo.optimizers.own_rates import OwnRates
from tests.optimizers.updates import check, problem, stateful, stateless

START = np.array([1.0, -2.0, 3.0], "float32")
STEPS = np.random.default_rng(0).normal(size=(6, 3)).astype("float32")

OPTIMIZERS = {
    "sgd": lambda rate: keras.optimizers.SGD(rate, momentum=0.9),
    "adam": lambda rate: keras.optimizers.Adam(rate),
    "adamw": lambda rate: keras.optimizers.AdamW(rate, weight_decay=0.1),
}


def moved(optimizer, gradients, variables):
    for gradient in gradients:
        optimizer.apply([ops.array(gradient) for _ in variables], variables)
    return [ops.convert_to_numpy(v) for v in variables]


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_factor_is_the_same_as_another_learning_rate(name):
    variables = [keras.Variable(START), keras.Variable(START)]
    optimizer = OwnRates(OPTIMIZERS[name](0.1), (0.25, 1.0), (0, 0))
    optimizer.build(variables)
    slow, fast = moved(optimizer, STEPS, variables)
    for found, rate in ((slow, 0.025), (fast, 0.1)):
        (wanted,) = moved(OPTIMIZERS[name](rate), STEPS, [keras.Variable(START)])
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def test_what_has_not_begun_stands_still_to_the_bit():
    variables = [keras.Variable(START), keras.Variable(START)]
    inner = keras.optimizers.AdamW(0.1, weight_decay=0.1, global_clipnorm=0.5)
    optimizer = OwnRates(inner, (1.0, 1.0), (4, 0))
    optimizer.build(variables)
    late, early = moved(optimizer, STEPS[:4], variables)
    np.testing.assert_array_equal(late, START)
    alone = keras.optimizers.AdamW(0.1, weight_decay=0.1, global_clipnorm=0.5)
    (wanted,) = moved(alone, STEPS[:4], [keras.Variable(START)])
    np.testing.assert_allclose(early, wanted, rtol=1e-5)
    late, _ = moved(optimizer, STEPS[4:], variables)
    assert (late != START).all()


def each_its_own():
    return OwnRates(OPTIMIZERS["adam"](0.1), (0.5, 1, 2, 1), (0, 0, 0, 2))


def test_it_comes_back_from_its_configuration():
    weights, gradients = problem()
    optimizer = each_its_own()
    described = json.dumps(keras.saving.serialize_keras_object(optimizer))
    again = keras.saving.deserialize_keras_object(json.loads(described))
    assert again.get_config() == optimizer.get_config()
    expected = stateful(optimizer, weights, gradients)[-1]
    check(stateful(again, weights, gradients)[-1], expected)


def test_a_compiled_step_is_that_of_eager_code():
    weights, gradients = problem()
    found = stateless(each_its_own(), weights, gradients)[-1]
    check(found, stateful(each_its_own(), weights, gradients)[-1])


def test_there_is_a_rate_for_every_variable():
    with pytest.raises(ValueError, match="for each of 1 variables"):
        OwnRates(keras.optimizers.SGD(0.1), (1.0, 1.0), (0, 0)).build(
            [keras.Variable(START)]
        )


def test_averages_of_the_weights_are_refused():
    averaging = keras.optimizers.SGD(0.1, use_ema=True)
    with pytest.raises(ValueError, match=r"no moving average .* which SGD keeps"):
        OwnRates(AutomaticLossScaleOptimizer(averaging), (0.5,), (0,))
