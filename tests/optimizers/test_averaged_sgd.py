"""NT-ASGD: when averaging begins, and what the average is."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.optimizers.averaged_sgd import NonMonotonicASGD
from s2s_zoo.optimizers.averages import averaged, tell_validation
from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer


def begins_at(values, interval):
    """By algorithm 1 of Merity et al., 2017: the first validation that triggers."""
    logs = []
    for t, value in enumerate(values):
        if t > interval and value > min(logs[: t - interval]):
            return t
        logs.append(value)
    return None


def optimizer_of(variables, **settings):
    optimizer = NonMonotonicASGD(1.0, **settings)
    optimizer.build(variables)
    return optimizer


@pytest.mark.parametrize("interval", [1, 3])
@pytest.mark.parametrize("seed", range(4))
def test_averaging_begins_where_the_paper_says(interval, seed):
    values = np.random.default_rng(seed).normal(size=12) - 0.5 * np.arange(12)
    optimizer = optimizer_of([keras.Variable([0.0])], interval=interval)
    found = None
    for t, value in enumerate(values):
        tell_validation(optimizer, float(value))
        if found is None and int(optimizer.begun):
            found = t
    assert found == begins_at(values.astype("float32"), interval)


def test_some_of_these_begin_and_some_do_not():
    ends = {
        begins_at(np.random.default_rng(s).normal(size=12) - 0.5 * np.arange(12), n)
        for s in range(4)
        for n in (1, 3)
    }
    assert None in ends
    assert len(ends) > 2


def test_the_average_is_the_mean_since_then_and_until_then_the_weights():
    w = keras.Variable([0.0])
    optimizer = optimizer_of([w], interval=1)
    seen = []
    for step, gradient in enumerate((1.0, 2.0, -4.0, 3.0, 5.0)):
        if step == 2:
            for value in (3.0, 2.0, 4.0):
                optimizer.validated(value)
        optimizer.apply([ops.array([gradient])], [w])
        seen.append(float(w[0]))
        with averaged(optimizer, [w]):
            expected = np.mean(seen[2:]) if step >= 2 else seen[-1]
            assert float(w[0]) == pytest.approx(expected)
        assert float(w[0]) == seen[-1]


def test_it_is_told_inside_what_scales_losses():
    w = keras.Variable([0.0])
    optimizer = AutomaticLossScaleOptimizer(NonMonotonicASGD(1.0, interval=1))
    optimizer.build([w])
    for value in (3.0, 2.0, 4.0):
        tell_validation(optimizer, value)
    assert int(optimizer.inner_optimizer.begun) == 1


def test_what_hears_nothing_is_told_nothing():
    tell_validation(keras.optimizers.SGD(), 1.0)


def test_comes_back_from_its_configuration():
    optimizer = NonMonotonicASGD(30.0, interval=7, global_clipnorm=0.25)
    described = keras.saving.serialize_keras_object(optimizer)
    again = keras.saving.deserialize_keras_object(described)
    assert again.get_config() == optimizer.get_config()
    assert (again.interval, again.use_ema, again.global_clipnorm) == (7, True, 0.25)


def test_repeated_rows_count_whole_in_the_norm():
    """Of a look-up whose gradients of the same row add up to a norm of 2."""
    table = keras.Variable(np.zeros((3, 1), "float32"))
    optimizer = optimizer_of([table], global_clipnorm=1.0)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        slices = tf.IndexedSlices(tf.ones((2, 1)), tf.constant([1, 1]), (3, 1))
    else:
        slices = ops.array([[0.0], [2.0], [0.0]])
    optimizer.apply([slices], [table])
    np.testing.assert_allclose(ops.convert_to_numpy(table)[:, 0], [0, -1, 0], 1e-6)
