"""The ConvS2S decoder against fairseq's equations written out in PyTorch."""

from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.convs2s import ConvS2SAttention, ConvS2SDecoder
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.positions import LearnedPositions
from s2s_zoo.typing import EncoderOutput
from s2s_zoo.vocabulary import END, START
from tests.gradients import compiled, value_and_gradients
from tests.layers.test_gated_convolution import torch_gated
from tests.layers.test_weight_normalization import (
    TorchCopies,
    array,
    as_products,
    randomized,
)
from tests.pytorch_reference import import_torch

VOCABULARY, WIDTH = 11, 6
SOURCES = np.array([5, 2, 4])
TARGETS = np.array(
    [[7, 4, 9, 5, END, 0], [8, END, 0, 0, 0, 0], [4, 4, 10, 6, 7, END]], "int32"
)
PUBLISHED = {
    "vocabulary_size": 32768,
    "width": 512,
    "channels": (512,) * 9 + (1024,) * 4 + (2048,) * 2,
    "kernels": (3,) * 13 + (1,) * 2,
    "out_width": 512,
}
EXAMPLES = {
    ConvS2SDecoder: {
        "vocabulary_size": 7,
        "width": 3,
        "channels": (3, 4),
        "kernels": (3, 1),
        "out_width": 3,
        "max_length": 5,
        "dropout": 0.25,
        "tie_source": True,
        "tie_output": True,
    },
    ConvS2SAttention: {"width": 3},
    LearnedPositions: {"max_length": 5, "width": 3},
}


def make(memory_width=WIDTH, **settings):
    """A decoder with random weights; its second block has a shortcut layer."""
    settings = {
        "channels": (4, 5, 5),
        "kernels": (3, 2, 1),
        "out_width": 7,
        "max_length": 9,
        **settings,
    }
    decoder = ConvS2SDecoder(VOCABULARY, WIDTH, **settings)
    shape = (None, None, memory_width)
    decoder.build(EncoderOutput(shape, shape[:-1]))
    return randomized(decoder)


def memories(lengths=SOURCES, padding=0, width=WIDTH, keys=True, seed=1):
    """Sources of random lengths, zero on padding."""
    frames = int(np.max(lengths)) + padding
    rng = np.random.default_rng(seed)
    mask = np.arange(frames)[None] < np.asarray(lengths)[:, None]
    values, compared = (
        rng.normal(size=(2, *mask.shape, width)).astype("float32") * mask[..., None]
    )
    return EncoderOutput(values, mask, keys=compared if keys else None)


def run(decoder, targets, memory):
    return ops.convert_to_numpy(compiled(decoder)(targets, memory)["logits"])


def torch_attend(attention, copies, x, embedded, keys, values, mask):
    """fairseq's attention: the sum with its block, and the shares."""
    queries = (copies.normalized(attention.query)(x) + embedded) * 0.5**0.5
    scores = queries @ keys.transpose(1, 2)
    shares = scores.masked_fill(~mask[:, None], -float("inf")).softmax(dim=-1)
    lengths = mask.sum(dim=1)[:, None, None].double()
    context = (shares @ values) * (lengths * lengths.rsqrt())
    return (copies.normalized(attention.exit)(context) + x) * 0.5**0.5, shares


def torch_decode(decoder, copies, targets, keys, values, mask):
    """Logits and the shares of each layer."""
    torch = import_torch()
    tokens = np.concatenate([np.full((len(targets), 1), START), targets[:, :-1]], 1)
    table = copies.table(decoder.embedding.table)
    embedded = table[torch.tensor(tokens)]
    if decoder.max_length:
        positions = copies.table(decoder.positions.table)
        embedded = embedded + positions[: targets.shape[1]]
    if decoder.bridge:
        bridge = copies.normalized(decoder.bridge)
        keys, values = bridge(keys), bridge(values)
    x, weights = copies.normalized(decoder.entry)(embedded), []
    for block, attention in zip(decoder.convolutions, decoder.attentions, strict=True):
        module = copies.normalized(block.convolution)
        around = copies.normalized(block.shortcut)(x) if block.shortcut else x
        x = torch_gated(module, x, block.kernel - 1, 0)
        x, shares = torch_attend(attention, copies, x, embedded, keys, values, mask)
        x = (x + around) * 0.5**0.5
        weights.append(shares)
    x = copies.normalized(decoder.exit)(x)
    if decoder.tie_output:
        return x @ table.T, weights
    return copies.normalized(decoder.output_layer)(x), weights


