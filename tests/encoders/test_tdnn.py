"""Time-delay networks against PyTorch, and their tables."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.tdnn import TDNNEncoder
from s2s_zoo.registry import PRESETS
from tests.gradients import compiled
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

TABLE = {
    "kinds": ("conv1d", "separable"),
    "blocks": (1, 2),
    "repeats": (1, 2),
    "kernels": (11, 5),
    "channels": (4, 6),
    "strides": (2, 1),
    "dilations": (1, 2),
    "dropouts": (0.25, 0.125),
    "residuals": ("none", "dense"),
}
EXAMPLES = {
    TDNNEncoder: {
        **TABLE,
        "bands": (1, 1),
        "ceiling": 20.0,
        "normalization": "layer",
        "momentum": 0.8,
        "epsilon": 1e-5,
        "l2": 1e-3,
        "drop_block": 0.5,
        "without_block": 1,
        "seed": 3,
    }
}
LENGTHS = np.array([11, 4, 7, 0, 1])
WIDTH = 5


def table(**changed):
    """A table of two rows that drops nothing; every column takes one value, or two."""
    columns = {**TABLE, "dropouts": (0.0, 0.0)}
    for name, value in changed.items():
        columns[name] = value if isinstance(value, tuple) else (value, value)
    return columns


def made(columns, **settings):
    keras.utils.set_random_seed(0)
    encoder = TDNNEncoder(**columns, **settings)
    encoder.build((None, None, WIDTH))
    draw_weights(encoder)
    for weight in encoder.weights:
        if "variance" in weight.path:
            weight.assign(ops.abs(weight) + 0.5)
    return encoder


def batch(padding=0, seed=1):
    """Noise, on the padding too, and the mask."""
    frames = LENGTHS.max() + padding
    x = np.random.default_rng(seed).normal(size=(len(LENGTHS), frames, WIDTH))
    return x.astype("float32"), np.arange(frames)[None] < LENGTHS[:, None]


def encode(encoder, x, mask, training=False):
    return tuple(map(ops.convert_to_numpy, encoder(x, mask, training=training)[:2]))


class Reference:
    """The same network written with PyTorch's functions, an utterance at a time."""

    def __init__(self, encoder):
        self.torch = import_torch()
        self.encoder = encoder
        self.dense = []

    def array(self, variable):
        return self.torch.from_numpy(np.array(ops.convert_to_numpy(variable)))

    def convolve(self, layer, x):
        """(C, T) or (C, T, F) through a convolution and its normalization."""
        functional = self.torch.nn.functional
        c = layer.convolution
        reach = (c.kernel - 1) * c.dilation
        before = reach if c.kind == "causal" else reach // 2
        sides = (before, reach - before)
        kernel = self.array(c.weight)
        if c.kind == "conv2d":
            bands = ((c.bands - 1) // 2, c.bands // 2)
            x = functional.pad(x, (*bands, *sides))[None]
            kernel = kernel.permute(3, 2, 0, 1)
            steps = {"stride": (c.stride, 1), "dilation": (c.dilation, 1)}
            y = functional.conv2d(x, kernel, **steps)[0]
            return self.normalize(layer, y)
        x = functional.pad(x, sides)[None]
        kernel = kernel.permute(2, 1, 0)
        steps = {"stride": c.stride, "dilation": c.dilation}
        if c.kind == "separable":
            depthwise = self.array(c.depthwise).permute(1, 2, 0)
            x = functional.conv1d(x, depthwise, groups=len(depthwise), **steps)
            steps = {}
        return self.normalize(layer, functional.conv1d(x, kernel, **steps)[0])

    def normalize(self, layer, y):
        if layer.normalization == "none":
            return y
        n = layer.normalizer
        rest = (1,) * (y.ndim - 1)
        gamma, beta = (self.array(v).reshape(-1, *rest) for v in (n.gamma, n.beta))
        if layer.normalization == "batch":
            mean = self.array(n.moving_mean).reshape(-1, *rest)
            variance = self.array(n.moving_variance).reshape(-1, *rest)
        else:
            axes = (0,) if layer.normalization == "layer" else tuple(range(1, y.ndim))
            mean = y.mean(axes, keepdim=True)
            variance = y.var(axes, keepdim=True, unbiased=False)
        return (y - mean) / (variance + n.epsilon).sqrt() * gamma + beta

    def __call__(self, x):
        """(T', C) from the (T, D) features of one utterance."""
        x = self.torch.from_numpy(x.T.copy())
        dense = []
        for block in self.encoder._blocks():
            if block.row.kind == "conv2d" and x.ndim == 2:
                x = x.T[None]
            if block.row.kind != "conv2d" and x.ndim == 3:
                x = x.permute(2, 0, 1).reshape(-1, x.shape[1])
            dense.append(x)
            added = {"none": [], "plain": [x], "dense": dense}[block.row.residual]
            pairs = zip(block.branches, added, strict=True)
            total = sum(self.convolve(branch, source) for branch, source in pairs)
            for i, layer in enumerate(block.convolutions):
                x = self.convolve(layer, x)
                if i + 1 == len(block.convolutions):
                    x = x + total
                x = x.clamp(0, self.encoder.ceiling)
        if x.ndim == 3:
            x = x.permute(2, 0, 1).reshape(-1, x.shape[1])
        return x.T.numpy()


NETWORKS = {
    "wave2letter": (table(kinds="conv1d", residuals="none"), {"ceiling": 0.5}),
    "jasper": (
        table(kinds="conv1d", residuals="dense", strides=1, blocks=(2, 2)),
        {"normalization": "instance"},
    ),
    "quartznet": (table(kinds="separable", residuals="plain"), {}),
    "causal": (
        table(kinds="causal", residuals="plain"),
        {"normalization": "layer"},
    ),
    "conv2d": (
        table(kinds="conv2d", residuals="plain", bands=(3, 1)),
        {"normalization": "none"},
    ),
    "bands first": (
        table(kinds=("conv2d", "conv1d"), residuals="none", bands=(3, 1)),
        {"normalization": "instance"},
    ),
    "even kernels": (
        table(kinds=("conv1d", "separable"), kernels=(4, 6), residuals="none"),
        {},
    ),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_it_computes_what_pytorch_does_of_each_utterance_alone(name):
    encoder = made(NETWORKS[name][0], **NETWORKS[name][1])
    x, mask = batch(padding=3)
    found = compiled(lambda x, mask: encoder(x, mask)[:2])(x, mask)
    found, real = map(ops.convert_to_numpy, found)
    assert (found[~real] == 0).all()
    for row, length in enumerate(LENGTHS):
        if length:
            expected = Reference(encoder)(x[row, :length])
            np.testing.assert_allclose(found[row][real[row]], expected, atol=2e-5)


@pytest.mark.parametrize("normalization", ["layer", "instance", "none"])
@pytest.mark.parametrize("kind", ["conv1d", "separable", "causal", "conv2d"])
def test_padding_and_neighbours_change_nothing_in_training(kind, normalization):
    columns = table(kinds=kind, residuals=("none", "plain"))
    encoder = made(columns, normalization=normalization)
    x, mask = batch(padding=6)
    together, real = encode(encoder, x, mask, training=True)
    for row in (0, 1, 2):
        alone = x[row : row + 1, : LENGTHS[row]]
        found, _ = encode(encoder, alone, np.ones(alone.shape[:2], bool), True)
        np.testing.assert_allclose(together[row][real[row]], found[0], atol=2e-5)


def test_batch_statistics_are_of_real_frames_alone():
    encoder = made(table())
    x, mask = batch(padding=2)
    noise, _ = batch(padding=2, seed=9)
    other = np.where(mask[..., None], x, 50 * noise)
    moving = [w for w in encoder.weights if "moving" in w.path]
    before = [ops.convert_to_numpy(w) for w in moving]
    after = []
    for source in (x, other):
        for weight, value in zip(moving, before, strict=True):
            weight.assign(value)
        encoder(source, mask, training=True)
        after.append([ops.convert_to_numpy(w) for w in moving])
    for one, two, start in zip(*after, before, strict=True):
        np.testing.assert_array_equal(one, two)
        assert (one != start).any()


def test_a_causal_network_does_not_look_ahead():
    encoder = made(table(kinds="causal", residuals="plain"))
    x, mask = batch()
    changed = x.copy()
    changed[:, 6:] += 1
    found = [encode(encoder, source, mask)[0] for source in (x, changed)]
    np.testing.assert_array_equal(found[0][:, :3], found[1][:, :3])
    assert (found[0][0, 3:] != found[1][0, 3:]).any()


def test_the_stride_of_a_block_is_that_of_its_first_convolution():
    encoder = made(table(strides=(2, 2), repeats=(3, 2), residuals="plain"))
    assert encoder.time_stride == 2 * 2 * 2
    x, mask = batch()
    assert encode(encoder, x, mask)[0].shape[1] == 2
    assert encoder.output_lengths(11) == 2


def test_a_dropped_block_leaves_what_it_adds():
    columns = table(residuals="plain", kinds="conv1d")
    whole, without = made(columns), made(columns, without_block=2)
    x, mask = batch()
    for layer in whole.convolutions[-2:]:
        for variable in (layer.normalizer.gamma, layer.normalizer.beta):
            variable.assign(ops.zeros(variable.shape))
    expected = encode(whole, x, mask)[0]
    np.testing.assert_allclose(encode(without, x, mask)[0], expected, atol=1e-5)


def test_blocks_are_dropped_for_some_examples_in_training_alone():
    columns = table(residuals=("none", "plain"), blocks=1, kinds="conv1d")
    settings = {"normalization": "layer", "drop_block": 0.5}
    encoder = made(columns, **settings)
    x = np.repeat(batch()[0][:1], 64, axis=0)
    mask = np.ones(x.shape[:2], bool)
    without = made(columns, normalization="layer", without_block=1)
    kept = encode(encoder, x, mask)[0]
    left = encode(without, x, mask)[0]
    found = encode(encoder, x, mask, training=True)[0]
    is_kept, is_left = (
        np.isclose(found, other, atol=1e-5).all(axis=(1, 2)) for other in (kept, left)
    )
    assert (is_kept ^ is_left).all()
    assert 16 < is_left.sum() < 48


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"kernels": (3,)}, "columns of the table are as long. Received: 2 kinds"),
        ({"residuals": "some"}, "none, plain, dense"),
        ({"kinds": "conv3d"}, "conv1d, separable, causal, conv2d"),
        (
            {"strides": 2, "residuals": "dense"},
            "dense residuals add frames of one rate",
        ),
        ({"kinds": ("conv1d", "conv2d")}, "conv2d come first"),
        ({"bands": 3}, "bands are of a conv2d"),
        ({"repeats": 0}, "repeats is 1 to"),
        ({"blocks": 10**6}, "blocks is 1 to"),
    ],
)
def test_a_wrong_table_is_refused(changed, message):
    with pytest.raises(ValueError, match=message):
        TDNNEncoder(**table(**changed))


