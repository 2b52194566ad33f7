"""The decoder with attention against NumPy, and its steps against teacher forcing."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.attention_rnn import (
    BRIDGES,
    SCORES,
    AttentionRNNDecoder,
    StartBridge,
)
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.typing import EncoderOutput
from s2s_zoo.vocabulary import START
from tests.gradients import compiled, value_and_gradients
from tests.layers.attention_in_numpy import CELLS, parameters, scores, softmax

V, WIDTH, UNITS, D, T, U = 11, 4, 3, 6, 5, 4
LENGTHS = np.array([5, 2, 3])
MASK = np.arange(T)[None] < LENGTHS[:, None]
TARGETS = np.array([[5, 9, 4, 1], [7, 1, 0, 0], [10, 4, 1, 0]], "int32")
SETTINGS = {"width": WIDTH, "units": UNITS, "layers": 3, "residual": True}
EXAMPLES = {
    AttentionRNNDecoder: {
        "vocabulary_size": 7,
        "width": 3,
        "units": 3,
        "layers": 2,
        "cell": "gru",
        "attention": "bahdanau",
        "attention_units": 4,
        "residual": True,
        "dropout": 0.25,
        "bridge": "mean",
        "tie_source": True,
        "tie_output": True,
        "initial_range": 0.1,
    },
    StartBridge: {"units": 3, "layers": 2, "cell": "gru", "initial_range": 0.1},
}


def make(shapes=None, dtype="float32", **settings):
    """A decoder with random weights for a memory of width D."""
    decoder = AttentionRNNDecoder(V, **{**SETTINGS, **settings}, dtype=dtype)
    if decoder.tie_source:
        embedding = TokenEmbedding(V, WIDTH, dtype="float32")
        embedding.build()
        decoder.share(embedding)
    decoder.build(EncoderOutput((None, None, D), (None, None), shapes))
    rng = np.random.default_rng(0)
    decoder.set_weights([rng.normal(0, 0.5, w.shape) for w in decoder.get_weights()])
    return decoder


def sources(state=None, mask=MASK, padding=0):
    rng = np.random.default_rng(1)
    sequence = rng.normal(size=(3, T, D)).astype("float32") * mask[..., None]
    sequence = np.pad(sequence, [(0, 0), (0, padding), (0, 0)])
    mask = np.pad(mask, [(0, 0), (0, padding)])
    sequence, mask = map(ops.convert_to_tensor, (sequence, mask))
    return EncoderOutput(sequence, mask, state)


def force(decoder, memory, targets=TARGETS):
    logits = compiled(decoder)(targets, memory)["logits"]
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    return ops.convert_to_numpy(logits)


def walk(decoder, memory, beams):
    """(B, K, U, V) logits of the targets read token by token."""
    state = decoder.start(memory, beams, U)
    step = compiled(decoder.step)
    tokens, rows = np.full(3 * beams, START, "int32"), []
    for t in range(U):
        logits, state = step(ops.convert_to_tensor(tokens), state)
        rows.append(ops.convert_to_numpy(logits))
        tokens = np.repeat(TARGETS[:, t], beams)
    return np.stack(rows, 1).reshape(3, beams, U, V)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", SCORES)
def test_token_by_token_equals_teacher_forcing(cell, attention):
    decoder = make(cell=cell, attention=attention)
    memory = sources()
    expected = force(decoder, memory)[:, None]
    for beams in (1, 3):
        found = walk(decoder, memory, beams)
        np.testing.assert_allclose(found, np.repeat(expected, beams, 1), atol=1e-5)


@pytest.mark.parametrize("ties", [{"tie_output": True}, {"tie_source": True}])
def test_tied_tables_step_as_they_are_forced(ties):
    decoder, memory = make(**ties), sources()
    expected = force(decoder, memory)
    np.testing.assert_allclose(walk(decoder, memory, 1)[:, 0], expected, atol=1e-5)
    owned = [w.path for w in decoder.weights if w.shape == (V, WIDTH)]
    assert len(owned) == 1


def numbers(layer):
    return {w.name: ops.convert_to_numpy(w) for w in layer.weights}


def in_numpy(decoder, frames, targets):
    """Logits of one row by the equations; the layers start from zeros."""
    cell, state = CELLS[decoder.cell], (np.zeros(UNITS),) * 2
    states, context = [state] * 3, np.zeros(D)
    table = numbers(decoder.embedding)["embeddings"]
    recurrent, attention = decoder.lowest.recurrence, decoder.lowest.attention
    rows = []
    for token in [START, *targets[:-1]]:
        old = context
        fed = np.concatenate([table[token], old])
        x, states[0] = cell(numbers(recurrent), fed, states[0])
        found = scores(attention.score, numbers(attention), x, frames)
        context = softmax(found) @ frames
        read = old if decoder.attention == "gnmt" else context
        for i, layer in enumerate(decoder.upper, start=1):
            fed = np.concatenate([x, read])
            above, states[i] = cell(numbers(layer), fed, states[i])
            x = above + x
        kernel = numbers(decoder.output_dense)["kernel"]
        rows.append(np.concatenate([x, context]) @ kernel)
    return np.stack(rows)


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("attention", SCORES)
def test_logits_are_those_of_the_equations(cell, attention):
    decoder = make(cell=cell, attention=attention, bridge="zeros")
    memory = sources()
    found, frames = force(decoder, memory), ops.convert_to_numpy(memory.sequence)
    for row, length in enumerate(LENGTHS):
        expected = in_numpy(decoder, frames[row, :length], TARGETS[row])
        np.testing.assert_allclose(found[row], expected, atol=1e-5)


def test_keys_are_compared_and_the_sequence_is_read():
    decoder, memory = make(), sources()
    same = memory._replace(keys=memory.sequence)
    np.testing.assert_array_equal(force(decoder, same), force(decoder, memory))
    keys = ops.zeros_like(memory.sequence)
    alignment = decoder.alignment(TARGETS, memory._replace(keys=keys))
    expected = np.repeat((MASK / LENGTHS[:, None])[:, None], U, 1)
    np.testing.assert_allclose(ops.convert_to_numpy(alignment), expected, atol=1e-6)


@pytest.mark.parametrize("attention", SCORES)
def test_alignment_shares_one_over_real_frames(attention):
    found = make(attention=attention).alignment(TARGETS, sources())
    found = ops.convert_to_numpy(found)
    assert found.shape == (3, U, T)
    np.testing.assert_allclose(found.sum(-1), 1, rtol=1e-5)
    assert (found[~np.repeat(MASK[:, None], U, 1)] == 0).all()


@pytest.mark.parametrize("bridge", BRIDGES)
def test_padding_changes_nothing_and_empty_sources_stay_finite(bridge):
    decoder = make(bridge=bridge)
    expected = force(decoder, sources())
    padded = force(decoder, sources(padding=4))
    np.testing.assert_allclose(padded, expected, atol=1e-6)
    mask = MASK.copy()
    mask[1] = False
    found = force(decoder, sources(mask=mask))
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]], atol=1e-6)


@pytest.mark.parametrize("source_cell", CELLS)
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("layers", [1, 2, 4])
def test_layers_start_from_the_states_of_the_encoder(source_cell, cell, layers):
    """A state of the decoder's width is handed on, others go through dense layers."""
    encoder = RecurrentEncoder(UNITS, layers, 1, source_cell)
    parts = 2 if source_cell == "lstm" else 1
    rng = np.random.default_rng(4)
    state = tuple(
        tuple(
            ops.convert_to_tensor(rng.normal(size=(3, shape[-1])).astype("float32"))
            for shape in shapes
        )
        for shapes in encoder.state_shape
    )
    decoder = make(encoder.state_shape, cell=cell)
    cache = decoder.start(sources(state), 1, U).cache[1]
    for i in range(3):
        given = [ops.convert_to_numpy(part) for part in state[min(i, layers - 1)]]
        for part in range(2 if cell == "lstm" else 1):
            name = f"{['hidden', 'cell'][part]}_{i}"
            expected = given[min(part, parts - 1)]
            if min(i, layers - 1) == 0 or part == parts:
                kernel, bias = decoder.starts.denses[name].get_weights()
                expected = expected @ kernel + bias
            else:
                assert name not in decoder.starts.denses
            found = ops.convert_to_numpy(cache[i][part])
            np.testing.assert_allclose(found, expected, atol=1e-5)


