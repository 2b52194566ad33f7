"""LSTMs over streams of text: torch's, what goes on, what is dropped, penalties."""

from itertools import pairwise

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.language_model import LanguageModelEncoder
from s2s_zoo.layers.carry import packed_state
from s2s_zoo.registry import PRESETS
from tests.pytorch_reference import import_torch, recurrent_module

EXAMPLES = {
    LanguageModelEncoder: {
        "units": (3, 2),
        "streams": 2,
        "input_dropout": 0.1,
        "hidden_dropout": 0.2,
        "output_dropout": 0.3,
        "weight_dropout": 0.4,
        "locked": False,
        "activation_l2": 2.0,
        "temporal_l2": 1.0,
        "initial_range": 0.1,
        "normalized": True,
        "candidate_dropout": 0.2,
    }
}
WIDTH, UNITS, ROWS, SIZE = 3, (4, 2), 2, 6
RNG = np.random.default_rng(0)
X = RNG.normal(size=(ROWS, SIZE, WIDTH)).astype("float32")
MASK = np.ones((ROWS, SIZE), "bool")
STATE = RNG.normal(size=(ROWS, 2 * sum(UNITS))).astype("float32")


def make(dtype="float32", **settings):
    """An encoder with drawn weights."""
    keras.utils.set_random_seed(0)
    encoder = LanguageModelEncoder(UNITS, **settings, dtype=dtype)
    encoder.build((None, None, WIDTH))
    rng = np.random.default_rng(1)
    for layer in encoder.recurrences:
        for weight in layer.weights:
            weight.assign(rng.normal(0, 0.5, weight.shape))
    return encoder


def numbers(tensor):
    return ops.convert_to_numpy(tensor)


def test_sequence_and_states_equal_torch():
    torch = import_torch()
    encoder, x, finals, place = make(), torch.tensor(X.astype("float64")), [], 0
    for layer, units in zip(encoder.recurrences, UNITS, strict=True):
        ends = (place, place + units, place := place + 2 * units)
        start = [
            torch.tensor(STATE[None, :, a:b].astype("float64"))
            for a, b in pairwise(ends)
        ]
        module = recurrent_module(layer.get_weights(), "lstm", False)
        x, state = module(x, tuple(start))
        finals += [part[0].detach().numpy() for part in state]
    memory = encoder(X, MASK, state=ops.convert_to_tensor(STATE))
    np.testing.assert_allclose(numbers(memory.sequence), x.detach().numpy(), atol=1e-5)
    found = numbers(packed_state(memory.state))
    np.testing.assert_allclose(found, np.concatenate(finals, axis=1), atol=1e-5)


def test_the_encoder_of_lstm_lm_ptb_is_torchs():
    """Of the same numbers but for torch's second biases, and the same output."""
    torch = import_torch()
    encoder = PRESETS.get("lstm_lm_ptb").encoder()
    encoder.build((None, None, 650))
    theirs = torch.nn.LSTM(650, 650, num_layers=2, batch_first=True)
    copied = [
        array
        for kernel, recurrent, bias in (r.get_weights() for r in encoder.recurrences)
        for array in (kernel[0].T, recurrent[0].T, bias.reshape(-1), np.zeros(4 * 650))
    ]
    with torch.no_grad():
        pairs = zip(copied, theirs.parameters(), strict=True)
        for ours, parameter in pairs:
            parameter.copy_(torch.tensor(ours))
    count = sum(parameter.numel() for parameter in theirs.parameters())
    assert count == encoder.count_params() + 2 * 4 * 650
    x = np.random.default_rng(0).normal(size=(2, 5, 650)).astype("float32")
    expected = theirs(torch.tensor(x))[0].detach().numpy()
    found = encoder(x, np.ones((2, 5), "bool")).sequence
    np.testing.assert_allclose(numbers(found), expected, atol=1e-5)


def test_windows_of_a_stream_are_read_as_the_whole():
    """In training; a stream that begins within starts anew."""
    encoder, half = make(streams=ROWS), SIZE // 2
    whole = numbers(encoder(X, MASK).sequence)
    begins = np.array([True, True])
    encoder(X[:, :half], MASK[:, :half], training=True, fresh=begins)
    fresh = np.array([False, True])
    found = encoder(X[:, half:], MASK[:, half:], training=True, fresh=fresh).sequence
    np.testing.assert_allclose(numbers(found)[0], whole[0, half:], atol=1e-6)
    anew = numbers(encoder(X[:, half:], MASK[:, half:]).sequence)
    np.testing.assert_allclose(numbers(found)[1], anew[1], atol=1e-6)


