"""How far an output frame sees: what encoders say against what changes."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.deepspeech2 import DeepSpeech2Encoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.encoders.tdnn import TDNNEncoder
from tests.tiny import draw_weights

WIDTH, TIME = 6, 96


def table(kinds, kernels, strides=(2, 1), **changed):
    """Two rows: one convolution each, nothing dropped."""
    columns = {"blocks": (1, 1), "repeats": (1, 1), "channels": (6, 8)}
    columns |= {"dilations": (1, 1), "dropouts": (0.0, 0.0)}
    columns |= {"residuals": ("none", "none")} | changed
    return TDNNEncoder(kinds, kernels=kernels, strides=strides, **columns)


def deepspeech2(kernels, **changed):
    sizes = {"rnn_layers": 0, "rnn_units": 4, "projection": 6} | changed
    strides, filters = ((2, 2), (1, 2)), (4, 4)
    return DeepSpeech2Encoder(kernels, strides, filters, **sizes)


REACH = {
    "stride": (table(("conv1d", "conv1d"), (11, 5)), 5 + 2 * 2),
    "dilation and repeats": (
        table(
            ("conv1d", "separable"),
            (3, 5),
            repeats=(2, 2),
            dilations=(1, 2),
            residuals=("none", "plain"),
        ),
        1 + 2 * 1 + 2 * (4 + 4),
    ),
    "blocks with strides": (
        table(("separable", "conv1d"), (3, 3), blocks=(2, 1), repeats=(2, 1)),
        (1 + 2) + 2 * (1 + 2) + 4 * 1,
    ),
    "even kernels": (table(("conv1d", "conv1d"), (4, 2)), 2 + 2 * 1),
    "causal": (table(("causal", "conv1d"), (5, 3)), 4 + 2 * 1),
    "conv2d": (table(("conv2d", "conv1d"), (3, 3), bands=(3, 1)), 1 + 2 * 1),
    "deepspeech2": (deepspeech2(((5, 3), (4, 3))), 2 + 2 * 2),
    "row convolution": (deepspeech2(((5, 3), (3, 3)), row_convolution=4), 2 + 2 + 4),
}


def encode(encoder, x):
    mask = np.ones(x.shape[:2], bool)
    return ops.convert_to_numpy(encoder(x, mask, training=False).sequence)


@pytest.mark.parametrize("name", REACH)
def test_what_lies_within_the_context_changes_a_frame_and_nothing_else(name):
    encoder, expected = REACH[name]
    assert encoder.context_frames == expected
    keras.utils.set_random_seed(0)
    encoder.build((None, None, WIDTH))
    draw_weights(encoder)
    x = np.random.default_rng(1).normal(size=(1, TIME, WIDTH)).astype("float32")
    before, farthest = encode(encoder, x), 0
    for place in range(TIME // 2, TIME // 2 + encoder.time_stride):
        disturbed = x.copy()
        disturbed[:, place] += np.linspace(-20, 20, WIDTH)
        changed = (abs(encode(encoder, disturbed) - before) > 1e-4).any(axis=(0, 2))
        distances = abs(np.flatnonzero(changed) * encoder.time_stride - place)
        farthest = max(farthest, distances.max())
    assert farthest == expected


@pytest.mark.parametrize(
    "encoder",
    [
        table(("conv1d", "conv1d"), (3, 3), normalization="instance"),
        deepspeech2(((3, 3), (3, 3)), rnn_layers=1),
        RecurrentEncoder(units=4, layers=1),
    ],
)
def test_statistics_and_recurrences_see_without_limit(encoder):
    assert encoder.context_frames is None
