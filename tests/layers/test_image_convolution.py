"""Convolutions and pooling of images against PyTorch, in either order of dimensions."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers import image_convolution
from s2s_zoo.layers.image_convolution import ImageConvolution, max_pool, window_count
from tests.pytorch_reference import import_torch

EXAMPLES = {
    ImageConvolution: {
        "filters": 3,
        "kernel": 5,
        "stride": 2,
        "padding": "same",
        "bias": True,
        "l2": 0.5,
    }
}
RNG = np.random.default_rng(0)
IMAGES = RNG.normal(size=(2, 9, 8, 3)).astype("float32")
ORDERS = ["channels_last"]
if keras.backend.backend() != "tensorflow":  # whose CPU kernels know one order
    ORDERS.append("channels_first")


@pytest.fixture(params=ORDERS)
def _order(request, monkeypatch):
    monkeypatch.setattr(image_convolution, "image_order", lambda: request.param)


def padded(torch, kernel, stride, padding, fill=0.0):
    """The images (B, C, H, W) with the padding around them."""
    sides = []
    for length in IMAGES.shape[2:0:-1]:
        outputs = -(-length // stride)
        total = max(0, (outputs - 1) * stride + kernel - length)
        before = {"same": total // 2, "symmetric": (kernel - 1) // 2, "valid": 0}
        after = {"same": total - total // 2, "symmetric": before["symmetric"]}
        sides += [before[padding], after.get(padding, 0)]
    x = torch.tensor(IMAGES).permute(0, 3, 1, 2)
    return torch.nn.functional.pad(x, sides, value=fill)


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("padding", ["symmetric", "same", "valid"])
@pytest.mark.parametrize(("kernel", "stride"), [(3, 1), (3, 2), (7, 2), (1, 2)])
def test_convolves_as_pytorch(kernel, stride, padding):
    torch = import_torch()
    layer = ImageConvolution(4, kernel, stride, padding, bias=True)
    layer.build(IMAGES.shape)
    weights = RNG.normal(size=(kernel, kernel, 3, 4)), RNG.normal(size=4)
    for variable, value in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(value)
    found = ops.convert_to_numpy(layer(IMAGES))
    expected = torch.nn.functional.conv2d(
        padded(torch, kernel, stride, padding),
        torch.tensor(weights[0].astype("float32")).permute(3, 2, 0, 1),
        torch.tensor(weights[1].astype("float32")),
        stride,
    )
    assert found.shape == layer.compute_output_shape(IMAGES.shape)
    np.testing.assert_allclose(found, expected.permute(0, 2, 3, 1), atol=1e-4)


@pytest.mark.usefixtures("_order")
@pytest.mark.parametrize("padding", ["symmetric", "same", "valid"])
def test_pools_as_pytorch(padding):
    """Zeros count around a symmetric one, nothing does around "same"."""
    torch = import_torch()
    fill = 0.0 if padding == "symmetric" else -np.inf
    x = padded(torch, 3, 2, padding, fill)
    expected = torch.nn.functional.max_pool2d(x, 3, 2).permute(0, 2, 3, 1)
    found = ops.convert_to_numpy(max_pool(ops.convert_to_tensor(IMAGES), 3, 2, padding))
    np.testing.assert_allclose(found, expected, atol=1e-6)
    assert found.shape[1:3] == tuple(window_count(n, 3, 2, padding) for n in (9, 8))


def test_images_that_are_too_small_are_refused():
    with pytest.raises(ValueError, match="too small for this network"):
        ImageConvolution(4, 11, 4, "valid").compute_output_shape((None, 9, 9, 3))
