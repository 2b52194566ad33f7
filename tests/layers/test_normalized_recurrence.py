"""LSTMs with layer normalization against the formulas in PyTorch."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.normalized_cell import EPSILON
from s2s_zoo.layers.normalized_recurrence import NormalizedRecurrence
from tests.gradients import compiled, value_and_gradients
from tests.pytorch_reference import import_torch

EXAMPLES = {NormalizedRecurrence: {"units": 3, "initial_range": 0.1}}
D, H = 4, 3
LENGTHS = np.array([6, 2, 0, 1])
FRAMES = 7
MASK = np.arange(FRAMES)[None] < LENGTHS[:, None]
RNG = np.random.default_rng(0)
X = RNG.normal(size=(4, FRAMES, D)).astype("float32")
KEPT = (RNG.random((4, FRAMES, H)) < 0.6).astype("float32") / np.float32(0.6)
START = RNG.normal(size=(2, 4, H)).astype("float32")


def make(dtype="float32"):
    layer = NormalizedRecurrence(H, dtype=dtype)
    layer.build((None, None, D))
    rng = np.random.default_rng(1)
    layer.set_weights([rng.normal(0.3, 0.5, w.shape) for w in layer.get_weights()])
    return layer


def in_torch(torch, x, kept, start, weights):
    """Outputs, zero on padding, and final states, of one row after the other."""
    kernel, recurrent, gamma, beta = weights
    norm = torch.nn.functional.layer_norm
    outputs, finals = [], []
    for row, length in enumerate(LENGTHS):
        h, c, found = start[0, row], start[1, row], []
        for t in range(length):
            sums = (x[row, t] @ kernel + h @ recurrent).reshape(4, H)
            i, f, g, o = (
                norm(sums[k], (H,), gamma[k], beta[k], EPSILON) for k in range(4)
            )
            g = torch.tanh(g) * kept[row, t]
            c = torch.sigmoid(f) * c + torch.sigmoid(i) * g
            c = norm(c, (H,), gamma[4], beta[4], EPSILON)
            h = torch.sigmoid(o) * torch.tanh(c)
            found.append(h)
        padding = [torch.zeros(H, dtype=h.dtype)] * (FRAMES - length)
        outputs.append(torch.stack([*found, *padding]))
        finals.append(torch.stack([h, c]))
    return torch.stack(outputs), torch.stack(finals, dim=1)


@pytest.mark.parametrize("drops", [False, True])
def test_outputs_states_and_gradients_are_those_of_the_formulas(drops):
    torch = import_torch()
    layer, kept = make(), KEPT if drops else np.ones_like(KEPT)
    weights = layer.get_weights()
    upstream = np.random.default_rng(2).normal(size=(4, FRAMES + 2, H))

    def ours(x, start, *weights):
        states, given = (start[0], start[1]), KEPT if drops else None
        with keras.StatelessScope(list(zip(layer.weights, weights, strict=True))):
            found, final = layer.read(x, MASK, states, kept=given)
        return ops.concatenate([found, ops.stack(final, axis=1)], axis=1)

    inputs = [X, START, *weights]
    theirs = [torch.tensor(a.astype("float64"), requires_grad=True) for a in inputs]
    x, start, *parts = theirs
    outputs, finals = in_torch(torch, x, torch.tensor(kept), start, parts)
    expected = torch.cat([outputs, finals.transpose(0, 1)], dim=1)
    (expected * torch.tensor(upstream)).sum().backward()
    value, gradients = value_and_gradients(ours, inputs, upstream)
    np.testing.assert_allclose(value, expected.detach().numpy(), atol=2e-5)
    for found, reference in zip(gradients, theirs, strict=True):
        np.testing.assert_allclose(found, reference.grad.numpy(), rtol=1e-3, atol=2e-4)


def test_padding_changes_nothing_and_stays_zero():
    layer = make()
    found = ops.convert_to_numpy(compiled(layer)(X, MASK))
    assert not found[~MASK].any()
    changed = np.where(MASK[..., None], X, 99.0).astype("float32")
    np.testing.assert_array_equal(
        ops.convert_to_numpy(compiled(layer)(changed, MASK)), found
    )
    for row, length in enumerate(LENGTHS):
        if length:
            alone = layer(X[row : row + 1, :length], MASK[row : row + 1, :length])
            np.testing.assert_allclose(
                ops.convert_to_numpy(alone)[0], found[row, :length], atol=1e-6
            )


@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_steps_one_by_one_are_the_whole(policy):
    layer = make(policy)
    whole = ops.convert_to_numpy(ops.cast(layer(X, np.ones_like(MASK)), "float32"))
    state = (ops.zeros((4, H)), ops.zeros((4, H)))
    for t in range(FRAMES):
        found, state = layer.step(ops.convert_to_tensor(X[:, t]), state)
        found = ops.convert_to_numpy(ops.cast(found, "float32"))
        atol = 1e-6 if policy == "float32" else 0.05
        np.testing.assert_allclose(found, whole[:, t], atol=atol)
        dtypes = {keras.backend.standardize_dtype(part.dtype) for part in state}
        assert dtypes == {"float32"}


def test_scales_start_at_one_and_the_forget_gate_open():
    layer = NormalizedRecurrence(2)
    layer.build((None, None, D))
    assert ops.convert_to_numpy(layer.gamma).tolist() == [[1, 1]] * 5
    shifts = [[0, 0], [1, 1], [0, 0], [0, 0], [0, 0]]
    assert ops.convert_to_numpy(layer.beta).tolist() == shifts
