"""Parameters of presets, by hand from the papers' layers."""

from itertools import pairwise

import pytest

from s2s_zoo.registry import PRESETS

V = 32768


def transformer(width, hidden, norm=2, vocabulary=V, layers=6):
    """Attention is four square matrices, a norm `norm` vectors, one shared table."""
    attention, feed_forward = 4 * width**2, 2 * width * hidden + hidden + width
    encoder = attention + feed_forward + 2 * norm * width
    decoder = 2 * attention + feed_forward + 3 * norm * width
    finals = 2 * norm * width
    return vocabulary * width + layers * (encoder + decoder) + finals


def lstm(inputs, units):
    return 4 * units * (inputs + units + 1)


def recurrent_encoder(width, units, layers, bidirectional):
    total, size = 0, width
    for i in range(layers):
        directions = 2 if i < bidirectional else 1
        total += directions * lstm(size, units)
        size = directions * units
    return total


def attention_decoder(width, units, layers, memory, depth, bridged):
    """`bridged` are the widths of encoder states that pass a dense layer, twice."""
    total = lstm(width + memory, units) + (layers - 1) * lstm(units + memory, units)
    total += units * depth + memory * depth + 2 * depth + 1
    return total + sum(2 * (size * units + units) for size in bridged)


def weight_normalized(inputs, outputs, window=1):
    return window * inputs * outputs + 2 * outputs


def convs2s_stack(channels, kernels, width):
    total, size = weight_normalized(width, channels[0]), channels[0]
    for filters, kernel in zip(channels, kernels, strict=True):
        total += weight_normalized(size, 2 * filters, kernel)
        if size != filters:
            total += weight_normalized(size, filters)
        size = filters
    return total + weight_normalized(size, width)


def convs2s():
    channels, kernels = (512,) * 9 + (1024,) * 4 + (2048,) * 2, (3,) * 13 + (1,) * 2
    stack = convs2s_stack(channels, kernels, 512)
    attention = sum(
        weight_normalized(c, 512) + weight_normalized(512, c) for c in channels
    )
    positions = 1024 * 512
    return V * 512 + positions + 2 * stack + attention


def gnmt():
    decoder = attention_decoder(1024, 1024, 8, 1024, 1024, [2048])
    return 2 * V * 1024 + recurrent_encoder(1024, 1024, 8, 1) + decoder + 2048 * V


def gnmt_tied():
    decoder = attention_decoder(80, 200, 8, 200, 1024, [400])
    projection = 400 * 80
    return 2 * V * 80 + recurrent_encoder(80, 200, 8, 1) + decoder + projection


def nmt_rnn_small():
    decoder = attention_decoder(512, 512, 2, 1024, 512, [1024, 1024])
    return 2 * V * 512 + recurrent_encoder(512, 512, 2, 2) + decoder + 1536 * V


def language_model(words, width, units, tied, bias=True):
    total, size = words * width, width
    for layer in units:
        total += lstm(size, layer)
        size = layer
    return total + (0 if tied else size * words) + (words if bias else 0)


PTB_WORDS = 10_002


def normalized_convolution(inputs, outputs, window):
    return window * inputs * outputs + 2 * outputs


def dense(inputs, outputs):
    return inputs * outputs + outputs


def tacotron2(
    width, filters, units, prenet, depth, places, postnet, mels=80, bins=0, **other
):
    """37 symbols; the encoder's LSTM has a quarter of the decoder's units."""
    reduction, layers, half = other["reduction"], other["layers"], units // 4
    total = 37 * width + normalized_convolution(width, filters, 5)
    total += 2 * normalized_convolution(filters, filters, 5) + 2 * lstm(filters, half)
    memory = 2 * half + other.get("style", 0)
    total += dense(mels, prenet) + dense(prenet, prenet)
    total += lstm(prenet + memory, units) + lstm(units, units)
    total += units * depth + memory * depth + dense(31, places) + places * depth
    total += 2 * depth + dense(units + memory, reduction * (mels + 1))
    sizes = [mels, *(postnet,) * (layers - 1), mels]
    total += sum(normalized_convolution(a, b, 5) for a, b in pairwise(sizes))
    if bins:
        total += normalized_convolution(mels, 256, 4)
        total += normalized_convolution(256, 512, 4) + 512 * bins
    return total