def test_steps_from_states_equal_teacher_forcing():
    encoder = RecurrentEncoder(UNITS, 2, 1)
    encoder.build((None, None, D))
    decoder = make(encoder.state_shape)
    memory = sources(encoder(sources().sequence, MASK).state)
    found = walk(decoder, memory, 2)[:, 1]
    np.testing.assert_allclose(found, force(decoder, memory), atol=1e-5)


def test_without_states_layers_start_from_the_mean_of_the_memory():
    decoder, memory = make(), sources()
    frames = ops.convert_to_numpy(memory.sequence)
    mean = frames.sum(1) / LENGTHS[:, None]
    for i, state in enumerate(decoder.start(memory, 1, U).cache[1]):
        for name, part in zip(("hidden", "cell"), state, strict=True):
            kernel, bias = decoder.starts.denses[f"{name}_{i}"].get_weights()
            found = ops.convert_to_numpy(part)
            np.testing.assert_allclose(found, mean @ kernel + bias, atol=1e-5)


def test_every_weight_learns():
    decoder = make()
    memory = sources()
    weights = [w for w in decoder.weights if w is not decoder.embedding.table]

    def function(*values):
        with keras.StatelessScope(list(zip(weights, values, strict=True))):
            return ops.logsumexp(decoder(TARGETS, memory)["logits"], axis=-1)

    arrays = [ops.convert_to_numpy(w) for w in weights]
    _, gradients = value_and_gradients(function, arrays)
    for weight, gradient in zip(weights, gradients, strict=True):
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() > 0, weight.path


