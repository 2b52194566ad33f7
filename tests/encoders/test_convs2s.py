"""The ConvS2S encoder against fairseq's equations written out in PyTorch."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.convs2s import ConvS2SEncoder
from tests.gradients import compiled, value_and_gradients
from tests.layers.test_gated_convolution import torch_gated
from tests.layers.test_weight_normalization import (
    TorchCopies,
    array,
    as_products,
    randomized,
)
from tests.pytorch_reference import import_torch

WIDTH = 6
LENGTHS = np.array([7, 3, 5, 0])
PUBLISHED = {
    "channels": (512,) * 9 + (1024,) * 4 + (2048,) * 2,
    "kernels": (3,) * 13 + (1,) * 2,
    "attention_layers": 15,
}
EXAMPLES = {
    ConvS2SEncoder: {
        "channels": (3, 4),
        "kernels": (3, 1),
        "attention_layers": 2,
        "max_length": 5,
        "dropout": 0.25,
    }
}


def make(channels=(4, 4, 5), kernels=(3, 3, 1), width=WIDTH, **settings):
    """An encoder with random weights; the third convolution has a shortcut layer."""
    settings = {"attention_layers": 3, "max_length": 9, **settings}
    encoder = ConvS2SEncoder(channels, kernels, **settings)
    encoder.build((None, None, width))
    return randomized(encoder)


def batch(lengths=LENGTHS, padding=0, seed=1):
    """Embedded tokens, noise on padding too, and the mask."""
    frames = int(np.max(lengths)) + padding
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(lengths), frames, WIDTH)).astype("float32")
    return x, np.arange(frames)[None] < np.asarray(lengths)[:, None]


def run(encoder, x, mask):
    memory = compiled(encoder)(x, mask)
    return ops.convert_to_numpy(memory.keys), ops.convert_to_numpy(memory.sequence)


def torch_encode(encoder, copies, source, mask):
    """Keys and values of (B, T, D) `source`, real where `mask` (B, T, 1) is True."""
    positions = copies.table(encoder.positions.table)
    embedded = (source + positions[: source.shape[1]]) * mask
    x = copies.normalized(encoder.entry)(embedded)
    for block in encoder.convolutions:
        module, side = copies.normalized(block.convolution), (block.kernel - 1) // 2
        around = copies.normalized(block.shortcut)(x) if block.shortcut else x
        x = (torch_gated(module, x * mask, side, side) + around) * 0.5**0.5
    x = copies.normalized(encoder.exit)(x)
    x.register_hook(lambda gradient: gradient / (2 * encoder.attention_layers))
    keys = x * mask
    return keys, (keys + embedded) * 0.5**0.5


def test_values_and_gradients_equal_torch():
    torch = import_torch()
    encoder = make()
    x, mask = batch()
    upstream = np.random.default_rng(2).normal(size=(*mask.shape, 2 * WIDTH))

    copies = TorchCopies()
    source = torch.tensor(x.astype("float64"), requires_grad=True)
    expected = torch.cat(
        torch_encode(encoder, copies, source, torch.tensor(mask[..., None])), dim=-1
    )
    (expected * torch.tensor(upstream)).sum().backward()

    def function(x, *weights):
        memory, _ = encoder.stateless_call(as_products(weights), [], x, mask)
        return ops.concatenate([memory.keys, memory.sequence], axis=-1)

    arrays = [x, *encoder.get_weights()]
    outputs, gradients = value_and_gradients(function, arrays, upstream)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    references = [source.grad.numpy(), *copies.gradients(encoder)]
    for ours, theirs in zip(gradients, references, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_padding_changes_nothing_and_stays_zero():
    encoder = make()
    x, mask = batch(padding=3)
    padded = run(encoder, x, mask)
    alone = run(encoder, x[1:2, :3], mask[1:2, :3])
    for batched, single in zip(padded, alone, strict=True):
        assert (batched[~mask] == 0).all()
        np.testing.assert_allclose(batched[1:2, :3], single, rtol=1e-5, atol=1e-5)


def test_the_first_position_is_told_apart():
    """OpenSeq2Seq took its index for padding and gave it no embedding."""
    encoder, other = (make(channels=(4,), kernels=(1,)) for _ in range(2))
    table = other.positions.table
    table.assign(table + np.eye(9)[:, :1])
    _, mask = batch([3])
    sources = np.zeros((1, 3, WIDTH), "float32")
    (_, values), (_, moved) = run(encoder, sources, mask), run(other, sources, mask)
    assert (values[:, 0] != moved[:, 0]).all()
    np.testing.assert_array_equal(values[:, 1:], moved[:, 1:])


def test_frames_beyond_the_table_share_its_last_row():
    encoder = make(channels=(4,), kernels=(1,), max_length=4)
    _, mask = batch([7])
    keys, values = run(encoder, np.ones((1, 7, WIDTH), "float32"), mask)
    for found in (keys, values):
        np.testing.assert_allclose(found[0, 4:], found[0, 3:-1], rtol=1e-5, atol=1e-6)
        assert np.abs(found[0, 3] - found[0, 2]).max() > 0.01


def test_weights_start_as_published():
    """N(0, √(keep/in)) where dropout precedes, N(0, √(1/in)) elsewhere (3.5)."""
    keras.utils.set_random_seed(0)
    encoder = ConvS2SEncoder((256, 256), (3, 3), 2, max_length=200, dropout=0.2)
    encoder.build((None, None, 256))
    expected = {
        "entry": (encoder.entry.direction, 0.8 / 256),
        "convolution": (encoder.convolutions[1].convolution.direction, 3.2 / 768),
        "exit": (encoder.exit.direction, 1 / 256),
        "positions": (encoder.positions.table, 0.01),
    }
    for name, (variable, variance) in expected.items():
        assert array(variable).var() == pytest.approx(variance, rel=0.02), name


def test_dropout_keeps_padding_zero_and_the_mean():
    encoder = make(dropout=0.2)
    x, mask = batch([400, 1])
    first = encoder(x, mask, training=True)
    for found in (first.keys, first.sequence):
        assert (ops.convert_to_numpy(found)[~mask] == 0).all()
    second = encoder(x, mask, training=True).sequence
    assert np.abs(ops.convert_to_numpy(first.sequence - second)).max() > 0.1


def test_bfloat16_is_close_to_float32():
    x, mask = batch()
    keys, values = run(make(), x, mask)
    half = compiled(make(dtype="mixed_bfloat16"))(ops.cast(x, "bfloat16"), mask)
    for found, expected in ((half.keys, keys), (half.sequence, values)):
        assert keras.backend.standardize_dtype(found.dtype) == "bfloat16"
        found = ops.convert_to_numpy(ops.cast(found, "float32"))
        np.testing.assert_allclose(found, expected, atol=0.05 * np.abs(expected).max())


def test_the_scaled_form_has_a_convolution_of_each_kind():
    settings = ConvS2SEncoder.scaled_settings(partial(ConvS2SEncoder, **PUBLISHED))
    assert settings == {
        "channels": (8, 16, 32),
        "kernels": (3, 3, 1),
    }