def convolution(kernel, inputs, outputs, separable):
    if separable:
        return kernel * inputs + inputs * outputs
    return kernel * inputs * outputs


def count(rows, inputs=64, vocabulary=29):
    """Kernels, two numbers of normalization for each channel, the dense layer of CTC.

    A row is (separable, blocks, repeats, kernel, channels, residual).
    """
    total, size, dense = 0, inputs, []
    for separable, blocks, repeats, kernel, channels, residual in rows:
        for _ in range(blocks):
            if residual == "dense":
                dense = [*dense, size]
            for added in {"none": [], "plain": [size], "dense": dense}[residual]:
                total += convolution(1, added, channels, separable) + 2 * channels
            for _ in range(repeats):
                total += convolution(kernel, size, channels, separable) + 2 * channels
                size = channels
    return total + size * vocabulary + vocabulary


def ends(separable, width):
    return [(separable, 1, 1, 29, width, "none"), (separable, 1, 1, 1, 1024, "none")]


def middle(separable, blocks, repeats, kernels, channels, residual):
    sizes = zip(kernels, channels, strict=True)
    return [(separable, blocks, repeats, *size, residual) for size in sizes]


WIDE = (256, 384, 512, 640, 768)
NARROW = (256, 256, 512, 512, 512)
SHORT, LONG = (11, 13, 17, 21, 25), (33, 39, 51, 63, 75)
LETTERS = [*middle(False, 1, 3, SHORT, WIDE, "none"), *ends(False, 896)]