def test_a_short_row_hands_on_its_state_after_its_last_token():
    encoder, mask = make(streams=ROWS), MASK.copy()
    mask[1, 3:] = False
    encoder(X, mask, training=True, fresh=np.array([True, True]))
    expected = packed_state(encoder(X[1:, :3], MASK[1:, :3]).state)
    found = numbers(encoder.carry.rows)[1]
    np.testing.assert_allclose(found, numbers(expected)[0], atol=1e-6)


@pytest.mark.parametrize("normalized", [False, True])
@pytest.mark.parametrize("policy", ["float32", "mixed_bfloat16"])
def test_token_by_token_gives_what_reading_all_gives(policy, normalized):
    encoder = make(policy, normalized=normalized)
    whole = encoder(X, MASK)
    states = tuple(
        tuple(ops.zeros((ROWS, units), "float32") for _ in range(2)) for units in UNITS
    )
    for t in range(SIZE):
        x, states = encoder.step(ops.convert_to_tensor(X[:, t]), states)
        expected = ops.cast(whole.sequence[:, t], "float32")
        atol = 1e-6 if policy == "float32" else 0.03
        found = numbers(ops.cast(x, "float32"))
        np.testing.assert_allclose(found, numbers(expected), atol=atol)


@pytest.mark.parametrize("locked", [True, False])
def test_locked_dropout_drops_the_same_entries_at_each_token(locked):
    encoder = make(output_dropout=0.5, locked=locked)
    size = 40
    x, mask = np.ones((ROWS, size, WIDTH), "float32"), np.ones((ROWS, size), "bool")
    dropped = numbers(encoder(x, mask, training=True).sequence) == 0
    same = (dropped == dropped[:, :1]).all()
    assert same == locked


def test_recurrent_weights_are_dropped_once_for_a_batch():
    """The first token has no state to lose; equal rows stay equal."""
    encoder = make(weight_dropout=0.5)
    x = np.repeat(X[:1], ROWS, axis=0)
    calm = numbers(encoder(x, MASK, training=False).sequence)
    shaken = numbers(encoder(x, MASK, training=True).sequence)
    np.testing.assert_allclose(shaken[0], shaken[1], atol=1e-6)
    np.testing.assert_allclose(shaken[:, 0], calm[:, 0], atol=1e-6)
    assert np.abs(shaken[:, 1:] - calm[:, 1:]).max() > 0.01


def test_candidates_of_normalized_cells_are_dropped_in_training_alone():
    """Without a candidate the first cell state is the shift of a normalized zero."""
    encoder = make(normalized=True, candidate_dropout=1 - 1e-7)
    first = encoder(X[:, :1], MASK[:, :1], training=True).state
    for (_, cell), layer in zip(first, encoder.recurrences, strict=True):
        expected = np.broadcast_to(numbers(layer.beta)[-1], cell.shape)
        np.testing.assert_allclose(numbers(cell), expected, atol=1e-6)
    both = (encoder, make(normalized=True))
    found, plain = (numbers(one(X, MASK).sequence) for one in both)
    np.testing.assert_array_equal(found, plain)
    with pytest.raises(ValueError, match="candidate_dropout is of normalized=True"):
        LanguageModelEncoder(UNITS, candidate_dropout=0.1)


def test_penalties_are_those_of_the_paper():
    """Their means run over real tokens and entries."""
    encoder, mask = make(activation_l2=2.0, temporal_l2=3.0), MASK.copy()
    mask[1, 4:] = False
    y = numbers(encoder(X, mask, training=True).sequence)
    changes = [np.diff(y[0], axis=0), np.diff(y[1, :4], axis=0)]
    expected = [
        2 * np.mean(np.concatenate([y[0], y[1, :4]]) ** 2),
        3 * np.mean(np.concatenate(changes) ** 2),
    ]
    np.testing.assert_allclose([float(loss) for loss in encoder.losses], expected, 1e-5)
    encoder(X, mask, training=False)
    assert not encoder.losses


def test_kernels_start_as_wide_as_torchs():
    encoder = LanguageModelEncoder((100, 25))
    keras.utils.set_random_seed(0)
    encoder.build((None, None, 50))
    for layer, limit in zip(encoder.recurrences, (0.1, 0.2), strict=True):
        for weight in (layer.kernel, layer.recurrent_kernel):
            most = np.abs(numbers(weight)).max()
            assert 0.95 * limit < most <= limit
