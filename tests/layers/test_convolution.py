"""Convolutions over padded batches, against torch on each example alone."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.convolution import (
    RowConvolution,
    SpectrogramConvolution,
    strided_lengths,
)
from tests.gradients import compiled
from tests.pytorch_reference import import_torch

LENGTHS = np.array([9, 4, 0, 7])
GEOMETRIES = [
    ((5, 3), (2, 2), None),
    ((3, 5), (1, 2), 0.7),
    ((4, 4), (2, 1), None),
    ((11, 7), (3, 2), 0.7),
    ((1, 1), (1, 1), None),
    ((3, 21), (1, 2), None),
    ((2, 30), (2, 3), 0.7),
]
EXAMPLES = {
    SpectrogramConvolution: {
        "filters": 2,
        "kernel": (3, 5),
        "stride": (2, 3),
        "ceiling": 20.0,
        "l2": 0.3,
    },
    RowConvolution: {"width": 3, "ceiling": 20.0, "l2": 0.3},
}


def randomize(layer, seed=3):
    rng = np.random.default_rng(seed)
    for weight in layer.weights:
        values = rng.normal(0, 0.5, weight.shape)
        weight.assign(np.abs(values) + 0.5 if "variance" in weight.name else values)


def batch(frames, *sizes, seed=0):
    """Examples of `LENGTHS` frames, zero where padded."""
    rng = np.random.default_rng(seed)
    mask = np.arange(frames)[None] < LENGTHS[:, None]
    x = rng.normal(size=(len(LENGTHS), int(LENGTHS.max()), *sizes)).astype("float32")
    x = np.pad(x, [(0, 0), (0, frames - x.shape[1]), *[(0, 0)] * len(sizes)])
    return x * mask.reshape(*mask.shape, *[1] * len(sizes)), mask


def normalize(y, layer):
    """Inference-mode batch normalization of (..., C) in float64."""
    gamma, beta, mean, variance = (
        ops.convert_to_numpy(w).astype("float64") for w in layer.weights
    )
    return (y - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta


def reference_spectrogram_convolution(x, layer):
    """(T, F, C) to (T', F', filters) by `torch.conv2d` with zeros on both sides."""
    torch = import_torch()
    kernel = ops.convert_to_numpy(layer.convolution.kernel).astype("float64")
    image = torch.tensor(x.astype("float64").transpose(2, 0, 1)[None])
    (top, bottom), (left, right) = [((k - 1) // 2, k // 2) for k in layer.kernel]
    image = torch.nn.functional.pad(image, (left, right, top, bottom))
    weight = torch.tensor(kernel.transpose(3, 2, 0, 1))
    y = torch.conv2d(image, weight, stride=layer.stride)[0].numpy().transpose(1, 2, 0)
    y = np.maximum(normalize(y, layer.normalization), 0)
    return y if layer.ceiling is None else np.minimum(y, layer.ceiling)


def reference_row_convolution(x, layer):
    """(T, D) to (T, D) by a grouped `torch.conv1d`."""
    torch = import_torch()
    kernel = ops.convert_to_numpy(layer.kernel).astype("float64")
    signal = torch.tensor(x.astype("float64").T[None])
    sides = ((layer.width - 1) // 2, layer.width // 2)
    signal = torch.nn.functional.pad(signal, sides)
    weight = torch.tensor(kernel.transpose(1, 2, 0))
    y = torch.conv1d(signal, weight, groups=x.shape[1])[0].numpy().T
    y = np.maximum(normalize(y, layer.normalization), 0)
    return y if layer.ceiling is None else np.minimum(y, layer.ceiling)


@pytest.mark.parametrize(("kernel", "stride", "ceiling"), GEOMETRIES)
def test_spectrogram_convolution_equals_torch_without_padding(kernel, stride, ceiling):
    layer = SpectrogramConvolution(3, kernel, stride, ceiling)
    layer.build((None, None, 6, 2))
    randomize(layer)
    x, mask = batch(10, 6, 2)
    outputs, out_mask = (ops.convert_to_numpy(t) for t in compiled(layer)(x, mask))
    lengths = [-(-length // stride[0]) for length in LENGTHS]
    assert outputs.shape == (4, -(-10 // stride[0]), -(-6 // stride[1]), 3)
    assert out_mask.sum(1).tolist() == lengths
    assert (outputs[~out_mask] == 0).all()
    for i in np.flatnonzero(LENGTHS):
        expected = reference_spectrogram_convolution(x[i, : LENGTHS[i]], layer)
        found = outputs[i, : lengths[i]]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_parity_of_the_padding_changes_nothing():
    """TensorFlow's own SAME shifts the kernel with the parity of the batch length."""
    layer = SpectrogramConvolution(3, (5, 3), (2, 2))
    layer.build((None, None, 6, 2))
    randomize(layer)
    results = [
        ops.convert_to_numpy(compiled(layer)(*batch(frames, 6, 2))[0])[:, :5]
        for frames in (9, 10, 11, 16)
    ]
    for other in results[1:]:
        np.testing.assert_allclose(other, results[0], atol=1e-6)


def test_a_wide_convolution_is_called_as_a_layer(monkeypatch):
    """What watches a training taps the calls of layers."""
    layer, seen = SpectrogramConvolution(3, (3, 21)), []
    layer.build((None, None, 6, 2))
    call = layer.convolution.call
    monkeypatch.setattr(layer.convolution, "call", lambda x: seen.append(x) or call(x))
    layer(*batch(9, 6, 2))
    assert len(seen) == 1


@pytest.mark.parametrize(("width", "ceiling"), [(1, None), (3, 0.7), (8, None)])
def test_row_convolution_equals_torch_without_padding(width, ceiling):
    layer = RowConvolution(width, ceiling)
    layer.build((None, None, 4))
    randomize(layer)
    x, mask = batch(12, 4)
    outputs = ops.convert_to_numpy(compiled(layer)(x, mask))
    assert (outputs[~mask] == 0).all()
    for i in np.flatnonzero(LENGTHS):
        expected = reference_row_convolution(x[i, : LENGTHS[i]], layer)
        found = outputs[i, : LENGTHS[i]]
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_row_convolution_computes_in_float32(policy):
    layer = RowConvolution(3, dtype=policy)
    layer.build((None, None, 4))
    randomize(layer)
    x, mask = batch(9, 4)
    half = ops.cast(x, policy[len("mixed_") :])
    outputs = layer(half, mask)
    assert keras.backend.standardize_dtype(outputs.dtype) == "float32"
    exact = layer(ops.cast(half, "float32"), mask)
    np.testing.assert_array_equal(
        ops.convert_to_numpy(outputs), ops.convert_to_numpy(exact)
    )


def test_lengths_are_rounded_up():
    found = [[strided_lengths(n, s) for n in range(6)] for s in (1, 2, 3)]
    assert found == [[0, 1, 2, 3, 4, 5], [0, 1, 1, 2, 2, 3], [0, 1, 1, 1, 2, 2]]


def test_the_ceiling_holds_in_half_precision():
    layer = SpectrogramConvolution(2, (1, 1), ceiling=20.0, dtype="mixed_float16")
    layer.build((None, None, 1, 1))
    layer.convolution.kernel.assign(np.full((1, 1, 1, 2), 100.0))
    x, mask = ops.full((1, 3, 1, 1), 5.0, dtype="float16"), np.ones((1, 3), bool)
    outputs, _ = layer(x, mask)
    assert ops.convert_to_numpy(outputs).max() == 20
