"""Location-sensitive attention and its recurrence, against PyTorch."""

import functools

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.location_attention import (
    LocationSensitiveAttention,
    windows,
    windows_back,
)
from s2s_zoo.layers.location_recurrence import LocationRecurrence
from s2s_zoo.layers.prenet import Prenet
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled, value_and_gradients
from tests.pytorch_reference import import_torch, reorder

EXAMPLES = {
    LocationSensitiveAttention: {"units": 5, "filters": 3, "kernel": 4},
    LocationRecurrence: {"units": 3, "attention_units": 4, "filters": 2, "kernel": 5},
    Prenet: {"units": 7, "layers": 3, "rate": 0.25, "always": False},
}
B, U, T, D, C, H = 3, 5, 7, 4, 6, 3
LENGTHS = (7, 4, 1)
MASK = np.arange(T)[None] < np.array(LENGTHS)[:, None]


def make(kernel=5, dtype="float32"):
    keras.utils.set_random_seed(0)
    layer = LocationRecurrence(H, 4, 2, kernel, dtype=dtype)
    layer.build((None, None, D), (None, None, C))
    rng = np.random.default_rng(0)
    for weight in layer.weights:
        weight.assign(rng.normal(0, 0.5, weight.shape))
    return layer


def batch():
    rng = np.random.default_rng(1)
    x, memory = rng.normal(size=(B, U, D)), rng.normal(size=(B, T, C))
    kept = rng.integers(0, 2, (B, U, 2 * H)) * 2.0
    return x.astype("float32"), memory.astype("float32") * MASK[..., None], kept


def all_of(layer, x, memory, kept=None):
    """Outputs, contexts and weights side by side."""
    read = layer.attention.prepare(EncoderOutput(memory, ops.convert_to_tensor(MASK)))
    found = layer.read(x, read, kept)
    return ops.concatenate([ops.cast(part, "float32") for part in found], axis=-1)


@pytest.mark.parametrize("kernel", [4, 5])
@pytest.mark.parametrize("dropped", [True, False])
def test_values_and_gradients_are_pytorch_s(kernel, dropped):
    torch = import_torch()
    from tests.pytorch_tacotron2 import Recurrence, double

    layer = make(kernel)
    x, memory, kept = batch()
    kept = kept.astype("float32") if dropped else None
    upstream = np.random.default_rng(2).normal(size=(B, U, H + C + T))

    def function(x, memory, *weights):
        mapping = list(zip(layer.weights, weights, strict=True))
        with keras.StatelessScope(state_mapping=mapping):
            return all_of(layer, x, memory, kept)

    arrays = [x, memory, *layer.get_weights()]
    found, gradients = value_and_gradients(function, arrays, upstream)
    theirs = Recurrence(layer)
    sources = [double(array).requires_grad_() for array in (x, memory)]
    factors = None if kept is None else double(kept)
    expected = torch.cat(theirs(*sources, torch.tensor(MASK), factors), -1)
    (expected * double(upstream)).sum().backward()
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
    wanted = [source.grad.numpy() for source in sources]
    wanted[1] = wanted[1] * MASK[..., None]
    wanted += [theirs_of(theirs, weight.path) for weight in layer.weights]
    for ours, other in zip(gradients, wanted, strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-3, atol=2e-5)


def theirs_of(module, path):
    """The gradient of PyTorch's counterpart of a weight, in the zoo's shape."""
    *_, owner, name = path.split("/")
    if owner != "attention":
        cell = getattr(module, owner)
        names = {"kernel": "weight_ih", "recurrent_kernel": "weight_hh"}
        gradient = getattr(cell, names.get(name, "bias_ih")).grad.numpy()
        shape = (1, 1, 1, -1) if name == "bias" else (1, *gradient.T.shape)
        return reorder(gradient.T, "lstm").reshape(shape)
    attention = module.attention
    return {
        "query_kernel": lambda: attention.query.weight.grad.T,
        "key_kernel": lambda: attention.keys.weight.grad.T,
        "filter_kernel": lambda: attention.filters.weight.grad[:, 0].T,
        "filter_bias": lambda: attention.filters.bias.grad,
        "location_kernel": lambda: attention.location.weight.grad.T,
        "bias": lambda: attention.location.bias.grad,
        "direction": lambda: attention.direction.weight.grad[0],
    }[name]().numpy()


