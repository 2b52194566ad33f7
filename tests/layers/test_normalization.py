"""Batch normalization over real frames, against torch on the frames alone."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.normalization import LayerNormalization, MaskedBatchNormalization
from tests.gradients import value_and_gradients
from tests.pytorch_reference import import_torch

LENGTHS = np.array([6, 2, 0, 4])
SHAPES = [(4, 6, 3), (4, 6, 5, 3)]
EXAMPLES = {
    MaskedBatchNormalization: {
        "momentum": 0.5,
        "epsilon": 0.1,
        "l2": 0.3,
        "affine": False,
    },
    LayerNormalization: {"epsilon": 0.1, "norm": "l1"},
}


def batch(shape, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(1.5, 2.0, shape).astype("float32")
    return x, np.arange(shape[1])[None] < LENGTHS[:, None]


def make(shape, **kwargs):
    layer = MaskedBatchNormalization(**kwargs)
    layer.build(shape)
    rng = np.random.default_rng(5)
    layer.gamma.assign(rng.normal(1, 0.3, shape[-1]))
    layer.beta.assign(rng.normal(0, 0.3, shape[-1]))
    return layer


def torch_batch_norm(frames, gamma, beta, layer):
    """Training-mode `torch.nn.BatchNorm1d` over (frames, C)."""
    torch = import_torch()
    module = torch.nn.BatchNorm1d(len(gamma), eps=layer.epsilon, dtype=torch.float64)
    module.weight.data = torch.tensor(gamma.astype("float64"))
    module.bias.data = torch.tensor(beta.astype("float64"))
    source = torch.tensor(frames.astype("float64"), requires_grad=True)
    return module, source, module(source)


@pytest.mark.parametrize("shape", SHAPES)
def test_training_equals_torch_over_the_real_frames(shape):
    torch = import_torch()
    layer = make(shape)
    x, mask = batch(shape)
    gamma, beta = (ops.convert_to_numpy(w) for w in (layer.gamma, layer.beta))
    real = x[mask].reshape(-1, shape[-1])
    module, source, expected = torch_batch_norm(real, gamma, beta, layer)
    upstream = np.random.default_rng(1).normal(size=shape) * mask.reshape(
        *mask.shape, *[1] * (len(shape) - 2)
    )
    (expected * torch.tensor(upstream[mask].reshape(expected.shape))).sum().backward()

    statistics = [v.value for v in layer.non_trainable_variables]

    def function(x, gamma, beta):
        weights = [gamma, beta]
        return layer.stateless_call(weights, statistics, x, mask, training=True)[0]

    outputs, gradients = value_and_gradients(function, [x, gamma, beta], upstream)
    np.testing.assert_allclose(
        outputs[mask].reshape(expected.shape), expected.detach(), rtol=1e-4, atol=1e-5
    )
    got = gradients[0][mask].reshape(source.shape)
    np.testing.assert_allclose(got, source.grad, rtol=1e-4, atol=1e-5)
    assert (gradients[0][~mask] == 0).all()
    for ours, theirs in zip(gradients[1:], (module.weight, module.bias), strict=True):
        np.testing.assert_allclose(ours, theirs.grad, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_statistics_move_by_mean_and_biased_variance_of_real_frames(shape):
    layer = make(shape, momentum=0.9)
    x, mask = batch(shape)
    mean, variance = np.zeros(shape[-1]), np.ones(shape[-1])
    for seed in (0, 1):
        x, mask = batch(shape, seed)
        layer(x, mask, training=True)
        real = x[mask].reshape(-1, shape[-1]).astype("float64")
        mean = 0.9 * mean + 0.1 * real.mean(0)
        variance = 0.9 * variance + 0.1 * real.var(0, ddof=0)
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_mean), mean, rtol=1e-5)
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.moving_variance), variance, rtol=1e-5
    )


def test_inference_uses_the_moving_statistics_and_leaves_them():
    shape = SHAPES[1]
    layer = make(shape)
    x, mask = batch(shape)
    layer.moving_mean.assign([0.5, -1.0, 2.0])
    layer.moving_variance.assign([4.0, 0.25, 1.0])
    gamma, beta, mean, variance = (ops.convert_to_numpy(w) for w in layer.weights)
    expected = (x - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta
    for training in (False, None):
        outputs = ops.convert_to_numpy(layer(x, mask, training=training))
        np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.moving_mean), mean)
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.moving_variance), variance)


def test_a_batch_of_padding_leaves_the_statistics_and_stays_finite():
    shape = SHAPES[0]
    layer = make(shape)
    layer.moving_mean.assign([0.5, -1.0, 2.0])
    layer.moving_variance.assign([4.0, 0.25, 1.0])
    before = [w.copy() for w in layer.get_weights()]
    x, mask = batch(shape)
    outputs = ops.convert_to_numpy(layer(x, np.zeros_like(mask), training=True))
    assert np.isfinite(outputs).all()
    for old, new in zip(before, layer.get_weights(), strict=True):
        np.testing.assert_array_equal(old, new)


@pytest.mark.parametrize("bad", [np.nan, np.inf, 3e38])
def test_a_batch_that_overflows_leaves_the_statistics(bad):
    x, mask = batch(SHAPES[0])
    layer = make(SHAPES[0])
    layer(x, mask, training=True)
    held = [ops.convert_to_numpy(v) for v in layer.non_trainable_variables]
    x[0, 1] = bad
    layer(x, mask, training=True)
    for variable, expected in zip(layer.non_trainable_variables, held, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(variable), expected)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_statistics_are_float32_under_mixed_policies(policy):
    """The sum of 4096 frames of 32 overflows float16; bfloat16 cannot count them."""
    layer = MaskedBatchNormalization(dtype=policy, momentum=0.0)
    layer.build((None, None, 1))
    frames = np.where(np.arange(4096) % 2, 34.0, 30.0).reshape(1, -1, 1)
    source = ops.cast(frames, policy[len("mixed_") :])
    outputs = layer(source, np.ones((1, 4096), bool), training=True)
    assert keras.backend.standardize_dtype(outputs.dtype) == policy[len("mixed_") :]
    np.testing.assert_allclose(ops.convert_to_numpy(layer.moving_mean), [32.0])
    np.testing.assert_allclose(
        ops.convert_to_numpy(layer.moving_variance), [4.0], rtol=1e-3
    )
    assert all(w.dtype == "float32" for w in layer.weights)
    scale = 2 / np.sqrt(4 + layer.epsilon)
    found = ops.convert_to_numpy(ops.cast(outputs, "float32"))[0, :, 0]
    np.testing.assert_allclose(np.abs(found), scale, rtol=1e-2)


def test_the_penalty_is_half_lambda_times_the_squared_scale():
    layer = make(SHAPES[0], l2=0.3)
    gamma = ops.convert_to_numpy(layer.gamma).astype("float64")
    assert float(sum(layer.losses)) == pytest.approx(0.15 * np.sum(gamma**2), rel=1e-5)
