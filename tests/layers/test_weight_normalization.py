"""Weight normalization against torch.nn.utils.parametrizations.weight_norm."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.weight_normalization import (
    WeightNormalizedConvolution,
    WeightNormalizedDense,
)
from tests.gradients import compiled, value_and_gradients
from tests.pytorch_reference import import_torch

EXAMPLES = {
    WeightNormalizedDense: {"units": 3, "gain": 0.5},
    WeightNormalizedConvolution: {"units": 3, "kernel": 2, "gain": 0.5},
}


class TorchCopies:
    """PyTorch modules with the zoo's weights in float64, and their gradients."""

    def __init__(self):
        self._gradients = {}

    def normalized(self, layer):
        """`torch.nn.Linear` or `Conv1d` for a weight-normalized layer."""
        torch = import_torch()
        direction = array(layer.direction)
        if direction.ndim == 2:
            module = torch.nn.Linear(*direction.shape)
        else:
            kernel, width, units = direction.shape
            module = torch.nn.Conv1d(width, units, kernel)
        module = torch.nn.utils.parametrizations.weight_norm(module.double(), dim=0)
        length, vectors = (
            getattr(module.parametrizations.weight, f"original{i}") for i in range(2)
        )
        vectors.data = torch.tensor(direction.T.copy())
        length.data = torch.tensor(array(layer.length)).reshape(length.shape)
        module.bias.data = torch.tensor(array(layer.bias))
        self._gradients |= {
            id(layer.direction): lambda: vectors.grad.numpy().T,
            id(layer.length): lambda: length.grad.numpy().reshape(-1),
            id(layer.bias): lambda: module.bias.grad.numpy(),
        }
        return module

    def table(self, variable):
        """A tensor with the numbers of a table."""
        rows = import_torch().tensor(array(variable), requires_grad=True)
        self._gradients[id(variable)] = lambda: rows.grad.numpy()
        return rows

    def gradients(self, layer):
        """Of each trainable variable of a layer, in its order."""
        return [self._gradients[id(v)]() for v in layer.trainable_variables]


def array(variable):
    return ops.convert_to_numpy(variable).astype("float64")


def randomized(layer, seed=0):
    """The layer with random weights, lengths and biases too."""
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    return layer


def as_products(weights):
    """The weights; TensorFlow then has tensors, not slices, as gradients of tables."""
    return [weight * 1.0 for weight in weights]


def run(layer, x):
    return ops.convert_to_numpy(compiled(layer)(x))


def make(kind, **kwargs):
    """A layer from 5 to 4 channels."""
    if kind == "dense":
        layer = WeightNormalizedDense(4, **kwargs)
    else:
        layer = WeightNormalizedConvolution(4, kernel=3, **kwargs)
    layer.build((None, None, 5))
    return layer


@pytest.mark.parametrize("kind", ["dense", "convolution"])
def test_values_and_gradients_equal_torch(kind):
    torch = import_torch()
    layer = randomized(make(kind))
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 7, 5)).astype("float32")
    frames = 7 if kind == "dense" else 5
    upstream = rng.normal(size=(2, frames, 4))

    copies = TorchCopies()
    module = copies.normalized(layer)
    source = torch.tensor(x.astype("float64"), requires_grad=True)
    if kind == "dense":
        expected = module(source)
    else:
        expected = module(source.transpose(1, 2)).transpose(1, 2)
    (expected * torch.tensor(upstream)).sum().backward()

    def function(x, *weights):
        return layer.stateless_call(list(weights), [], x)[0]

    arrays = [x, *layer.get_weights()]
    outputs, gradients = value_and_gradients(function, arrays, upstream)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    references = [source.grad.numpy(), *copies.gradients(layer)]
    for ours, theirs in zip(gradients, references, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_one_window_equals_the_same_window_among_others():
    layer = randomized(make("convolution"))
    x = np.random.default_rng(1).normal(size=(2, 6, 5)).astype("float32")
    np.testing.assert_allclose(
        run(layer, x[:, 2:5]), run(layer, x)[:, 2:3], rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("gain", [1.0, 0.3])
def test_directions_start_with_the_variance_that_keeps_an_outputs(gain):
    """N(0, gain/fan-in); 120 000 draws give the deviation to 0.2 %."""
    keras.utils.set_random_seed(0)
    dense = WeightNormalizedDense(400, gain)
    dense.build((None, 300))
    convolution = WeightNormalizedConvolution(400, 3, gain)
    convolution.build((None, None, 100))
    for layer in (dense, convolution):
        direction = array(layer.direction)
        assert direction.std() == pytest.approx(np.sqrt(gain / 300), rel=0.01)
        assert abs(direction.mean()) < 4 * np.sqrt(gain / 300 / direction.size)
        norms = np.sqrt((direction.reshape(300, 400) ** 2).sum(axis=0))
        np.testing.assert_allclose(array(layer.length), norms, rtol=1e-5)
        assert (array(layer.bias) == 0).all()


@pytest.mark.parametrize("kind", ["dense", "convolution"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_norm_is_float32_under_mixed_policies(kind, policy):
    """Squares of 1e-4 are zero in float16."""
    layer = make(kind, dtype=policy)
    rng = np.random.default_rng(0)
    direction = rng.normal(0, 1e-4, layer.direction.shape).astype("float32")
    layer.set_weights([direction, np.full(4, 2.0), np.zeros(4)])
    norms = np.sqrt((direction.astype("float64").reshape(-1, 4) ** 2).sum(axis=0))
    x = np.zeros((1, 3, 5), "float32")
    x[0, 1, 2] = 1
    result = layer(ops.convert_to_tensor(x))
    assert keras.backend.standardize_dtype(result.dtype) == policy[len("mixed_") :]
    vector = direction[2] if kind == "dense" else direction[1, 2]
    found = ops.convert_to_numpy(ops.cast(result, "float32"))
    found = found[0, 1] if kind == "dense" else found[0, 0]
    rounding = 2.0**-9 if policy == "mixed_bfloat16" else 2.0**-12
    np.testing.assert_allclose(found, 2 * vector / norms, rtol=2 * rounding)
    assert all(w.dtype == "float32" for w in layer.weights)


def test_a_direction_of_zeros_stays_finite():
    layer = make("dense")
    weights = [
        np.zeros((5, 4), "float32"),
        np.ones(4, "float32"),
        np.ones(4, "float32"),
    ]

    def function(x, *weights):
        return layer.stateless_call(list(weights), [], x)[0]

    arrays = [np.ones((2, 3, 5), "float32"), *weights]
    outputs, gradients = value_and_gradients(function, arrays)
    assert (outputs == 1).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)