def test_step_by_step_gives_the_same():
    layer = make()
    x, memory, _ = batch()

    def stepped(x, memory):
        source = EncoderOutput(memory, ops.convert_to_tensor(MASK))
        read = layer.attention.prepare(source)
        state, found = layer.start(read), []
        for u in range(U):
            *parts, state = layer.step(x[:, u], read, state)
            found.append(ops.concatenate(parts, axis=-1))
        return ops.stack(found, axis=1)

    found = ops.convert_to_numpy(
        compiled(stepped)(*map(ops.convert_to_tensor, (x, memory)))
    )
    expected = compiled(lambda x, memory: all_of(layer, x, memory))(x, memory)
    np.testing.assert_allclose(found, ops.convert_to_numpy(expected), atol=1e-5)


def test_weights_are_shared_among_real_frames():
    x, memory, _ = batch()
    found = compiled(lambda x, memory: all_of(make(), x, memory))(x, memory)
    weights = ops.convert_to_numpy(found)[..., H + C :]
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-6)
    assert not weights.transpose(0, 2, 1)[~MASK].any()


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_policies_give_finite_gradients_near_float32(policy):
    for ours, exact in zip(under(policy), under("float32"), strict=True):
        np.testing.assert_allclose(ours, exact, atol=0.05 * np.abs(exact).max() + 0.1)


@functools.cache
def under(policy):
    """The value and all gradients."""
    layer, (x, memory, _) = make(dtype=policy), batch()
    value, gradients = value_and_gradients(
        lambda x, memory: all_of(layer, x, memory), [x, memory]
    )
    return value, *gradients


@pytest.mark.parametrize("size", [1, 4, 5, 9])
def test_windows_and_their_gradient_are_those_of_a_matrix(size):
    """Each entry of a window is one entry of x, so that the gradient is a product."""
    x = np.random.default_rng(0).normal(size=(2, 6)).astype("float32")
    found = ops.convert_to_numpy(windows(ops.convert_to_tensor(x), size))
    before = (size - 1) // 2
    matrix = np.zeros((6, size, 6))
    for t in range(6):
        for k in range(size):
            if 0 <= t + k - before < 6:
                matrix[t, k, t + k - before] = 1
    np.testing.assert_allclose(found, np.einsum("tks,bs->btk", matrix, x), atol=1e-6)
    gradient = np.random.default_rng(1).normal(size=(2, 6, size)).astype("float32")
    back = ops.convert_to_numpy(windows_back(ops.convert_to_tensor(gradient)))
    expected = np.einsum("tks,btk->bs", matrix, gradient)
    np.testing.assert_allclose(back, expected, atol=1e-5)


def test_unknown_batch_and_lengths_trace_in_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("unknown shapes are traced by TensorFlow only")
    import tensorflow as tf

    layer = make()
    shapes = [tf.TensorSpec((None, None, width)) for width in (D, C)]

    @tf.function(input_signature=[*shapes, tf.TensorSpec((None, None), tf.bool)])
    def traced(x, memory, mask):
        with tf.GradientTape() as tape:
            tape.watch(memory)
            read = layer.attention.prepare(EncoderOutput(memory, mask))
            output, context, weights = layer.read(x, read)
            found = tf.concat([output, context], -1)
        return found, weights, tape.gradient(found, memory)

    x, memory, _ = batch()
    whole, weights, gradient = traced(x, memory, MASK)
    one, *_ = traced(x[1:2, :3], memory[1:2, :4], MASK[1:2, :4])
    assert gradient.shape == memory.shape
    assert weights.shape == (B, U, T)
    np.testing.assert_allclose(one, whole[1:2, :3], atol=1e-6)


def test_a_prenet_drops_by_number_of_the_frame_and_seed():
    keras.utils.set_random_seed(0)
    prenet = Prenet(units=400, layers=1, rate=0.25)
    prenet.build((None, None, 2))
    prenet.denses[0].bias.assign(np.full(400, 3.0))
    x = ops.convert_to_tensor(np.zeros((2, 6, 2), "float32"))
    found = ops.convert_to_numpy(prenet(x))
    assert set(np.unique(found)) == {0.0, 4.0}
    share = (found == 0).mean()
    assert abs(share - 0.25) < 4 * (0.25 * 0.75 / (6 * 400)) ** 0.5
    np.testing.assert_array_equal(found[0], found[1])
    assert (found[0, 0] != found[0, 1]).any()
    later = ops.convert_to_numpy(prenet(x[:, :2], first=4))
    np.testing.assert_array_equal(later, found[:, 4:])
    other = ops.convert_to_numpy(prenet(x, seed=1))
    assert (other != found).any()
    drawn = [ops.convert_to_numpy(prenet(x, training=True)) for _ in range(2)]
    assert (drawn[0] != drawn[1]).any()