@pytest.mark.parametrize(
    ("settings", "memory_width"),
    [
        ({}, WIDTH),
        ({"max_length": 0, "tie_output": True, "out_width": WIDTH}, WIDTH),
        ({}, 3),
    ],
    ids=["own tables", "tied, no positions", "narrow memory"],
)
def test_values_and_gradients_equal_torch(settings, memory_width):
    torch = import_torch()
    decoder = make(memory_width, **settings)
    memory = memories(width=memory_width)
    upstream = np.random.default_rng(2).normal(size=(*TARGETS.shape, VOCABULARY))

    copies = TorchCopies()
    keys, values = (
        torch.tensor(x.astype("float64"), requires_grad=True)
        for x in (memory.keys, memory.sequence)
    )
    mask = torch.tensor(memory.mask)
    expected, _ = torch_decode(decoder, copies, TARGETS, keys, values, mask)
    (expected * torch.tensor(upstream)).sum().backward()

    def function(keys, values, *weights):
        read = EncoderOutput(values, memory.mask, keys=keys)
        found = decoder.stateless_call(as_products(weights), [], TARGETS, read)[0]
        return found["logits"]

    arrays = [memory.keys, memory.sequence, *decoder.get_weights()]
    outputs, gradients = value_and_gradients(function, arrays, upstream)
    np.testing.assert_allclose(outputs, expected.detach().numpy(), rtol=1e-4, atol=1e-5)
    references = [keys.grad.numpy(), values.grad.numpy(), *copies.gradients(decoder)]
    for ours, theirs in zip(gradients, references, strict=True):
        scale = np.abs(theirs).max()
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5 * max(1, scale))


def test_alignment_is_the_mean_of_the_layers_of_torch():
    torch = import_torch()
    decoder, memory = make(), memories(padding=2)
    keys, values = (
        torch.tensor(x.astype("float64")) for x in (memory.keys, memory.sequence)
    )
    mask = torch.tensor(memory.mask)
    _, weights = torch_decode(decoder, TorchCopies(), TARGETS, keys, values, mask)
    expected = torch.stack(weights).mean(dim=0).detach().numpy()
    found = ops.convert_to_numpy(compiled(decoder.alignment)(TARGETS, memory))
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(found.sum(axis=-1), 1, rtol=1e-5)
    assert (found * ~memory.mask[:, None] == 0).all()


def test_without_keys_the_values_are_compared_with():
    decoder, memory = make(), memories(keys=False)
    both = memory._replace(keys=memory.sequence)
    np.testing.assert_allclose(
        run(decoder, TARGETS, memory), run(decoder, TARGETS, both), atol=1e-6
    )


def test_a_logit_knows_no_target_from_its_own_on():
    decoder, memory = make(), memories()
    changed = TARGETS.copy()
    changed[:, 3] = (changed[:, 3] + 1) % VOCABULARY
    before, after = run(decoder, TARGETS, memory), run(decoder, changed, memory)
    np.testing.assert_array_equal(before[:, :4], after[:, :4])
    assert (before[:, 4] != after[:, 4]).any(axis=-1).all()


