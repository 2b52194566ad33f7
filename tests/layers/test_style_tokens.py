"""Style tokens against their equations in NumPy, and the mean style."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.reference_encoder import ReferenceEncoder
from s2s_zoo.layers.style_tokens import StyleTokens
from tests.tiny import draw_weights

EXAMPLES = {
    StyleTokens: {"tokens": 5, "width": 6, "heads": 2, "momentum": 0.75},
    ReferenceEncoder: {"filters": (2, 3), "units": 4},
}
D = 3
QUERIES = np.random.default_rng(1).normal(size=(4, D)).astype("float32")


@pytest.fixture
def layer():
    keras.utils.set_random_seed(0)
    layer = StyleTokens(**EXAMPLES[StyleTokens])
    layer.build((None, D))
    return layer


def drawn(layer):
    draw_weights(layer)
    return {w.name: ops.convert_to_numpy(w).astype("float64") for w in layer.weights}


def in_numpy(w, query, heads):
    """Weights (H, N) and embedding (W,) of one query (D,), a head at a time."""
    tokens, size = np.tanh(w["bank"]), w["bank"].shape[1] // heads
    q, k = query @ w["query_kernel"], tokens @ w["key_kernel"]
    values, weights, mixed = tokens @ w["value_kernel"], [], []
    for part in (slice(i * size, (i + 1) * size) for i in range(heads)):
        scores = np.exp(np.tanh(q[part] + k[:, part]) @ w["direction"])
        weights.append(scores / scores.sum())
        mixed.append(weights[-1] @ values[:, part])
    return np.stack(weights), np.concatenate(mixed) @ w["output_kernel"]


def test_weights_and_styles_are_those_of_the_equations(layer):
    w = drawn(layer)
    weights = layer.weigh(ops.convert_to_tensor(QUERIES))
    styles = ops.convert_to_numpy(layer(weights))
    for row, query in enumerate(QUERIES):
        expected = in_numpy(w, query, layer.heads)
        found = ops.convert_to_numpy(weights)[row], styles[row]
        for value, wanted in zip(found, expected, strict=True):
            np.testing.assert_allclose(value, wanted, atol=1e-6)


def test_weights_are_float32_and_whole_under_a_mixed_policy():
    layer = StyleTokens(**EXAMPLES[StyleTokens], dtype="mixed_bfloat16")
    layer.build((None, D))
    draw_weights(layer)
    weights = layer.weigh(ops.convert_to_tensor(QUERIES))
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    np.testing.assert_allclose(ops.convert_to_numpy(ops.sum(weights, -1)), 1, 1e-6)
    assert keras.backend.standardize_dtype(layer(weights).dtype) == "bfloat16"


def test_the_mean_style_is_that_of_the_training(layer):
    """Before the first step every token has the same share; empty rows do not count."""
    np.testing.assert_allclose(ops.convert_to_numpy(layer.mean), 1 / 5, rtol=1e-6)
    rng = np.random.default_rng(2)
    batches = rng.dirichlet(np.ones(5), size=(2, 4, 2)).astype("float32")
    real = np.array([[True, False, True, True], [False] * 4])
    for weights, rows in zip(batches, real, strict=True):
        layer.track(*map(ops.convert_to_tensor, (weights, rows)))
    expected = 0.75 / 5 + 0.25 * batches[0, real[0]].mean(0)
    mean = ops.convert_to_numpy(layer.mean)
    np.testing.assert_allclose(mean, expected, atol=1e-6)
    asked = np.zeros((1, 2, 5), "float32")
    asked[0, 0] = [0, 3, 1, 0, 0]
    found = ops.convert_to_numpy(layer.filled(ops.convert_to_tensor(asked)))
    np.testing.assert_allclose(found[0, 0], [0, 0.75, 0.25, 0, 0])
    np.testing.assert_allclose(found[0, 1], mean[1])


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="width is a multiple of heads"):
        StyleTokens(width=6, heads=4)
