"""Policies by name and part, and the float32 penalty on weights."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.errors import UserError
from s2s_zoo.precision import (
    Float32Regularizer,
    described,
    l2_penalty,
    policies,
    uses_float16,
)

PENALTY = 1e-5
WEIGHT = 1e-3


class Penalized(keras.layers.Layer):
    """Adds the penalty on its weight from inside `call`, under autocast."""

    def __init__(self, regularizer, **kwargs):
        super().__init__(**kwargs)
        self.regularizer = regularizer

    def build(self, input_shape):
        self.w = self.add_weight(shape=(4,), initializer="ones")

    def call(self, inputs):
        return ops.add(inputs * 0, self.regularizer(self.w))


class KeepGradient(keras.optimizers.Optimizer):
    """Replaces each variable by its gradient."""

    def __init__(self):
        super().__init__(learning_rate=1.0)

    def update_step(self, gradient, variable, learning_rate):
        self.assign(variable, ops.cast(gradient, variable.dtype))


@pytest.mark.parametrize(
    ("precision", "encoder", "decoder"),
    [
        ("float32", "float32", "float32"),
        ("mixed_float16", "mixed_float16", "mixed_float16"),
        ("encoder=mixed_float16,decoder=float32", "mixed_float16", "float32"),
        ("decoder=mixed_bfloat16", "float32", "mixed_bfloat16"),
    ],
)
def test_policies_of_parts(precision, encoder, decoder):
    assert policies(precision) == {"encoder": encoder, "decoder": decoder}
    assert uses_float16(precision) == ("mixed_float16" in (encoder, decoder))


@pytest.mark.parametrize("name", ["half", "encoder", "encoder=half", "loss=float32"])
def test_other_names_are_refused(name):
    with pytest.raises(UserError, match=r"mixed_bfloat16.*Received"):
        policies(name)


def penalty_gradient(regularizer):
    """d penalty / d w at w = 1e-3, seen from inside a float16 layer."""
    layer = Penalized(regularizer, dtype="mixed_float16")
    model = keras.Sequential([keras.Input((1,)), layer])
    layer.w.assign(np.full(4, WEIGHT, "float32"))
    model.compile(KeepGradient(), loss=lambda _, y: ops.mean(y), auto_scale_loss=False)
    model.train_on_batch(np.zeros((1, 1), "float16"), np.zeros((1, 1), "float16"))
    return ops.convert_to_numpy(layer.w)


def test_float16_loses_the_gradient_of_the_penalty():
    found = penalty_gradient(keras.regularizers.L2(PENALTY))
    np.testing.assert_array_equal(found, 0.0)


def test_the_wrapped_penalty_keeps_its_gradient():
    found = penalty_gradient(Float32Regularizer(keras.regularizers.L2(PENALTY)))
    np.testing.assert_allclose(found, 2 * PENALTY * WEIGHT, rtol=1e-6)


@pytest.mark.parametrize("inner", ["l1", "l2", keras.regularizers.L1L2(0.1, 0.2)])
def test_the_penalty_is_that_of_the_regularizer_inside(inner):
    w = np.random.default_rng(0).normal(size=(3, 4)).astype("float32")
    expected = keras.regularizers.get(inner)(ops.convert_to_tensor(w))
    found = Float32Regularizer(inner)(ops.convert_to_tensor(w))
    np.testing.assert_allclose(*map(ops.convert_to_numpy, (found, expected)))


def test_it_serializes():
    penalty = Float32Regularizer(keras.regularizers.L1L2(0.1, 0.2))
    again = keras.regularizers.deserialize(keras.regularizers.serialize(penalty))
    assert isinstance(again, Float32Regularizer)
    assert again.get_config() == penalty.get_config()


def test_the_reported_loss_includes_the_penalty():
    dense = keras.layers.Dense(
        1, kernel_regularizer=l2_penalty(0.5), dtype="mixed_float16"
    )
    model = keras.Sequential([keras.Input((3,)), dense])
    model.compile(loss="mse", optimizer="sgd")
    inputs = np.zeros((2, 3), "float32")
    loss = model.evaluate(inputs, np.zeros((2, 1)), verbose=0)
    kernel = ops.convert_to_numpy(dense.kernel)
    assert loss == pytest.approx(0.25 * np.sum(kernel**2), rel=1e-5)


def test_it_serves_as_activity_regularizer():
    dense = keras.layers.Dense(
        1, activity_regularizer=Float32Regularizer("l2"), dtype="mixed_float16"
    )
    model = keras.Sequential([keras.Input((3,)), dense])
    model.compile(loss="mse", optimizer="sgd")
    assert np.isfinite(model.evaluate(np.ones((2, 3)), np.ones((2, 1)), verbose=0))


@pytest.mark.parametrize(
    ("processor", "policy"),
    [
        ("flags\t\t: fpu sse2 avx512f avx512_bf16\n", "mixed_bfloat16"),
        ("processor : 0\nFeatures : fp asimd bf16 i8mm\n", "mixed_bfloat16"),
        ("flags\t\t: fpu sse2 avx512f\nbugs : avx512_bf16\n", "float32"),
        ("", "float32"),
    ],
)
def test_auto_is_what_the_processor_computes_in(monkeypatch, processor, policy):
    monkeypatch.setattr("pathlib.Path.read_text", lambda self, **_: processor)
    if keras.backend.backend() == "jax":  # slower in bfloat16 on processors
        policy = "float32"
    assert policies("auto") == {"encoder": policy, "decoder": policy}
    assert described("auto") == f"{policy}, chosen for this machine"
    assert not uses_float16("auto")


def test_auto_is_float32_where_nobody_tells(monkeypatch):
    def fail(self, **_):
        raise FileNotFoundError

    monkeypatch.setattr("pathlib.Path.read_text", fail)
    assert policies("auto")["encoder"] == "float32"
    assert described("mixed_float16") == "mixed_float16"
