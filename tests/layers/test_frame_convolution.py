"""Convolutions over frames by kind, and depthwise ones as products of matrices."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.depthwise import depthwise_convolution
from s2s_zoo.layers.frame_convolution import FrameConvolution
from s2s_zoo.layers.instance_normalization import MaskedInstanceNormalization
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
from tests.gradients import value_and_gradients

SHAPES = [(1, 6), (2, 7), (5, 13), (5, 20), (8, 40)]
SIZES = {"filters": 3, "kernel": 5, "kind": "conv2d", "stride": 2, "dilation": 2}
EXAMPLES = {
    FrameConvolution: {**SIZES, "bands": 3, "l2": 1e-3},
    MaskedInstanceNormalization: {"epsilon": 1e-5},
    NormalizedConvolution: {
        **SIZES,
        "bands": 3,
        "normalization": "instance",
        "momentum": 0.8,
        "epsilon": 1e-5,
        "l2": 1e-3,
        "scale_l2": 1e-4,
    },
}


def direct(x, kernel, dilation):
    """The definition: a sum over the elements of the kernel."""
    frames = x.shape[1] - (len(kernel) - 1) * dilation
    parts = [
        x[:, i * dilation : i * dilation + frames] * element[:, 0]
        for i, element in enumerate(kernel)
    ]
    return np.sum(parts, axis=0)


@pytest.mark.parametrize("dilation", [1, 2, 3])
@pytest.mark.parametrize(("size", "frames"), SHAPES)
def test_depthwise_convolution_is_its_definition(size, frames, dilation):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, frames, 3)).astype("float32")
    kernel = rng.normal(size=(size, 3, 1)).astype("float32")
    expected = direct(x, kernel, dilation)
    upstream = rng.normal(size=expected.shape).astype("float32")
    found, (by_x, by_kernel) = value_and_gradients(
        lambda x, kernel: depthwise_convolution(x, kernel, dilation),
        [x, kernel],
        upstream,
    )
    np.testing.assert_allclose(found, expected, atol=1e-5)
    # the function is linear in each argument: a gradient is its value there
    np.testing.assert_allclose((by_x * x).sum(), (upstream * expected).sum(), rtol=1e-4)
    for i in range(size):
        one = np.zeros_like(kernel)
        one[i, 1] = 1
        slope = (upstream * direct(x, one, dilation)).sum()
        np.testing.assert_allclose(by_kernel[i, 1, 0], slope, atol=1e-4)


def test_instances_are_normalized_by_their_real_frames():
    rng = np.random.default_rng(1)
    x = rng.normal(3, 2, size=(3, 9, 4)).astype("float32")
    lengths = np.array([9, 4, 0])
    real = np.arange(9) < lengths[:, None]
    layer = MaskedInstanceNormalization(epsilon=1e-5)
    found = ops.convert_to_numpy(layer(x, real))
    for row, length in enumerate(lengths[:2]):
        alone = x[row, :length]
        expected = (alone - alone.mean(0)) / np.sqrt(alone.var(0) + 1e-5)
        np.testing.assert_allclose(found[row, :length], expected, atol=1e-5)
    assert np.isfinite(found).all()


@pytest.mark.parametrize("stride", [1, 2, 3])
def test_every_kind_gives_a_frame_for_each_step(stride):
    x, mask = np.ones((2, 10, 4), "float32"), np.arange(10) < np.array([[10], [7]])
    for kind in ("conv1d", "separable", "causal"):
        layer = FrameConvolution(3, 4, kind, stride=stride, dilation=2)
        y, kept = layer(x, mask)
        assert y.shape == layer.compute_output_shape(x.shape)
        assert ops.convert_to_numpy(kept).sum(1).tolist() == [
            -(-n // stride) for n in (10, 7)
        ]
