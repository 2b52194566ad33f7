"""Deep Speech 2: parameter counts by formula, logits against plain PyTorch."""

import math
from functools import partial

import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.deepspeech2 import DeepSpeech2Encoder
from s2s_zoo.registry import PRESETS
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled
from tests.layers.test_convolution import (
    randomize,
    reference_row_convolution,
    reference_spectrogram_convolution,
)
from tests.pytorch_reference import import_torch, recurrent_module

CLASSES = 29
MILLIONS = {
    "deepspeech2_toy": 5.4,
    "deepspeech2_small": 10.0,
    "deepspeech2_medium": 25.7,
    "deepspeech2_large": 59.0,
    "lstm_ctc_small": 3.5,
}
TOPOLOGIES = {
    "bidirectional GRU": {"rnn_layers": 2},
    "bidirectional LSTM": {"rnn_layers": 2, "cell": "lstm"},
    "forward GRU, row convolution": {
        "rnn_layers": 1,
        "bidirectional": False,
        "row_convolution": 4,
        "ceiling": 1.0,
    },
    "no convolution": {
        "kernels": (),
        "strides": (),
        "filters": (),
        "rnn_layers": 1,
        "cell": "lstm",
        "bidirectional": False,
    },
}
CONVOLUTIONS = {
    "kernels": ((5, 7), (3, 5)),
    "strides": ((2, 2), (1, 2)),
    "filters": (3, 4),
}
EXAMPLES = {
    DeepSpeech2Encoder: {
        "kernels": ((3, 5), (5, 3)),
        "strides": ((2, 2), (1, 2)),
        "filters": (2, 3),
        "rnn_layers": 2,
        "rnn_units": 3,
        "projection": 4,
        "cell": "lstm",
        "bidirectional": False,
        "row_convolution": 3,
        "ceiling": 20.0,
        "dropout": 0.25,
        "l2": 0.3,
    },
    CTCDecoder: {"vocabulary_size": 4, "l2": 0.3},
}


def parameters_by_formula(
    features, kernels, strides, filters, layers, units, projection, gates, biases, row
):
    """Trainable parameters of encoder and head; `units` of each direction."""
    total, channels = 0, 1
    for (time, frequency), (_, step), out in zip(
        kernels, strides, filters, strict=True
    ):
        total += time * frequency * channels * out  # no bias
        total += 2 * out  # scale and shift
        channels, features = out, math.ceil(features / step)
    size = features * channels
    for _ in range(layers):
        for h in units:
            total += (size + h + biases) * gates * h
        size = sum(units)
    total += (row + 2) * size if row else 0
    total += (size + 1) * projection
    return total + (projection + 1) * CLASSES


TWO = {
    "kernels": ((11, 41), (11, 21)),
    "strides": ((2, 2), (1, 2)),
    "filters": (32, 32),
}
THREE = {
    "kernels": ((11, 41), (11, 21), (11, 21)),
    "strides": ((2, 2), (1, 2), (1, 2)),
    "filters": (32, 64, 96),
}
GRU = partial(parameters_by_formula, gates=3, biases=2)
EXPECTED = {
    "deepspeech2_toy": GRU(
        160, **THREE, layers=1, units=(256, 256), projection=256, row=0
    ),
    "deepspeech2_small": GRU(
        96, **TWO, layers=2, units=(512, 512), projection=1024, row=0
    ),
    "deepspeech2_medium": GRU(
        160, **THREE, layers=3, units=(1024,), projection=2048, row=8
    ),
    "deepspeech2_large": GRU(
        160, **TWO, layers=5, units=(800, 800), projection=1600, row=0
    ),
    "lstm_ctc_small": parameters_by_formula(
        13, (), (), (), 2, (512,), projection=512, gates=4, biases=1, row=0
    ),
}


@pytest.mark.parametrize("name", MILLIONS)
def test_parameters(name):
    """Those stated are those of OpenSeq2Seq's architecture; contracts build them."""
    assert PRESETS.get(name).parameters == EXPECTED[name]
    assert round(EXPECTED[name] / 1e6, 1) == MILLIONS[name]


def make(**settings):
    """A small encoder and head with random weights and statistics."""
    encoder = DeepSpeech2Encoder(
        **{**CONVOLUTIONS, "rnn_units": 5, "projection": 6, **settings}
    )
    encoder.build((None, None, 9))
    decoder = CTCDecoder(vocabulary_size=3)
    decoder.build(EncoderOutput((None, None, 6), (None, None)))
    for layer in (encoder, decoder):
        randomize(layer)
    return encoder, decoder


