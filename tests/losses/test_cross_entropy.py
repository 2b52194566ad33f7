"""Smoothed cross-entropy against NumPy in float64 and torch's own."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.losses.cross_entropy import CrossEntropy, smoothed_cross_entropy
from tests.gradients import value_and_gradients


def batch(rows=3, tokens=5, size=11, spread=3.0, seed=0):
    rng = np.random.default_rng(seed)
    logits = (rng.normal(size=(rows, tokens, size)) * spread).astype("float32")
    targets = rng.integers(0, size, (rows, tokens)).astype("int32")
    mask = np.arange(tokens) < rng.integers(1, tokens + 1, rows)[:, None]
    return logits, targets, mask


def reference(logits, targets, smoothing):
    """KL divergence from the smoothed distribution and its gradient, in float64."""
    logits = logits.astype("float64")
    size = logits.shape[-1]
    goal = np.full(logits.shape, smoothing / (size - 1))
    np.put_along_axis(goal, targets[..., None], 1 - smoothing, axis=-1)
    scores = logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where(goal > 0, goal * (np.log(goal) - scores), 0.0)
    return terms.sum(axis=-1), np.exp(scores) - goal


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.4])
@pytest.mark.parametrize(("size", "spread"), [(2, 3.0), (11, 3.0), (3000, 20.0)])
def test_equals_the_divergence_and_its_gradient(smoothing, size, spread):
    logits, targets, mask = batch(size=size, spread=spread)
    upstream = np.random.default_rng(1).normal(size=mask.shape).astype("float32")
    loss, (gradient,) = value_and_gradients(
        lambda x: smoothed_cross_entropy(x, targets, mask, smoothing),
        [logits],
        upstream,
    )
    expected, slope = reference(logits, targets, smoothing)
    slope = slope * (upstream * mask)[..., None]
    np.testing.assert_allclose(loss, expected * mask, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(gradient, slope, atol=2e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_equals_torch(smoothing):
    torch = pytest.importorskip(
        "torch", reason="the reference: pip install s2s-zoo[torch]"
    )
    logits, targets, mask = batch(size=40)
    x = torch.tensor(logits, dtype=torch.float64, requires_grad=True)
    size = logits.shape[-1]
    # torch takes ε / V from all tokens, the target among them
    theirs = smoothing * size / (size - 1)
    expected = torch.nn.functional.cross_entropy(
        x.reshape(-1, size),
        torch.tensor(np.where(mask, targets, -100).reshape(-1), dtype=torch.int64),
        reduction="none",
        label_smoothing=theirs,
    )
    expected.sum().backward()
    goal = np.full(size, smoothing / (size - 1))
    goal[0] = 1 - smoothing
    floor = -sum(p * np.log(p) for p in goal if p > 0)
    loss, (gradient,) = value_and_gradients(
        lambda x: smoothed_cross_entropy(x, targets, mask, smoothing), [logits]
    )
    expected = expected.detach().numpy().reshape(mask.shape)
    np.testing.assert_allclose(loss[mask], expected[mask] - floor, atol=1e-5)
    np.testing.assert_allclose(gradient, x.grad.numpy(), atol=1e-6)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_padding_costs_nothing_whatever_it_holds(smoothing):
    logits, targets, mask = batch()
    mask[0, 3:] = False
    mask[1] = False
    dirty = logits.copy()
    dirty[~mask] = [np.nan, np.inf, -np.inf, 1e38, -1e38, 0, 0, 0, 0, 0, 0]
    padding = np.where(mask, targets, -1).astype("int32")
    (clean, (slope,)), (loss, (gradient,)) = (
        value_and_gradients(
            lambda x, t=t: smoothed_cross_entropy(x, t, mask, smoothing), [x]
        )
        for x, t in ((logits, targets), (dirty, padding))
    )
    assert (loss[~mask] == 0).all()
    assert (gradient[~mask] == 0).all()
    np.testing.assert_array_equal(loss, clean)
    np.testing.assert_array_equal(gradient, slope)


def test_a_perfect_model_costs_nothing():
    size, smoothing = 7, 0.1
    logits = np.full((1, 1, size), np.log(smoothing / (size - 1)), "float32")
    logits[..., 3] = np.log(1 - smoothing)
    targets, mask = np.full((1, 1), 3, "int32"), np.ones((1, 1), bool)
    loss, (gradient,) = value_and_gradients(
        lambda x: smoothed_cross_entropy(x, targets, mask, smoothing), [logits]
    )
    np.testing.assert_allclose(loss, 0, atol=1e-6)
    np.testing.assert_allclose(gradient, 0, atol=1e-6)


def test_half_precision_logits_are_computed_in_float32():
    logits, targets, mask = batch()
    logits = logits.astype("float16")
    half, full = (
        smoothed_cross_entropy(ops.convert_to_tensor(x), targets, mask, 0.1)
        for x in (logits, logits.astype("float32"))
    )
    assert keras.backend.standardize_dtype(half.dtype) == "float32"
    np.testing.assert_array_equal(
        ops.convert_to_numpy(half), ops.convert_to_numpy(full)
    )


def test_perplexity_is_the_exponential_of_the_mean():
    # the same guess of 1/V everywhere has a perplexity of V
    objective = CrossEntropy(label_smoothing=0.0)
    tokens = np.array([[5, 6, 1, 0], [1, 0, 0, 0]], "int32")
    target = {"target": tokens, "target_lengths": np.array([3, 1])}
    output = {"logits": np.zeros((2, 4, 9), "float32")}
    mean = ops.convert_to_numpy(objective.mean(target, output))
    np.testing.assert_allclose(np.exp(mean), 9.0, rtol=1e-6)
    assert float(objective.weight_in_graph(target, output)) == 4
    assert objective.weight({}, target) == 4
    nothing = {"target": np.zeros_like(tokens)}
    assert float(objective.mean(nothing, output)) == 0