def test_dropout_acts_in_training_only():
    decoder, memory = make(dropout=0.5), sources()
    calm, shaken = (
        ops.convert_to_numpy(decoder(TARGETS, memory, training=training)["logits"])
        for training in (False, True)
    )
    np.testing.assert_allclose(calm, force(make(), memory), atol=1e-6)
    assert np.abs(shaken - calm).max() > 0.01
    assert np.isfinite(shaken).all()


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_policies_keep_states_and_logits_in_float32(cell, policy):
    mask = MASK.copy()
    mask[1] = False
    decoder, memory = make(dtype=policy, cell=cell), sources(mask=mask)
    exact = force(make(cell=cell), memory)
    np.testing.assert_allclose(force(decoder, memory), exact, atol=0.1)
    np.testing.assert_allclose(walk(decoder, memory, 1)[:, 0], exact, atol=0.1)
    state = decoder.start(memory, 2, U)
    logits, state = decoder.step(ops.full((6,), START, "int32"), state)
    assert keras.backend.standardize_dtype(logits.dtype) == "float32"
    for part in keras.tree.flatten(state.cache[1]):
        assert keras.backend.standardize_dtype(part.dtype) == "float32"
    half = policy[len("mixed_") :]
    assert keras.backend.standardize_dtype(state.memory.keys.dtype) == half
    assert all(w.dtype == "float32" for w in decoder.weights)


def layer_size(width, units):
    """Parameters of an LSTM in one direction."""
    return 4 * units * (width + units + 1)


def count(encoder, decoder, width, memory_width):
    shape = (None, None, memory_width)
    described = EncoderOutput(shape, shape[:-1], encoder.state_shape)
    assert encoder.compute_output_shape((None, None, width)) == shape
    return parameters(decoder, described)


def test_parameters_of_gnmt():
    encoder = RecurrentEncoder(1024, 8, 1, residual_from=2)
    decoder = AttentionRNNDecoder(
        32768, 1024, 1024, 8, attention_units=1024, residual=True
    )
    expected = 32768 * 1024 + 8 * layer_size(2048, 1024)
    expected += 2 * 1024 * 1024 + 2 * 1024 + 1
    expected += 2 * (2048 * 1024 + 1024) + 2048 * 32768
    assert expected == 207_654_913
    assert count(encoder, decoder, 1024, 1024) == expected


def test_parameters_of_gnmt_tied():
    encoder = RecurrentEncoder(200, 8, 1, residual_from=2)
    decoder = AttentionRNNDecoder(
        *(32768, 80, 200, 8), attention_units=1024, residual=True, tie_output=True
    )
    expected = 32768 * 80 + layer_size(80 + 200, 200) + 7 * layer_size(400, 200)
    expected += 2 * 200 * 1024 + 2 * 1024 + 1 + 2 * (400 * 200 + 200) + 400 * 80
    assert expected == 6_975_889
    assert count(encoder, decoder, 80, 200) == expected


def test_parameters_of_a_small_decoder_over_two_directions():
    encoder = RecurrentEncoder(512, 2, 2)
    decoder = AttentionRNNDecoder(32768, 512, 512, 2, attention_units=512)
    expected = 32768 * 512 + 2 * layer_size(512 + 1024, 512)
    expected += (1024 + 512) * 512 + 2 * 512 + 1
    expected += 4 * (1024 * 512 + 512) + (512 + 1024) * 32768
    assert expected == 78_388_225
    assert count(encoder, decoder, 512, 1024) == expected


def test_weights_start_in_the_initial_range():
    decoder = AttentionRNNDecoder(300, 20, 20, 2, initial_range=0.1)
    decoder.build(EncoderOutput((None, None, 20), (None, None)))
    for weight in decoder.weights:
        values = ops.convert_to_numpy(weight)
        if values.ndim > 1 and "bias" not in weight.path and values.size > 20:
            np.testing.assert_allclose(values.std(), 0.1 / 3**0.5, rtol=0.1)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="gnmt_v2, gnmt, bahdanau, luong"):
        make(attention="chorowski")
    with pytest.raises(ValueError, match="state, mean, zeros"):
        make(bridge="last")