def pytorch_logits(x, encoder, decoder):
    """(T', V+1) logits of one unpadded (T, D) example."""
    torch = import_torch()
    y = x[..., None].astype("float64")
    for convolution in encoder.convolutions:
        y = reference_spectrogram_convolution(y, convolution)
    y = y.reshape(len(y), -1)
    for recurrence in encoder.recurrences:
        weights = recurrence.get_weights()
        module = recurrent_module(weights, encoder.cell, encoder.bidirectional)
        with torch.no_grad():
            y = module(torch.tensor(y[None]))[0][0].numpy()
    if encoder.row:
        y = reference_row_convolution(y, encoder.row)
    y = np.maximum(linear(y, encoder.dense), 0)
    y = y if encoder.ceiling is None else np.minimum(y, encoder.ceiling)
    return linear(y, decoder.dense)


def linear(y, dense):
    torch = import_torch()
    kernel, bias = (w.astype("float64") for w in dense.get_weights())
    linear = torch.nn.functional.linear
    return linear(torch.tensor(y), torch.tensor(kernel.T), torch.tensor(bias)).numpy()


@pytest.mark.parametrize("topology", TOPOLOGIES)
def test_logits_equal_pytorch(topology):
    """Each layer of a bidirectional stack reads both directions of the one below."""
    encoder, decoder = make(**TOPOLOGIES[topology])
    lengths = np.array([12, 5])
    rng = np.random.default_rng(1)
    x = rng.normal(size=(2, 13, 9)).astype("float32")
    mask = np.arange(13)[None] < lengths[:, None]
    memory = compiled(encoder)(x, mask)
    assert ops.convert_to_numpy(memory.mask).sum(1).tolist() == [
        encoder.output_lengths(n) for n in lengths
    ]
    logits = ops.convert_to_numpy(compiled(decoder)(None, memory)["ctc_logits"])
    for row, length, found in zip(x, lengths, logits, strict=True):
        expected = pytorch_logits(row[:length], encoder, decoder)
        np.testing.assert_allclose(
            found[: len(expected)], expected, rtol=1e-4, atol=1e-4
        )


def test_output_lengths_are_rounded_up_by_every_stride():
    encoder = DeepSpeech2Encoder(
        kernels=((3, 3), (5, 3), (3, 3)),
        strides=((2, 1), (3, 2), (1, 2)),
        filters=(1, 1, 1),
        rnn_layers=1,
        rnn_units=2,
        projection=2,
    )
    lengths = np.arange(40)
    expected = [math.ceil(math.ceil(n / 2) / 3) for n in lengths]
    assert [encoder.output_lengths(int(n)) for n in lengths] == expected
    found = encoder.output_lengths(ops.convert_to_tensor(lengths, "int32"))
    assert ops.convert_to_numpy(found).tolist() == expected
    assert encoder.time_stride == 6
    assert encoder.compute_output_shape((None, 13, 5)) == (None, expected[13], 2)
    encoder.build((None, None, 5))
    memory = compiled(encoder)(np.ones((1, 13, 5), "float32"), np.ones((1, 13), bool))
    assert memory.sequence.shape == (1, expected[13], 2)


@pytest.mark.parametrize("name", MILLIONS)
def test_the_time_stride_of_every_preset(name):
    encoder = PRESETS.get(name).encoder()
    assert encoder.time_stride == (1 if name == "lstm_ctc_small" else 2)


def test_dropout_between_recurrent_layers_and_after_the_dense_layer_only():
    encoder, _ = make(**TOPOLOGIES["no convolution"], dropout=0.5)
    x, mask = np.ones((1, 4, 9), "float32"), np.ones((1, 4), bool)
    kept = ops.convert_to_numpy(compiled(encoder)(x, mask).sequence)
    dropped = ops.convert_to_numpy(encoder(x, mask, training=True).sequence)
    survivors = dropped != 0
    assert 0 < survivors.sum() < (kept != 0).sum()
    np.testing.assert_allclose(dropped[survivors], 2 * kept[survivors], rtol=1e-5)
    assert len(encoder.between) == encoder.rnn_layers - 1


def test_lists_that_name_different_convolutions_are_refused():
    with pytest.raises(ValueError, match="2, 1 and 2 of them"):
        make(strides=((1, 1),), rnn_layers=1)
