"""Validation sees the moving average of the weights, training never does.

Keras' average starts at the weights after the first update.
"""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.averages import averaged
from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_average_is_that_of_the_formula(wrapped):
    variable = keras.Variable(np.array([1.0, -2.0], "float32"))
    inner = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.8)
    optimizer = AutomaticLossScaleOptimizer(inner, algorithm=1) if wrapped else inner
    optimizer.build([variable])
    value = average = np.array([1.0, -2.0])
    for step in range(4):
        gradient = np.array([0.3, 0.1 * step])
        optimizer.apply([ops.convert_to_tensor(gradient.astype("float32"))], [variable])
        value = value - 0.5 * gradient
        average = 0.8 * average + 0.2 * value if step else value
    with averaged(optimizer, [variable]):
        found = ops.convert_to_numpy(variable).copy()
    np.testing.assert_allclose(found, average, rtol=1e-5)
    np.testing.assert_allclose(ops.convert_to_numpy(variable), value, rtol=1e-5)


def test_without_an_average_nothing_happens():
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.SGD(0.5)
    optimizer.build([variable])
    with averaged(optimizer, [variable]):
        variable.assign(np.zeros(2, "float32"))
    np.testing.assert_array_equal(ops.convert_to_numpy(variable), 0)


def test_the_average_begins_with_the_first_update():
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.SGD(0.5, use_ema=True)
    optimizer.build([variable])
    with averaged(optimizer, [variable]):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), 1)


def test_weights_come_back_after_an_error():
    variable = keras.Variable(np.ones(2, "float32"))
    optimizer = keras.optimizers.SGD(0.5, use_ema=True)
    optimizer.build([variable])
    optimizer.apply([ops.ones(2)], [variable])
    with pytest.raises(KeyError), averaged(optimizer, [variable]):
        raise KeyError
    np.testing.assert_array_equal(ops.convert_to_numpy(variable), 0.5)