def centaur(width, units, mels=80, bins=0, reduction=2):
    """37 symbols; stacks of four, one head, a linear layer for a feed-forward net."""
    total = 37 * width + 4 * normalized_convolution(width, width, 3) + width**2
    total += dense(reduction * (mels + bins), units) + dense(units, units) + units**2
    convolution = normalized_convolution(units, units, 5)
    attention = 2 * units + units**2 + 2 * width * units + units**2
    total += 4 * (convolution + attention + 2 * units + dense(units, units))
    total += 2 * units + 4 * convolution + dense(units, reduction * (mels + 1))
    return total + (4 * convolution + dense(units, reduction * bins) if bins else 0)


def gru(inputs, units):
    """With two biases, as cuDNN has it."""
    return 3 * units * (inputs + units + 2)


def style_tokens(filters, units, tokens, heads, width, mels=80):
    """Each convolution halves the frequencies; heads share their direction."""
    pairs = pairwise((1, *filters))
    total = sum(normalized_convolution(a, b, 9) for a, b in pairs)
    frequencies = -(-mels // 2 ** len(filters))
    total += gru(frequencies * filters[-1], units) + dense(units, units)
    total += tokens * width + units * width + 3 * width**2
    return total + width // heads


def wavenet(channels, layers, mels=80, classes=256):
    half = channels // 2
    total = normalized_convolution(classes, channels, 3)
    gated = 2 * normalized_convolution(half, channels, 3)
    total += layers * (gated + 2 * channels**2)
    return total + mels * channels + channels * (channels + classes)


BIG = tacotron2(512, 512, 1024, 256, 128, 32, 512, bins=513, reduction=1, layers=5)
SMALL = tacotron2(128, 128, 256, 128, 64, 16, 128, reduction=2, layers=4)
GST = style_tokens((32, 32, 64, 64, 128, 128), 128, 32, 8, 512) + tacotron2(
    512, 512, 1024, 256, 128, 32, 512, bins=401, reduction=1, layers=5, style=512
)
SMALL_GST = style_tokens((8, 8, 16, 16, 32, 32), 32, 8, 4, 64) + tacotron2(
    128, 128, 256, 128, 64, 16, 128, reduction=2, layers=4, style=64
)


@pytest.mark.parametrize(
    ("name", "derived", "published"),
    [
        ("transformer_base", transformer(512, 2048), 60.9e6),
        ("transformer_big", transformer(1024, 4096), 209.8e6),
        ("transformer_nvgrad", transformer(1024, 4096), 209.8e6),
        ("transformer_big_bn", transformer(1024, 4096, norm=0), None),
        ("transformer_tiny", transformer(128, 256, vocabulary=10000, layers=4), None),
        ("gnmt", gnmt(), None),
        ("gnmt_tied", gnmt_tied(), None),
        ("nmt_rnn_small", nmt_rnn_small(), None),
        ("convs2s", convs2s(), None),
        ("lstm_lm_ptb", language_model(PTB_WORDS, 650, (650, 650), False), 19.8e6),
        ("lstm_lm_ptb_small", language_model(PTB_WORDS, 200, (200, 200), False), None),
        ("lstm_lm_small", language_model(8000, 256, (256, 256), True), None),
        (
            "lstm_lm_wikitext2",
            language_model(33_280, 256, (896, 896, 256), True),
            None,
        ),
        (
            "lstm_lm_wikitext103",
            language_model(267_737, 400, (1024, 1024, 400), True, bias=False) + 2 * 400,
            None,
        ),
        (
            "awd_lstm_ptb",
            language_model(PTB_WORDS, 400, (1150, 1150, 400), True),
            24.2e6,
        ),
        ("tacotron2", BIG, None),
        ("tacotron2_small", SMALL, None),
        ("centaur", centaur(256, 512, bins=513), None),
        ("centaur_small", centaur(128, 128), None),
        ("tacotron2_gst", GST, None),
        ("tacotron2_gst_small", SMALL_GST, None),
        ("wavenet", wavenet(64, 30), None),
        ("wavenet_small", wavenet(32, 16), None),
    ],
)
def test_counts(name, derived, published):
    assert PRESETS.get(name).parameters == derived
    if published:
        assert derived == pytest.approx(published, abs=0.05e6)
