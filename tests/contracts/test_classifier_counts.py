"""Parameters of the classifiers of text and audio, by hand from their tables."""

import pytest

from s2s_zoo.registry import PRESETS


def lstm(inputs, units):
    return 4 * units * (inputs + units + 1)


def sentiment(vocabulary, width, *units, pooled=1):
    sizes = (width, *units)
    layers = sum(lstm(*pair) for pair in zip(sizes, units, strict=False))
    return vocabulary * width + layers + pooled * units[-1] * 2 + 2


def text_cnn(vocabulary, width, filters, *kernels):
    convolutions = sum(kernel * width * filters + filters for kernel in kernels)
    return vocabulary * width + convolutions + 2 * len(kernels) * filters + 2


def bottleneck(inputs, width, projects):
    """Convolutions of 1, 3 and 1, biases in the last and the shortcut; three norms."""
    outputs = 4 * width
    kernels = inputs * width + 9 * width**2 + width * outputs + outputs
    shortcut = (inputs + 1) * outputs if projects else 0
    return kernels + shortcut + 2 * (inputs + 2 * width)


def resnet50(channels, classes):
    total, size = 49 * channels * 64 + 64, 64
    for width, blocks in zip((64, 128, 256, 512), (3, 4, 6, 3), strict=True):
        for i in range(blocks):
            total += bottleneck(size, width, projects=i == 0)
            size = 4 * width
    return total + 2 * size + size * classes + classes


def normalized(kernel, inputs, outputs):
    return kernel * inputs * outputs + 2 * outputs


def separable(kernel, inputs, outputs):
    return kernel * inputs + inputs * outputs + 2 * outputs


def tdnn(size, *rows):
    """Rows of convolution, blocks, repeats, kernel, channels and whether it adds."""
    total = 0
    for make, blocks, repeats, kernel, channels, adds in rows:
        for _ in range(blocks):
            branch = make(1, size, channels) if adds else 0
            first = make(kernel, size, channels)
            total += first + (repeats - 1) * make(kernel, channels, channels) + branch
            size = channels
    return total


def jasper(frames, classes):
    single = [(11, 256), (13, 384), (17, 512)]
    rows = [
        row
        for kernel, channels in single
        for row in (
            (normalized, 1, 1, kernel, channels, False),
            (normalized, 2, 3, kernel, channels, True),
        )
    ]
    rows += [(normalized, 2, 3, 21, 640, True), (normalized, 2, 3, 25, 768, True)]
    rows += [(normalized, 1, 1, 29, 896, False), (normalized, 1, 1, 1, 1024, False)]
    return tdnn(128, *rows) + frames * 1024 * classes + classes


def small(classes):
    rows = [(normalized, 1, 1, 11, 64, False), (separable, 2, 2, 13, 64, True)]
    rows += [(separable, 2, 2, 17, 64, True), (normalized, 1, 1, 1, 128, False)]
    return tdnn(40, *rows) + 128 * classes + classes


@pytest.mark.parametrize(
    ("name", "derived"),
    [
        ("sentiment_imdb", sentiment(16_384, 256, 896, 896, 256)),
        # which reads the cell too
        ("sentiment_sst", sentiment(12_000, 256, 896, 896, 256, pooled=2)),
        ("sentiment_small", sentiment(12_000, 256, 256, 256)),
        ("sentiment_cnn", text_cnn(12_000, 128, 100, 3, 4, 5)),
        ("sentiment_cnn_bayes", text_cnn(8192, 128, 100, 3, 4, 5)),
        ("speech_commands_resnet50", resnet50(1, 12)),
        # 126 frames, halved and rounded up three times
        ("speech_commands_jasper", jasper(16, 12)),
        ("speech_commands_small", small(12)),
    ],
)
def test_counts(name, derived):
    assert PRESETS.get(name).parameters == derived


def test_the_residual_network_is_that_of_photographs_but_for_its_ends():
    """keras.applications' ResNet50V2 has 25,568,360 trainable parameters."""
    assert resnet50(3, 1000) == 25_568_360
