"""Residual networks: those of keras.applications, and sizes by hand."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops
from keras.src.applications import resnet as applications

from s2s_zoo.encoders.resnet import ResNetEncoder
from s2s_zoo.layers.residual_block import ResidualBlock
from s2s_zoo.registry import PRESETS
from tests.gradients import compiled

SIZES = {"l2": 0.5, "scale_l2": 0.25, "momentum": 0.5, "epsilon": 0.1}
EXAMPLES = {
    ResidualBlock: {
        "width": 2,
        "stride": 2,
        "bottleneck": True,
        "projection": True,
        "version": 1,
        "bias": True,
        **SIZES,
    },
    ResNetEncoder: {
        "blocks": (1, 2),
        "width": 4,
        "bottleneck": True,
        "version": 1,
        "stem_kernel": 3,
        "stem_stride": 1,
        "stem_pool": False,
        "strides_last": True,
        "bias": True,
        **SIZES,
    },
}
SIDE = 33


def drawn(model):
    """A model of Keras, every weight drawn."""
    rng = np.random.default_rng(0)
    for weight in model.weights:
        value = ops.convert_to_numpy(weight)
        if weight.path.endswith("kernel"):
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape))
        else:
            weight.assign(value + rng.uniform(-0.3, 0.3, weight.shape))
    return {layer.name: layer for layer in model.layers}


def copy_norm(ours, theirs):
    for name in ("gamma", "beta", "moving_mean", "moving_variance"):
        getattr(ours, name).assign(getattr(theirs, name))


def copy_convolution(ours, theirs):
    assert ours.bias == theirs.use_bias
    ours.weights_of_kernel.assign(theirs.kernel)
    if ours.bias:
        ours.shift.assign(theirs.bias)


def copy_weights(encoder, layers):
    """Those of a ResNet50V2 by the names of its layers."""
    copy_convolution(encoder.stem, layers["conv1_conv"])
    copy_norm(encoder.norm, layers["post_bn"])
    places = [(s, b) for s, n in enumerate(encoder.blocks) for b in range(n)]
    for block, (stage, place) in zip(encoder.residual_blocks, places, strict=True):
        name = f"conv{stage + 2}_block{place + 1}"
        if block.projection:
            copy_convolution(block.shortcut, layers[f"{name}_0_conv"])
        for i, convolution in enumerate(block.convolutions):
            copy_convolution(convolution, layers[f"{name}_{i + 1}_conv"])
        norms = [f"{name}_{norm}_bn" for norm in ("preact", 1, 2)]
        for norm, other in zip(block.norms, norms, strict=True):
            copy_norm(norm, layers[other])


def small_one(**options):
    """Two stages of the same blocks."""

    def stages(x):
        x = applications.stack_residual_blocks_v2(x, 64, 2, name="conv2")
        return applications.stack_residual_blocks_v2(x, 128, 2, 1, name="conv3")

    return applications.ResNet(stages, preact=True, use_bias=True, **options)


@pytest.mark.parametrize(
    ("blocks", "build"),
    [
        ((2, 2), small_one),
        pytest.param(
            *((3, 4, 6, 3), keras.applications.ResNet50V2), marks=pytest.mark.slow
        ),
    ],
)
def test_resnet50_v2_is_that_of_keras(blocks, build):
    shape = (SIDE, SIDE, 3)
    theirs = build(
        weights=None, classifier_activation=None, input_shape=shape, classes=7
    )
    layers = drawn(theirs)
    settings = {"task.size": shape[:2], "task.shorter_side": 0, "task.classes": 7}
    settings["encoder.blocks"] = blocks
    model = PRESETS.get("resnet50_v2").with_settings(settings).build()
    assert model.count_params() == theirs.count_params()
    copy_weights(model.encoder, layers)
    dense = model.decoder.output_layer
    dense.kernel.assign(layers["predictions"].kernel)
    dense.bias.assign(layers["predictions"].bias)
    images = np.random.default_rng(1).normal(size=(2, *shape)).astype("float32")

    def ours(images):
        memory = model.encoder(images, np.ones((2, 1), bool), training=False)
        return model.decoder(None, memory)["logits"]

    found = ops.convert_to_numpy(compiled(ours)(images))
    expected = ops.convert_to_numpy(compiled(partial(theirs, training=False))(images))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_a_block_of_version_1_normalizes_behind():
    """By hand: two convolutions of 1 pixel under a kernel of 3 are a product each."""
    block = ResidualBlock(2, version=1, epsilon=0.0)
    block.build((None, 1, 1, 2))
    rng = np.random.default_rng(0)
    for weight in block.weights:
        value = rng.uniform(0.5, 1.5, weight.shape) * rng.choice([-1, 1], weight.shape)
        weight.assign(np.abs(value) if "variance" in weight.path else value)
    x = rng.normal(size=(5, 1, 1, 2)).astype("float32")
    y = x[:, 0, 0]
    for i, (convolution, norm) in enumerate(
        zip(block.convolutions, block.norms, strict=True)
    ):
        kernel = ops.convert_to_numpy(convolution.weights_of_kernel)[1, 1]
        y = (np.maximum(y, 0) if i else y) @ kernel
        gamma, beta, mean, variance = map(ops.convert_to_numpy, norm.weights)
        y = gamma * (y - mean) / np.sqrt(variance) + beta
    expected = np.maximum(y + x[:, 0, 0], 0)
    found = block(x, np.ones((5, 1), bool), training=False)
    np.testing.assert_allclose(
        ops.convert_to_numpy(found)[:, 0, 0], expected, atol=1e-4
    )


def basic(blocks, width, classes, stem, channels):
    """Parameters of blocks of two convolutions without biases, version 2."""
    total = stem**2 * channels * width
    size = width
    for stage, count in enumerate(blocks):
        wide = width * 2**stage
        total += size * wide  # the projection
        for _ in range(count):
            total += 9 * size * wide + 9 * wide**2 + 2 * size + 2 * wide
            size = wide
    return total + 2 * size + (size + 1) * classes


def bottlenecks(blocks, classes):
    """Of those of Keras: biases of the stem, the projections and the last of three."""
    total, size = 49 * 3 * 64 + 64, 64
    for stage, count in enumerate(blocks):
        narrow, wide = 64 * 2**stage, 256 * 2**stage
        total += (size + 1) * wide
        for _ in range(count):
            total += size * narrow + 9 * narrow**2 + (narrow + 1) * wide
            total += 2 * size + 4 * narrow
            size = wide
    return total + 2 * size + (size + 1) * classes


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18_v2", basic((2, 2, 2, 2), 64, 1000, 7, 3)),
        ("resnet34_v2", basic((3, 4, 6, 3), 64, 1000, 7, 3)),
        ("resnet50_v2", bottlenecks((3, 4, 6, 3), 1000)),
        ("resnet101_v2", bottlenecks((3, 4, 23, 3), 1000)),
        ("resnet152_v2", bottlenecks((3, 8, 36, 3), 1000)),
        ("resnet_small", basic((1, 1, 1), 16, 10, 3, 1)),
    ],
)
def test_sizes_by_hand(name, expected):
    assert PRESETS.get(name).parameters == expected
