"""The loop with attention against NumPy and against autograd of PyTorch."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.attention_recurrence import AttentionRecurrence
from s2s_zoo.layers.content_attention import SCORES
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled, value_and_gradients
from tests.layers.attention_in_numpy import CELLS, scores, softmax
from tests.pytorch_reference import import_torch

B, U, T, D, H, C = 3, 4, 5, 2, 3, 4
LENGTHS = np.array([5, 2, 4])
MASK = np.arange(T)[None] < LENGTHS[:, None]
KINDS = [(cell, score) for cell in CELLS for score in SCORES]
EXAMPLES = {
    AttentionRecurrence: {
        "units": 3,
        "cell": "gru",
        "score": "additive",
        "attention_units": 4,
        "initial_range": 0.1,
    }
}


def make(cell, score, **kwargs):
    """A layer with random weights."""
    units = None if score == "dot" else 6
    layer = AttentionRecurrence(H, cell, score, units, **kwargs)
    layer.build((None, None, D), (None, None, C), (None, None, C))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(0, 0.7, w.shape) for w in layer.get_weights()])
    return layer


def batch(cell):
    """Inputs, memory, factors of the contexts read, initial state."""
    rng = np.random.default_rng(1)
    shapes = [(B, U, D), (B, T, C), (B, U, C), *[(B, H)] * (2 if cell == "lstm" else 1)]
    x, memory, kept, *state = (rng.normal(size=s).astype("float32") for s in shapes)
    kept = (kept > 0) * np.float32(2)
    return x, memory * MASK[..., None], kept, *state


def both(layer, x, memory, kept, *state):
    """Outputs and contexts side by side, (B, U, H + C)."""
    read = layer.attention.prepare(EncoderOutput(memory, ops.convert_to_tensor(MASK)))
    found = layer.read(x, read, state, kept)
    return ops.concatenate(found, axis=-1)


@pytest.mark.parametrize(("cell", "score"), KINDS)
def test_steps_are_those_of_the_equations(cell, score):
    layer = make(cell, score)
    x, memory, kept, *state = batch(cell)
    found = compiled(lambda *args: both(layer, *args))(x, memory, kept, *state)
    found = ops.convert_to_numpy(found)
    recurrent, attention = (
        {w.name: ops.convert_to_numpy(w) for w in part.weights}
        for part in (layer.recurrence, layer.attention)
    )
    for row, length in enumerate(LENGTHS):
        frames = memory[row, :length]
        context, one = np.zeros(C), tuple(part[row] for part in state)
        for t in range(U):
            fed = np.concatenate([x[row, t], context * kept[row, t]])
            output, one = CELLS[cell](recurrent, fed, one)
            context = softmax(scores(score, attention, output, frames)) @ frames
            expected = np.concatenate([output, context])
            np.testing.assert_allclose(found[row, t], expected, atol=1e-5)


def in_torch(cell, score, names, x, memory, kept, state, weights):
    """The same loop of torch operations, for its autograd."""
    torch = import_torch()
    w = dict(zip(names, weights, strict=True))
    context, outputs = torch.zeros(B, C, dtype=x.dtype), []
    hidden = torch.tensor(np.where(MASK, 0, -1e9))
    keys = memory @ w["key_kernel"]
    for t in range(U):
        a = torch.cat([x[:, t], context * kept[:, t]], -1) @ w["kernel"][0]
        a = a + w["bias"].reshape(-1)
        b = state[0] @ w["recurrent_kernel"][0]
        if cell == "lstm":
            i, f, g, o = (a + b).chunk(4, -1)
            c = f.sigmoid() * state[1] + i.sigmoid() * g.tanh()
            state = (o.sigmoid() * c.tanh(), c)
        else:
            (z, r, n), (zh, rh, nh) = (
                v.chunk(3, -1) for v in (a, b + w["recurrent_bias"].reshape(-1))
            )
            z = (z + zh).sigmoid()
            n = (n + (r + rh).sigmoid() * nh).tanh()
            state = (z * state[0] + (1 - z) * n,)
        if score == "dot":
            found = w["gain"] * (keys @ state[0][..., None])[..., 0]
        else:
            sums = keys + (state[0] @ w["query_kernel"])[:, None]
            v = w["direction"]
            if score == "normalized":
                sums, v = sums + w["attention_bias"], w["gain"] * v / v.norm()
            found = sums.tanh() @ v
        context = ((found + hidden).softmax(-1)[:, None] @ memory)[:, 0]
        outputs.append(torch.cat([state[0], context], -1))
    return torch.stack(outputs, 1)


@pytest.mark.parametrize(("cell", "score"), KINDS)
@pytest.mark.parametrize("dropped", [True, False])
def test_gradients_are_those_of_autograd(cell, score, dropped):
    torch = import_torch()
    layer = make(cell, score)
    x, memory, kept, *state = batch(cell)
    kept = kept if dropped else None
    arrays = [x, memory, *state, *layer.get_weights()]
    upstream = np.random.default_rng(2).normal(size=(B, U, H + C))

    def function(x, memory, *rest):
        state, weights = rest[: len(rest) - count], rest[len(rest) - count :]
        mapping = list(zip(layer.weights, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return both(layer, x, memory, kept, *state)

    count = len(layer.weights)
    found, gradients = value_and_gradients(function, arrays, upstream)
    names = [w.name for w in layer.recurrence.weights]
    names += [w.name.replace("bias", "attention_bias") for w in layer.attention.weights]
    sources = [torch.tensor(a.astype("float64"), requires_grad=True) for a in arrays]
    factors = torch.tensor(np.ones((B, U, C)) if kept is None else kept)
    expected = in_torch(
        *(cell, score, names, sources[0], sources[1], factors),
        *(tuple(sources[2:-count]), sources[-count:]),
    )
    (expected * torch.tensor(upstream)).sum().backward()
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
    for ours, theirs in zip(gradients, sources, strict=True):
        np.testing.assert_allclose(ours, theirs.grad.numpy(), rtol=1e-3, atol=2e-5)


@pytest.mark.parametrize(("cell", "score"), KINDS)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_policies_give_finite_gradients_near_float32(cell, score, policy):
    found, gradients = under(policy, cell, score)
    expected, references = under("float32", cell, score)
    np.testing.assert_allclose(found, expected, atol=0.2)
    for ours, theirs in zip(gradients, references, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.05 * np.abs(theirs).max() + 0.3)


@functools.cache
def under(policy, cell, score):
    """Values and gradients of both outputs, in float32."""
    layer = make(cell, score, dtype=policy)
    x, memory, _, *state = batch(cell)

    def run(x, memory, *state):
        return ops.cast(both(layer, x, memory, None, *state), "float32")

    return value_and_gradients(run, [x, memory, *state])


def test_unknown_batch_and_lengths_trace_in_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("unknown shapes are traced by TensorFlow only")
    import tensorflow as tf

    layer = make("lstm", "normalized")
    signature = [
        tf.TensorSpec((None, None, D)),
        tf.TensorSpec((None, None, C)),
        tf.TensorSpec((None, None), tf.bool),
    ]

    @tf.function(input_signature=signature, autograph=False)
    def traced(x, memory, mask):
        with tf.GradientTape() as tape:
            tape.watch(memory)
            zeros = tf.zeros((tf.shape(x)[0], H))
            read = layer.attention.prepare(EncoderOutput(memory, mask))
            found = tf.concat(layer.read(x, read, (zeros, zeros)), -1)
        return found, tape.gradient(found, memory)

    x, memory, *_ = batch("lstm")
    whole, gradient = traced(x, memory, MASK)
    one, _ = traced(x[1:2, :3], memory[1:2, :2], MASK[1:2, :2])
    assert gradient.shape == memory.shape
    np.testing.assert_allclose(one, whole[1:2, :3], atol=1e-6)
