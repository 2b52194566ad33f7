"""Norms by which gradients are clipped."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.adam import Adam
from s2s_zoo.optimizers.averaged_sgd import NonMonotonicASGD
from s2s_zoo.optimizers.lazy_adam import LazyAdam
from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer
from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.sgd import SGD

IDS = np.array([1, 1, 1, 2])
RATE, MOST = 0.5, 0.7


def scaled(**clip):
    return AutomaticLossScaleOptimizer(SGD(RATE, **clip), 1.0)


MAKE = {
    "sgd": partial(SGD, RATE),
    "averaged_sgd": partial(NonMonotonicASGD, RATE),
    "adam": partial(Adam, RATE, epsilon=1.0),
    "lazy_adam": partial(LazyAdam, RATE, epsilon=1.0),
    "novograd": partial(NovoGrad, RATE),
    "scaled": scaled,
}


def moved(optimizer, of_table):
    """A table and a bias after a step, and the state of the optimizer."""
    table = keras.Variable(np.ones((4, 2), "float32"), name="embeddings")
    bias = keras.Variable(np.ones(2, "float32"), name="bias")
    optimizer.build([table, bias])
    optimizer.apply([of_table, ops.convert_to_tensor([3.0, 4.0])], [table, bias])
    return [ops.convert_to_numpy(v) for v in (table, bias, *optimizer.variables)]


def gradient():
    """Of the look-ups, one row each, and of the whole table."""
    of_each = np.random.default_rng(0).normal(size=(4, 2)).astype("float32")
    whole = np.zeros((4, 2), "float32")
    np.add.at(whole, IDS, of_each)
    return of_each, whole


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="the others give whole gradients"
)
@pytest.mark.parametrize("clip", ["clipnorm", "global_clipnorm"])
@pytest.mark.parametrize("make", MAKE.values(), ids=MAKE)
def test_a_look_up_is_clipped_as_the_whole_table(make, clip):
    import tensorflow as tf

    of_each, whole = gradient()
    slices = tf.IndexedSlices(
        tf.constant(of_each), tf.constant(IDS), tf.constant([4, 2])
    )
    found = moved(make(**{clip: MOST}), slices)
    expected = moved(make(**{clip: MOST}), ops.convert_to_tensor(whole))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6)


@pytest.mark.parametrize("make", [MAKE["sgd"], scaled])
def test_the_whole_step_is_as_long_as_asked(make):
    _, whole = gradient()
    table, bias, *_ = moved(make(global_clipnorm=MOST), ops.convert_to_tensor(whole))
    step = np.append(1 - table, 1 - bias)
    assert np.linalg.norm(step) == pytest.approx(RATE * MOST, rel=1e-5)
