"""A step of TensorFlow is traced once, whatever shapes come in whatever order."""

import keras
import numpy as np
import pytest
from keras import ops

from tests.tiny import exact_model

pytestmark = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow generalizes by order"
)
NETS = ["tacotron2_small", "wave2letter_plus", "reversal_rr", "resnet_small"]


def batches(model):
    """A batch, and one of more and longer examples."""
    budget = model.task.evaluation_budget / 170
    return [model.task.random_batch(size)[0] for size in (budget, 4 * budget)]


def counted(model):
    """The calls of a model since, one for each trace."""
    calls, call = [], model.compute_loss

    def counting(*args, **kwargs):
        calls.append(args)
        return call(*args, **kwargs)

    model.compute_loss = counting
    return calls


@pytest.mark.parametrize("name", NETS)
def test_a_step_is_traced_once_and_no_shape_before_changes_a_bit(name):
    first, second = (exact_model(name) for _ in range(2))
    small, large = batches(first)
    assert small[0]["source"].shape != large[0]["source"].shape
    for model, earlier in ((first, []), (second, [large])):
        model.compile(keras.optimizers.SGD(0.0), auto_scale_loss=False)
        calls = counted(model)
        for batch in earlier:
            assert np.isfinite(model.train_on_batch(*batch))
        model.optimizer.learning_rate = 0.01
        assert np.isfinite(model.train_on_batch(*small))
        assert len(calls) == 1
    for one, other in zip(
        first.trainable_variables, second.trainable_variables, strict=True
    ):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (one, other)))


def test_nothing_is_traced_where_functions_run_eagerly():
    import tensorflow as tf

    model = exact_model("reversal_rr")
    model.compile(keras.optimizers.SGD(0.01), auto_scale_loss=False)
    calls, (small, _) = counted(model), batches(model)
    tf.config.run_functions_eagerly(True)
    try:
        for _ in range(2):
            model.train_on_batch(*small)
    finally:
        tf.config.run_functions_eagerly(False)
    assert len(calls) == 2
