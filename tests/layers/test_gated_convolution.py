"""Gated convolutions against torch.nn.Conv1d and torch.nn.functional.glu."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.gated_convolution import GatedConvolution, balanced_sum
from tests.gradients import compiled, value_and_gradients
from tests.layers.test_weight_normalization import TorchCopies, array, randomized
from tests.pytorch_reference import import_torch

PADDING = [
    *[(1, False, 0, 0), (2, False, 0, 1), (3, False, 1, 1)],
    *[(1, True, 0, 0), (3, True, 2, 0), (4, True, 3, 0)],
]
LENGTHS = np.array([7, 3, 5, 0])
EXAMPLES = {
    GatedConvolution: {"filters": 3, "kernel": 2, "causal": True, "dropout": 0.25}
}


def make(filters=4, kernel=3, causal=False, **kwargs):
    """A layer that reads 5 channels, with random weights."""
    layer = GatedConvolution(filters, kernel, causal, **kwargs)
    layer.build((None, None, 5))
    return randomized(layer)


def batch(lengths=LENGTHS, padding=0, seed=1):
    """Frames, noise on padding too, and the mask."""
    frames = int(np.max(lengths)) + padding
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(len(lengths), frames, 5)).astype("float32")
    return x, np.arange(frames)[None] < np.asarray(lengths)[:, None]


def run(layer, *inputs):
    return [ops.convert_to_numpy(x) for x in compiled(layer)(*inputs)]


def torch_gated(module, x, before, after):
    """fairseq's block: zeros around (B, T, D) `x`, convolution, gates."""
    functional = import_torch().nn.functional
    x = functional.pad(x.transpose(1, 2), (before, after))
    return functional.glu(module(x), dim=1).transpose(1, 2)


@pytest.mark.parametrize(("kernel", "causal", "before", "after"), PADDING)
@pytest.mark.parametrize("filters", [4, 5])
def test_values_and_gradients_equal_torch(filters, kernel, causal, before, after):
    torch = import_torch()
    layer = make(filters, kernel, causal)
    x, mask = batch()
    upstream = np.random.default_rng(2).normal(size=(*mask.shape, filters))

    copies = TorchCopies()
    convolution = copies.normalized(layer.convolution)
    source = torch.tensor(x.astype("float64"), requires_grad=True)
    real = torch.tensor(mask[..., None])
    gated = torch_gated(convolution, source * real, before, after)
    around = source if filters == 5 else copies.normalized(layer.shortcut)(source)
    expected = (gated + around) * 0.5**0.5
    (expected * torch.tensor(upstream)).sum().backward()

    def function(x, *weights):
        outputs, _ = layer.stateless_call(list(weights), [], x, mask)
        return balanced_sum(*outputs)

    arrays = [x, *layer.get_weights()]
    outputs, gradients = value_and_gradients(function, arrays, upstream)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    references = [source.grad.numpy(), *copies.gradients(layer)]
    for ours, theirs in zip(gradients, references, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kernel", [2, 3])
def test_padding_changes_nothing(kernel):
    layer = make(kernel=kernel)
    x, mask = batch(padding=4)
    padded = run(layer, x, mask)
    alone = run(layer, x[1:2, :3], mask[1:2, :3])
    for batched, single in zip(padded, alone, strict=True):
        np.testing.assert_allclose(batched[1:2, :3], single, rtol=1e-5, atol=1e-5)


def test_a_causal_frame_knows_no_later_one():
    layer = make(causal=True)
    x, _ = batch()
    changed = x.copy()
    changed[:, 4] += 1
    before, after = run(layer, x)[0], run(layer, changed)[0]
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (before[:, 4:7] != after[:, 4:7]).any(axis=(0, 2)).all()


@pytest.mark.parametrize("kernel", [1, 3])
@pytest.mark.parametrize("rows", [1, 2])
def test_frame_by_frame_equals_all_at_once(kernel, rows):
    layer = make(kernel=kernel, causal=True)
    x, _ = batch()
    expected = run(layer, x)
    cache = layer.empty(len(x)) if kernel > 1 else None
    step = compiled(layer.step)
    for frame in range(x.shape[1]):
        grouped = x[:, frame].reshape(-1, rows, 5)
        *outputs, cache = step(grouped, cache)
        for found, whole in zip(outputs, expected, strict=True):
            found = ops.convert_to_numpy(found).reshape(len(x), -1)
            np.testing.assert_allclose(found, whole[:, frame], rtol=1e-5, atol=1e-5)
    assert cache is None or tuple(cache.shape) == (len(x), kernel - 1, 5)


def test_directions_start_for_gates_and_dropout():
    """N(0, 4·keep/(kernel·D)) in the convolution, N(0, 1/D) in the shortcut (3.5)."""
    keras.utils.set_random_seed(0)
    layer = GatedConvolution(200, 3, dropout=0.2)
    layer.build((None, None, 100))
    convolution, shortcut = layer.convolution.direction, layer.shortcut.direction
    assert array(convolution).std() == pytest.approx(np.sqrt(3.2 / 300), rel=0.01)
    assert array(shortcut).std() == pytest.approx(0.1, rel=0.02)


def test_a_sum_keeps_the_variance():
    first, second = np.random.default_rng(0).normal(size=(2, 100_000))
    assert np.var(balanced_sum(first, second)) == pytest.approx(1, rel=0.02)