def test_padding_and_neighbours_change_nothing():
    decoder = make()
    logits = run(decoder, np.pad(TARGETS, [(0, 0), (0, 3)]), memories())
    for i, (source, target) in enumerate(zip(SOURCES, (5, 2, 6), strict=True)):
        alone = EncoderOutput(
            *(x[i : i + 1, :source] for x in memories()[:2]),
            keys=memories().keys[i : i + 1, :source],
        )
        single = run(decoder, TARGETS[i : i + 1, :target], alone)
        np.testing.assert_allclose(logits[i, :target], single[0], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("rows", [1, 3])
@pytest.mark.parametrize("keys", [True, False])
def test_step_by_step_equals_teacher_forcing(rows, keys):
    decoder, memory = make(), memories(keys=keys, padding=1)
    rng = np.random.default_rng(3)
    targets = rng.integers(0, VOCABULARY, (len(SOURCES) * rows, 12)).astype("int32")
    each = keras.tree.map_structure(
        lambda x: None if x is None else np.repeat(x, rows, axis=0), memory
    )
    expected = run(decoder, targets, each)
    tokens = np.concatenate([np.full((len(targets), 1), START), targets], 1)
    state = decoder.start(memory, rows, 12)
    step = compiled(decoder.step)
    sizes = [tuple(x.shape) for x in keras.tree.flatten(state)]
    for u in range(12):
        logits, state = step(tokens[:, u].astype("int32"), state)
        np.testing.assert_allclose(
            ops.convert_to_numpy(logits), expected[:, u], rtol=1e-5, atol=1e-5
        )
    assert int(state.position) == 12
    assert [tuple(x.shape) for x in keras.tree.flatten(state)] == sizes
    assert all(x.shape[0] == len(targets) for x in keras.tree.flatten(state.cache))
    assert all(x.shape[0] == len(SOURCES) for x in state.memory)


def test_rows_can_change_places_between_steps():
    """What a beam search does: row r goes on from another row of its source."""
    decoder, memory = make(), memories()
    origin = np.array([1, 1, 2, 3, 5, 4])
    first = np.array([4, 5, 6, 7, 8, 9], "int32")
    second = np.array([9, 8, 7, 6, 5, 4], "int32")
    state, step = decoder.start(memory, 2, 3), compiled(decoder.step)
    for tokens in (np.full(6, START, "int32"), first):
        _, state = step(tokens, state)
    cache = keras.tree.map_structure(lambda x: ops.take(x, origin, axis=0), state.cache)
    logits, _ = step(second, state._replace(cache=cache))
    targets = np.stack([first[origin], second, second], axis=1)
    each = keras.tree.map_structure(
        lambda x: None if x is None else np.repeat(x, 2, axis=0), memory
    )
    np.testing.assert_allclose(
        ops.convert_to_numpy(logits),
        run(decoder, targets, each)[:, 2],
        rtol=1e-5,
        atol=1e-5,
    )


def test_a_source_without_frames_stays_finite():
    decoder, memory = make(), memories([3, 0])
    targets = TARGETS[:2]

    def function(values, *weights):
        read = EncoderOutput(values, memory.mask, keys=memory.keys)
        found = decoder.stateless_call(as_products(weights), [], targets, read)[0]
        return found["logits"]

    arrays = [memory.sequence, *decoder.get_weights()]
    outputs, gradients = value_and_gradients(function, arrays)
    assert all(np.isfinite(found).all() for found in (outputs, *gradients))
    alignment = ops.convert_to_numpy(compiled(decoder.alignment)(targets, memory))
    assert (alignment[1] == 0).all()


def test_tokens_beyond_the_positions_share_the_last():
    decoder, memory = make(max_length=4), memories()
    longer = np.tile(TARGETS, (1, 3))
    assert np.isfinite(run(decoder, longer, memory)).all()
    positions = ops.convert_to_numpy(decoder.positions(np.arange(6)))
    np.testing.assert_array_equal(positions[3:], np.repeat(positions[3:4], 3, axis=0))


def test_the_sources_table_is_shared():
    table = TokenEmbedding(VOCABULARY, WIDTH)
    table.build()
    decoder = ConvS2SDecoder(
        *(VOCABULARY, WIDTH, (4,), (3,), WIDTH), tie_source=True, tie_output=True
    )
    assert decoder.tie_source
    decoder.share(table)
    shape = (None, None, WIDTH)
    decoder.build(EncoderOutput(shape, shape[:-1]))
    tables = [w for w in decoder.weights if tuple(w.shape) == (VOCABULARY, WIDTH)]
    assert len(tables) == 1
    assert tables[0] is table.table
    assert run(decoder, TARGETS, memories()).shape == (*TARGETS.shape, VOCABULARY)


def test_a_tied_output_of_another_width_is_refused():
    with pytest.raises(ValueError, match="7 and 6"):
        make(tie_output=True, out_width=7)


@pytest.mark.parametrize("tie_output", [False, True])
def test_bfloat16_is_close_to_float32_and_logits_are_float32(tie_output):
    settings = {"tie_output": tie_output, "out_width": WIDTH}
    expected = run(make(**settings), TARGETS, memories())
    decoder = make(**settings, dtype="mixed_bfloat16")
    logits = compiled(decoder)(TARGETS, memories())["logits"]
    state = compiled(partial(decoder.start, beams=1, length=6))(memories())
    stepped, state = compiled(decoder.step)(np.full(3, START, "int32"), state)
    for found, reference in ((logits, expected), (stepped, expected[:, 0])):
        assert keras.backend.standardize_dtype(found.dtype) == "float32"
        error = np.abs(ops.convert_to_numpy(found) - reference)
        assert error.max() < 0.1 * np.abs(reference).max()
    for x in (*state.cache.values(), state.memory.keys, state.memory.values):
        assert keras.backend.standardize_dtype(x.dtype) == "bfloat16"


def test_weights_start_as_published():
    """N(0, 0.1) for embeddings, N(0, √(keep/in)) where dropout precedes (3.5)."""
    keras.utils.set_random_seed(0)
    decoder = ConvS2SDecoder(500, 256, (256, 256), (3, 3), 256, 200, 0.2)
    shape = (None, None, 256)
    decoder.build(EncoderOutput(shape, shape[:-1]))
    attention = decoder.attentions[1]
    expected = {
        "embedding": (decoder.embedding.table, 0.01),
        "positions": (decoder.positions.table, 0.01),
        "entry": (decoder.entry.direction, 0.8 / 256),
        "convolution": (decoder.convolutions[1].convolution.direction, 3.2 / 768),
        "query": (attention.query.direction, 1 / 256),
        "attended": (attention.exit.direction, 1 / 256),
        "exit": (decoder.exit.direction, 1 / 256),
        "output": (decoder.output_layer.direction, 0.8 / 256),
    }
    for name, (variable, variance) in expected.items():
        assert array(variable).var() == pytest.approx(variance, rel=0.02), name


def test_dropout_changes_logits_in_training_only():
    decoder, memory = make(dropout=0.2), memories()
    first, second = (
        ops.convert_to_numpy(decoder(TARGETS, memory, training=True)["logits"])
        for _ in range(2)
    )
    assert np.abs(first - second).max() > 0.01
    np.testing.assert_array_equal(*(run(decoder, TARGETS, memory) for _ in range(2)))


def test_unknown_sizes_trace_in_tensorflow():
    if keras.backend.backend() != "tensorflow":
        pytest.skip("unknown shapes are traced by TensorFlow only")
    import tensorflow as tf

    decoder = make()
    sequence = tf.TensorSpec((None, None, WIDTH), tf.float32)

    @tf.function(
        input_signature=[
            *(sequence, sequence, tf.TensorSpec((None, None), tf.bool)),
            tf.TensorSpec((None, None), tf.int32),
        ]
    )
    def traced(keys, values, mask, targets):
        memory = EncoderOutput(values, mask, keys=keys)
        logits, _ = decoder.step(targets[:, 0], decoder.start(memory, 1, 6))
        return decoder(targets, memory)["logits"], logits

    memory = memories()
    logits, stepped = traced(memory.keys, memory.sequence, memory.mask, TARGETS)
    np.testing.assert_allclose(logits, run(decoder, TARGETS, memory), atol=1e-5)
    assert stepped.shape == (3, VOCABULARY)


def test_the_scaled_form_has_a_convolution_of_each_kind():
    settings = ConvS2SDecoder.scaled_settings(partial(ConvS2SDecoder, **PUBLISHED))
    assert settings == {
        "width": 8,
        "out_width": 8,
        "channels": (8, 16, 32),
        "kernels": (3, 3, 1),
    }
