"""Every recipe: its optimizer and schedule change weights, on a single layer."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.registry import PRESETS
from tests.tiny import distinct

NAMES = distinct("recipe.optimizer", "recipe.schedule", "recipe.loss_scaling")
PRECISIONS = ("float32", "mixed_float16", "mixed_bfloat16")
STEPS = 12
"""Updates within which a warm-up has left its rate of 0."""


class Line(keras.Sequential):
    """Two outputs, which are to be 1."""

    def __init__(self, policy: str) -> None:
        super().__init__([keras.layers.Dense(2, dtype=policy)])
        self.build((None, 3))

    def compute_loss(self, x, y, y_pred, sample_weight=None, training=True):
        error = ops.subtract(ops.cast(y_pred, "float32"), y)
        return ops.mean(ops.square(error))


def compiled_line(name, precision):
    preset = PRESETS.get(name).with_settings({"recipe.precision": precision})
    model = Line(precision)
    preset.compile(model, updates=10)
    return model


@pytest.mark.parametrize("name", NAMES)
def test_steps_change_every_weight_and_stay_finite(name):
    keras.utils.set_random_seed(0)
    model = compiled_line(name, "mixed_float16")
    before = model.get_weights()
    for _ in range(STEPS):
        model.train_on_batch(np.ones((4, 3), "float32"), np.ones((4, 2), "float32"))
    for old, new in zip(before, model.get_weights(), strict=True):
        assert np.isfinite(new).all()
        assert (new != old).all()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("precision", PRECISIONS)
def test_what_an_optimizer_keeps_is_float32(name, precision):
    variables = compiled_line(name, precision).optimizer.variables
    floats = {v.dtype for v in variables if not v.dtype.startswith(("int", "uint"))}
    assert floats <= {"float32"}
