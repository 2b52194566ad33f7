"""Attention by content against the equations of the papers in NumPy."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.content_attention import SCORES, ContentAttention
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled
from tests.layers.attention_in_numpy import scores, softmax

LENGTHS = np.array([4, 2, 0])
EXAMPLES = {ContentAttention: {"score": "additive", "units": 3, "initial_range": 0.1}}


def make(score, policy="float32"):
    """A layer with random weights, for queries of 3 and keys of 5."""
    units = None if score == "dot" else 6
    layer = ContentAttention(score, units, dtype=policy)
    layer.build((None, None, 3), (None, None, 5))
    rng = np.random.default_rng(0)
    layer.set_weights([rng.normal(size=w.shape) for w in layer.get_weights()])
    return layer


def batch(padding=0, keys=True):
    """Queries (3, 2, 3) and a memory whose keys are not its values."""
    rng = np.random.default_rng(1)
    mask = np.arange(4 + padding)[None] < LENGTHS[:, None]
    values = np.zeros((3, 4 + padding, 5), "float32")
    values[:, :4] = rng.normal(size=(3, 4, 5)) * mask[:, :4, None]
    others = np.zeros_like(values)
    others[:, :4] = rng.normal(size=(3, 4, 5))
    memory = EncoderOutput(values, mask, keys=others if keys else None)
    return rng.normal(size=(3, 2, 3)).astype("float32"), memory


def run(layer, queries, memory):
    def both(queries, memory):
        prepared = layer.prepare(memory)
        return layer.align(queries, prepared), layer(queries, prepared)

    found = compiled(both)(queries, EncoderOutput(*map(as_tensor, memory)))
    return [ops.convert_to_numpy(ops.cast(x, "float32")) for x in found]


def as_tensor(x):
    return None if x is None else ops.convert_to_tensor(x)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("keys", [True, False])
def test_weights_and_contexts_are_those_of_the_equations(score, keys):
    layer = make(score)
    queries, memory = batch(keys=keys)
    weights, contexts = run(layer, queries, memory)
    named = {w.name: ops.convert_to_numpy(w) for w in layer.weights}
    compared = memory.keys if keys else memory.sequence
    for row, length in enumerate(LENGTHS[:2]):
        for i, query in enumerate(queries[row]):
            found = scores(score, named, query, compared[row, :length])
            expected = softmax(found)
            np.testing.assert_allclose(weights[row, i, :length], expected, atol=1e-5)
            context = expected @ memory.sequence[row, :length]
            np.testing.assert_allclose(contexts[row, i], context, atol=1e-5)


@pytest.mark.parametrize("score", SCORES)
def test_real_frames_share_one_and_padding_changes_nothing(score):
    layer = make(score)
    weights, contexts = run(layer, *batch())
    padded, same = run(layer, *batch(padding=3))
    np.testing.assert_allclose(weights[:2].sum(-1), 1, rtol=1e-6)
    assert (padded[:2, :, 4:] == 0).all()
    assert (padded[1, :, 2:] == 0).all()
    np.testing.assert_allclose(padded[:2, :, :4], weights[:2], atol=1e-6)
    np.testing.assert_allclose(same, contexts, atol=1e-6)


@pytest.mark.parametrize("score", SCORES)
def test_a_source_without_frames_reads_nothing(score):
    weights, contexts = run(make(score), *batch())
    assert np.isfinite(weights).all()
    assert (contexts[2] == 0).all()


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_weights_are_float32_under_mixed_policies(score, policy):
    layer = make(score, policy)
    queries, memory = batch()
    prepared = layer.prepare(EncoderOutput(*map(as_tensor, memory)))
    half = policy[len("mixed_") :]
    assert keras.backend.standardize_dtype(prepared.keys.dtype) == half
    weights = layer.align(as_tensor(queries), prepared)
    assert keras.backend.standardize_dtype(weights.dtype) == "float32"
    exact, _ = run(make(score), queries, memory)
    np.testing.assert_allclose(ops.convert_to_numpy(weights)[:2], exact[:2], atol=0.1)
    assert all(w.dtype == "float32" for w in layer.weights)


def test_mistakes_are_refused():
    with pytest.raises(ValueError, match="normalized, additive, dot"):
        ContentAttention("cosine")
    with pytest.raises(ValueError, match="as deep as the queries, not 3"):
        ContentAttention("dot", 3)
