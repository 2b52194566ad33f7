"""Recurrence against torch.nn.GRU, torch.nn.LSTM and keras.layers.GRU."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.recurrent import GATES, PARTS, Recurrence
from tests.gradients import compiled, value_and_gradients
from tests.pytorch_reference import (
    import_torch,
    recurrent_gradients,
    recurrent_module,
    run_packed,
)

LENGTHS = np.array([7, 3, 5, 1])
SIZES = {"D": 4, "H": 3}
KINDS = [("gru", False), ("gru", True), ("lstm", False), ("lstm", True)]
EXAMPLES = {
    Recurrence: {
        "units": 3,
        "cell": "lstm",
        "bidirectional": True,
        "initial_range": 0.1,
    }
}


def make(cell, bidirectional, seed=0, **kwargs):
    """A layer with random weights, biases too."""
    layer = Recurrence(SIZES["H"], cell, bidirectional, **kwargs)
    layer.build((None, None, SIZES["D"]))
    rng = np.random.default_rng(seed)
    layer.set_weights([rng.normal(0, 0.5, w.shape) for w in layer.get_weights()])
    return layer


def batch(lengths=LENGTHS, padding=0, seed=1):
    rng = np.random.default_rng(seed)
    frames = int(np.max(lengths)) + padding
    x = rng.normal(size=(len(lengths), frames, SIZES["D"])).astype("float32")
    return x, np.arange(frames)[None] < np.asarray(lengths)[:, None]


def run(layer, x, mask):
    return ops.convert_to_numpy(compiled(layer)(x, mask))


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_outputs_and_gradients_equal_torch(cell, bidirectional):
    torch = import_torch()
    layer = make(cell, bidirectional)
    weights = layer.get_weights()
    x, mask = batch()
    width = SIZES["H"] * (2 if bidirectional else 1)
    upstream = np.random.default_rng(2).normal(size=(*mask.shape, width))

    module = recurrent_module(weights, cell, bidirectional)
    source = torch.tensor(x.astype("float64"), requires_grad=True)
    expected = run_packed(module, source, LENGTHS)
    (expected * torch.tensor(upstream)).sum().backward()

    def function(x, *weights):
        return layer.stateless_call(list(weights), [], x, mask)[0]

    outputs, gradients = value_and_gradients(function, [x, *weights], upstream)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    references = [source.grad.numpy(), *recurrent_gradients(module, cell)]
    for ours, theirs in zip(gradients, references, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_equals_the_gru_of_keras():
    layer = make("gru", False)
    kernel, recurrent, bias, recurrent_bias = (w[0] for w in layer.get_weights())
    reference = keras.layers.GRU(SIZES["H"], return_sequences=True, reset_after=True)
    reference.build((None, None, SIZES["D"]))
    biases = np.concatenate([bias.reshape(1, -1), recurrent_bias])
    reference.set_weights([kernel, recurrent, biases])
    x, mask = batch([7, 7, 7])
    expected = ops.convert_to_numpy(compiled(reference)(x))
    np.testing.assert_allclose(run(layer, x, mask), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_padding_changes_nothing_and_stays_zero(cell, bidirectional):
    layer = make(cell, bidirectional)
    x, mask = batch(padding=6)
    padded = run(layer, x, mask)
    assert (padded[~mask] == 0).all()
    alone = run(layer, x[1:2, :3], mask[1:2, :3])
    np.testing.assert_allclose(padded[1:2, :3], alone, atol=1e-6)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
def test_a_row_without_frames_gives_zeros_and_no_gradient(cell):
    layer = make(cell, bidirectional=True)
    x, mask = batch([4, 0])

    def function(x, *weights):
        return layer.stateless_call(list(weights), [], x, mask)[0]

    outputs, gradients = value_and_gradients(function, [x, *layer.get_weights()])
    assert (outputs[1] == 0).all()
    assert (gradients[0][1] == 0).all()
    assert all(np.isfinite(gradient).all() for gradient in gradients)
    alone = run(layer, x[:1], mask[:1])
    np.testing.assert_allclose(outputs[:1], alone, atol=1e-6)


@pytest.mark.parametrize("cell", ["gru", "lstm"])
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_the_state_is_float32_under_mixed_policies(cell, policy):
    """The state creeps towards its limit in steps a half-precision state loses."""
    layer = Recurrence(1, cell, dtype=policy)
    layer.build((None, None, 1))
    kernel, recurrent, *biases = (np.zeros(w.shape) for w in layer.get_weights())
    biases[0][...] = -3.0 if cell == "gru" else 0.0
    if cell == "gru":
        biases[0][..., 0], biases[0][..., 2] = 5.0, 0.75
    else:
        biases[0][...] = [-4.0, 7.0, 0.75, 2.0]
    layer.set_weights([kernel, recurrent, *biases])
    torch = import_torch()
    x, mask = np.zeros((1, 200, 1), "float32"), np.ones((1, 200), bool)
    module = recurrent_module([kernel, recurrent, *biases], cell, False)
    expected = run_packed(module, torch.zeros((1, 200, 1), dtype=torch.float64), [200])
    result = compiled(layer)(x, mask)
    assert keras.backend.standardize_dtype(result.dtype) == policy[len("mixed_") :]
    found = ops.convert_to_numpy(ops.cast(result, "float32"))
    rounding = 2.0**-8 if policy == "mixed_bfloat16" else 2.0**-11
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=2 * rounding)
    assert all(w.dtype == "float32" for w in layer.weights)


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_unknown_batch_and_time_trace_in_tensorflow(cell, bidirectional):
    if keras.backend.backend() != "tensorflow":
        pytest.skip("unknown shapes are traced by TensorFlow only")
    import tensorflow as tf

    layer = make(cell, bidirectional)
    signature = [
        tf.TensorSpec((None, None, SIZES["D"]), tf.float32),
        tf.TensorSpec((None, None), tf.bool),
    ]

    @tf.function(input_signature=signature, autograph=False)
    def traced(x, mask):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = layer(x, mask)
        return outputs, tape.gradient(outputs, x)

    for lengths in ([5, 2], [3, 4, 9]):
        x, mask = batch(lengths)
        outputs, gradient = traced(x, mask)
        assert gradient.shape == x.shape
        np.testing.assert_allclose(outputs, run(layer, x, mask), atol=1e-6)


def test_forget_gates_start_open_and_other_biases_at_zero():
    layer = Recurrence(2, "lstm", bidirectional=True)
    layer.build((None, None, 3))
    expected = np.tile([0, 0, 1, 1, 0, 0, 0, 0], (2, 1, 1, 1))
    np.testing.assert_array_equal(ops.convert_to_numpy(layer.bias), expected)


def test_recurrent_kernels_start_orthogonal_in_each_direction():
    layer = Recurrence(4, "gru", bidirectional=True)
    layer.build((None, None, 3))
    first, second = ops.convert_to_numpy(layer.recurrent_kernel)
    for kernel in (first, second):
        np.testing.assert_allclose(kernel @ kernel.T, np.eye(4), atol=1e-5)
    assert np.abs(first - second).max() > 0.1


def test_an_unknown_cell_is_refused():
    with pytest.raises(ValueError, match="gru, lstm"):
        Recurrence(2, "rnn")


def random_state(cell, width=SIZES["H"], seed=3):
    rng = np.random.default_rng(seed)
    shape = (len(LENGTHS), width)
    return [rng.normal(size=shape).astype("float32") for _ in range(PARTS[cell])]


@pytest.mark.parametrize(("cell", "bidirectional"), KINDS)
def test_initial_and_final_states_and_their_gradients_equal_torch(cell, bidirectional):
    torch = import_torch()
    layer = make(cell, bidirectional)
    x, mask = batch(padding=2)
    initial = [] if bidirectional else random_state(cell)
    arrays = [x, *initial, *layer.get_weights()]
    width = SIZES["H"] * (2 if bidirectional else 1)
    shape = (len(LENGTHS), mask.shape[1] + PARTS[cell], width)
    upstream = np.random.default_rng(2).normal(size=shape)

    def function(x, *rest):
        states, weights = rest[: len(initial)], rest[len(initial) :]
        with keras.StatelessScope(list(zip(layer.weights, weights, strict=True))):
            outputs, final = layer.read(x, ops.convert_to_tensor(mask), states)
        return ops.concatenate([outputs, ops.stack(final, axis=1)], axis=1)

    found, gradients = value_and_gradients(function, arrays, upstream)
    module = recurrent_module(layer.get_weights(), cell, bidirectional)
    sources = [
        torch.tensor(a.astype("float64"), requires_grad=True) for a in [x, *initial]
    ]
    expected = packed_with_states(module, *sources)
    (expected * torch.tensor(upstream)).sum().backward()
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=1e-5)
    references = [source.grad.numpy() for source in sources]
    references += recurrent_gradients(module, cell)
    for ours, theirs in zip(gradients, references, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def packed_with_states(module, x, *initial):
    """Outputs and, as frames after them, the final states of a torch module."""
    torch = import_torch()
    rnn = torch.nn.utils.rnn
    start = tuple(state[None] for state in initial)
    pack = rnn.pack_padded_sequence(
        x, torch.tensor(LENGTHS), batch_first=True, enforce_sorted=False
    )
    if not initial:
        outputs, final = module(pack)
    else:
        outputs, final = module(pack, start if len(start) == 2 else start[0])
    final = final if isinstance(final, tuple) else (final,)
    rows = [torch.cat(tuple(state), -1)[:, None] for state in final]
    outputs = rnn.pad_packed_sequence(outputs, True, total_length=x.shape[1])[0]
    return torch.cat([outputs, *rows], 1)


@pytest.mark.parametrize("cell", GATES)
def test_steps_one_by_one_are_the_whole(cell):
    layer = make(cell, False)
    x, _ = batch()
    mask = np.ones(x.shape[:2], bool)
    state = tuple(map(ops.convert_to_tensor, random_state(cell)))
    expected, final = layer.read(ops.convert_to_tensor(x), mask, state)
    for t in range(x.shape[1]):
        output, state = layer.step(ops.convert_to_tensor(x[:, t]), state)
        theirs = ops.convert_to_numpy(expected)[:, t]
        np.testing.assert_allclose(ops.convert_to_numpy(output), theirs, atol=1e-6)
    for ours, theirs in zip(state, final, strict=True):
        np.testing.assert_allclose(
            ops.convert_to_numpy(ours), ops.convert_to_numpy(theirs), atol=1e-6
        )


@pytest.mark.parametrize("cell", GATES)
def test_a_row_without_frames_ends_where_it_starts(cell):
    layer = make(cell, False)
    x, mask = batch()
    mask[1] = False
    initial = random_state(cell)
    _, final = layer.read(x, mask, tuple(map(ops.convert_to_tensor, initial)))
    for ours, theirs in zip(final, initial, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(ours)[1], theirs[1])


@pytest.mark.parametrize("cell", GATES)
def test_states_handed_on_stay_float32_under_mixed_policies(cell):
    layer = make(cell, False, dtype="mixed_bfloat16")
    x, mask = batch()
    state = tuple(map(ops.convert_to_tensor, random_state(cell)))
    _, final = layer.read(x, mask, state)
    _, after = layer.step(ops.convert_to_tensor(x[:, 0]), state)
    for part in (*final, *after):
        assert keras.backend.standardize_dtype(part.dtype) == "float32"


def test_a_bidirectional_layer_takes_no_initial_state_and_no_step():
    layer = make("gru", True)
    x, mask = batch()
    with pytest.raises(ValueError, match="starts from zeros"):
        layer.read(x, mask, (np.zeros((4, 3)),))
    with pytest.raises(ValueError, match="no next step"):
        layer.step(x[:, 0], (np.zeros((4, 3)),))


def test_kernels_start_in_the_initial_range():
    layer = Recurrence(16, "lstm", initial_range=0.1)
    layer.build((None, None, 8))
    for kernel in (layer.kernel, layer.recurrent_kernel):
        values = ops.convert_to_numpy(kernel)
        assert np.abs(values).max() <= 0.1
        np.testing.assert_allclose(values.std(), 0.1 / 3**0.5, rtol=0.1)
