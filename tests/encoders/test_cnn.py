"""Networks of a table against PyTorch, and sizes by hand."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.cnn import CNNEncoder
from s2s_zoo.registry import PRESETS
from tests.pytorch_reference import import_torch

TABLE = {
    "kinds": ("conv", "max_pool", "norm_conv"),
    "kernels": (5, 3, 3),
    "channels": (4, 0, 6),
    "strides": (2, 2, 1),
    "paddings": ("valid", "valid", "same"),
}
EXAMPLES = {CNNEncoder: {**TABLE, "momentum": 0.5, "epsilon": 0.1, "l2": 0.25}}


def test_is_the_network_of_its_table():
    torch = import_torch()
    encoder = CNNEncoder(**TABLE, epsilon=1e-3)
    encoder.build((None, 19, 15, 3))
    rng = np.random.default_rng(0)
    for weight in encoder.weights:
        weight.assign(
            rng.uniform(0.2, 0.9, weight.shape) - ("kernel" in weight.path) / 2
        )
    conv, norm_conv = encoder.convolutions["0"], encoder.convolutions["2"]
    norm = encoder.norms["2"]
    tensor = {
        name: torch.tensor(ops.convert_to_numpy(value))
        for name, value in {
            "first": conv.weights_of_kernel,
            "shift": conv.shift,
            "second": norm_conv.weights_of_kernel,
            **dict(
                zip(("gamma", "beta", "mean", "variance"), norm.weights, strict=True)
            ),
        }.items()
    }
    images = rng.normal(size=(2, 19, 15, 3)).astype("float32")
    f = torch.nn.functional
    x = torch.tensor(images).permute(0, 3, 1, 2)
    x = f.relu(f.conv2d(x, tensor["first"].permute(3, 2, 0, 1), tensor["shift"], 2))
    x = f.max_pool2d(x, 3, 2)
    x = f.conv2d(x, tensor["second"].permute(3, 2, 0, 1), padding=1)
    statistics = (tensor[name] for name in ("mean", "variance", "gamma", "beta"))
    x = f.relu(f.batch_norm(x, *statistics, eps=1e-3))
    memory = encoder(images, np.ones((2, 1), bool), training=False)
    found = ops.convert_to_numpy(memory.sequence)
    expected = x.permute(0, 2, 3, 1).reshape(2, -1, 6)
    np.testing.assert_allclose(found, expected, atol=1e-4)
    assert found.shape[1:] == encoder.compute_output_shape((None, 19, 15, 3))[1:]


def test_images_that_are_none_do_not_enter_the_statistics():
    keras.utils.set_random_seed(0)
    encoder = CNNEncoder(**TABLE)
    encoder.build((None, 19, 15, 3))
    images = np.random.default_rng(0).normal(size=(4, 19, 15, 3)).astype("float32")
    mask = np.array([[True], [False], [True], [False]])
    both = encoder(images, mask, training=True).sequence
    few = encoder(images[::2], mask[::2], training=True).sequence
    both, few = map(ops.convert_to_numpy, (both, few))
    np.testing.assert_allclose(both[::2], few, atol=1e-5)
    assert (both[1::2] == 0).all()


def convolution(kernel, inputs, outputs, normalized=False):
    return kernel**2 * inputs * outputs + (2 if normalized else 1) * outputs


ALEXNET = (
    convolution(11, 3, 64)
    + convolution(5, 64, 192)
    + convolution(3, 192, 384)
    + convolution(3, 384, 256)
    + convolution(3, 256, 256)
    + (6 * 6 * 256 + 1) * 4096
    + (4096 + 1) * 4096
    + (4096 + 1) * 1000
)
CIFAR = (
    convolution(3, 3, 128)
    + convolution(3, 128, 128)
    + convolution(3, 128, 128, normalized=True)
    + convolution(3, 128, 256)
    + convolution(3, 256, 256)
    + convolution(3, 256, 256, normalized=True)
    + convolution(3, 256, 320)
    + convolution(1, 320, 320)
    + (320 + 1) * 10
)


@pytest.mark.parametrize(
    ("name", "expected"), [("alexnet_owt", ALEXNET), ("cifar_nv", CIFAR)]
)
def test_sizes_by_hand(name, expected):
    assert PRESETS.get(name).parameters == expected


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kernels": (5, 3)}, "columns of the table are as long"),
        ({"kinds": ("conv", "pool", "conv")}, "kinds is one of"),
        ({"channels": (4, 2, 6)}, "channels are 0 for max_pool"),
        ({"channels": (4, 0, 0)}, "above 0 for convolutions"),
        ({"paddings": ("valid", "full", "same")}, "paddings is one of"),
    ],
)
def test_refuses(change, message):
    with pytest.raises(ValueError, match=message):
        CNNEncoder(**{**TABLE, **change})
