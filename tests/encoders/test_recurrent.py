"""The recurrent encoder against torch.nn.LSTM and closed forms."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.recurrent import RecurrentEncoder
from tests.gradients import compiled
from tests.layers.attention_in_numpy import parameters
from tests.pytorch_reference import import_torch, recurrent_module

LENGTHS = np.array([6, 2, 4])
WIDTH, UNITS = 5, 3
GNMT = {"units": UNITS, "layers": 4, "bidirectional_layers": 1, "residual_from": 2}
EXAMPLES = {
    RecurrentEncoder: {
        "units": 3,
        "layers": 3,
        "bidirectional_layers": 1,
        "cell": "gru",
        "residual_from": 2,
        "dropout": 0.25,
        "initial_range": 0.1,
    }
}


def make(dtype="float32", **settings):
    """An encoder with random weights."""
    encoder = RecurrentEncoder(**settings, dtype=dtype)
    encoder.build((None, None, WIDTH))
    rng = np.random.default_rng(0)
    encoder.set_weights([rng.normal(0, 0.5, w.shape) for w in encoder.get_weights()])
    return encoder


def batch(padding=0):
    """Frames, also in the padding, and their mask."""
    frames = LENGTHS.max() + padding
    mask = np.arange(frames)[None] < LENGTHS[:, None]
    x = np.random.default_rng(1).normal(size=(len(LENGTHS), frames, WIDTH))
    x[:, : LENGTHS.max()] = np.random.default_rng(2).normal(size=(3, 6, WIDTH))
    return x.astype("float32"), mask


def run(encoder, x, mask):
    def call(x, mask):
        memory = encoder(x, mask)
        return memory.sequence, memory.state

    return keras.tree.map_structure(ops.convert_to_numpy, compiled(call)(x, mask))


def in_torch(encoder, x):
    """Sequence and states of one row by torch.nn layers with copied weights."""
    torch = import_torch()
    x, states = torch.tensor(x[None].astype("float64")), []
    for i, layer in enumerate(encoder.recurrences):
        module = recurrent_module(
            layer.get_weights(), encoder.cell, layer.bidirectional
        )
        above, state = module(x)
        skips = encoder.residual_from is not None and i >= encoder.residual_from
        x = above + x if skips else above
        state = state if isinstance(state, tuple) else (state,)
        states.append([part.reshape(-1).detach().numpy() for part in state])
    return x[0].detach().numpy(), states


@pytest.mark.parametrize(
    "settings",
    [
        GNMT,
        GNMT | {"cell": "gru"},
        {"units": UNITS, "layers": 2, "bidirectional_layers": 2},
        {"units": WIDTH, "layers": 2, "residual_from": 0},
    ],
)
def test_sequence_and_final_states_equal_torch(settings):
    encoder = make(**settings)
    x, mask = batch(padding=2)
    sequence, states = run(encoder, x, mask)
    for row, length in enumerate(LENGTHS):
        expected, finals = in_torch(encoder, x[row, :length])
        np.testing.assert_allclose(sequence[row, :length], expected, atol=1e-5)
        for ours, theirs in zip(states, finals, strict=True):
            for part, reference in zip(ours, theirs, strict=True):
                np.testing.assert_allclose(part[row], reference, atol=1e-5)


def test_padding_and_neighbours_change_nothing():
    encoder = make(**GNMT)
    x, mask = batch(padding=4)
    together, states = run(encoder, x, mask)
    assert (together[~mask] == 0).all()
    alone, state = run(encoder, x[1:2, :2], mask[1:2, :2])
    np.testing.assert_allclose(together[1:2, :2], alone, atol=1e-6)
    for ours, theirs in zip(states, state, strict=True):
        np.testing.assert_allclose(ours[0][1:2], theirs[0], atol=1e-6)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_shapes_are_the_ones_announced(cell):
    encoder = make(**GNMT | {"cell": cell})
    x, mask = batch()
    sequence, states = run(encoder, x, mask)
    assert sequence.shape == encoder.compute_output_shape(x.shape)
    shapes = tuple(tuple((None, part.shape[1]) for part in state) for state in states)
    assert shapes == encoder.state_shape


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_states_are_float32_and_all_is_finite_under_mixed_policies(policy):
    encoder = make(policy, **GNMT)
    x, mask = batch()
    mask[1] = False
    memory = encoder(x, mask)
    dtype = keras.backend.standardize_dtype(memory.sequence.dtype)
    assert dtype == policy[len("mixed_") :]
    exact, _ = run(make(**GNMT), x, mask)
    found = ops.convert_to_numpy(ops.cast(memory.sequence, "float32"))
    np.testing.assert_allclose(found, exact, atol=0.05)
    for part in keras.tree.flatten(memory.state):
        assert keras.backend.standardize_dtype(part.dtype) == "float32"


def test_dropout_acts_in_training_only():
    encoder = make(**GNMT, dropout=0.5)
    x, mask = batch()
    calm = ops.convert_to_numpy(encoder(x, mask, training=False).sequence)
    np.testing.assert_array_equal(calm, run(make(**GNMT), x, mask)[0])
    shaken = ops.convert_to_numpy(encoder(x, mask, training=True).sequence)
    assert np.abs(shaken - calm).max() > 0.01


def test_parameters_of_gnmt_as_published():
    encoder = RecurrentEncoder(1024, 8, 1, residual_from=2, initial_range=0.1)
    width = 4 * 1024
    expected = 2 * width * (1024 + 1024 + 1)
    expected += width * (2048 + 1024 + 1) + 6 * width * (1024 + 1024 + 1)
    assert expected == 79_728_640
    assert parameters(encoder, (None, None, 1024)) == expected


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="0 to 2"):
        RecurrentEncoder(3, 2, 3)
    with pytest.raises(ValueError, match="Layer 1 adds its input of width 6"):
        make(units=3, layers=2, bidirectional_layers=1, residual_from=1)