def quartznet(blocks, repeats):
    first, last = (True, 1, 1, 33, 256, "none"), (True, 1, 1, 87, 512, "none")
    rest = middle(True, blocks, repeats, LONG, NARROW, "plain")
    return [first, *rest, last, (False, 1, 1, 1, 1024, "none")]


PUBLISHED = {
    "wave2letter": (LETTERS, 105.8),
    "wave2letter_plus": ([(False, 1, 1, 11, 256, "none"), *LETTERS], 106.5),
    "jasper_10x5": (
        [
            (False, 1, 1, 11, 256, "none"),
            *middle(False, 2, 5, SHORT, WIDE, "dense"),
            *ends(False, 896),
        ],
        332.6,
    ),
    "jasper_mini": (
        [
            (True, 1, 1, 11, 256, "none"),
            *middle(True, 2, 3, SHORT, NARROW, "plain"),
            *ends(True, 512),
        ],
        8.2,
    ),
    "quartznet_15x5": (quartznet(3, 5), 18.9),
    "quartznet_5x3": (quartznet(1, 3), 4.6),
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_are_those_of_the_published_table(name):
    rows, millions = PUBLISHED[name]
    assert PRESETS.get(name).parameters == count(rows)
    assert round(count(rows) / 1e6, 1) == millions
