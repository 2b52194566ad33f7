"""Tables of tokens: rows, and scores of all tokens."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.layers.embedding import TokenEmbedding

EXAMPLES = {
    layer: {"vocabulary_size": 7, "width": 3, "deviation": 0.2, "scaled": True}
    for layer in (TokenEmbedding, TokenFeatures)
}
TOKENS = np.array([[2, 6, 0], [5, 0, 0]], "int32")


@pytest.mark.parametrize("scaled", [False, True])
def test_rows_are_those_of_the_table(scaled):
    embedding = TokenEmbedding(7, 4, scaled=scaled)
    embedding.build()
    table = ops.convert_to_numpy(embedding.table)
    found = ops.convert_to_numpy(embedding(TOKENS))
    np.testing.assert_allclose(found, table[TOKENS] * (2 if scaled else 1), rtol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores_are_products_with_the_table_and_float32(dtype):
    embedding = TokenEmbedding(7, 3)
    embedding.build()
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    scores = embedding.logits(ops.cast(x, dtype))
    assert keras.backend.standardize_dtype(scores.dtype) == "float32"
    expected = x @ ops.convert_to_numpy(embedding.table).T
    tolerance = 1e-5 if dtype == "float32" else 0.02 * np.abs(expected).max()
    np.testing.assert_allclose(ops.convert_to_numpy(scores), expected, 0, tolerance)


def test_features_of_tokens_are_zero_beyond_the_end():
    features = TokenFeatures(7, 3)
    features.build()
    rows, mask = features(TOKENS, np.array([2, 0], "int32"))
    expected = np.array([[True, True, False], [False] * 3])
    np.testing.assert_array_equal(ops.convert_to_numpy(mask), expected)
    table = ops.convert_to_numpy(features.table.table)
    wanted = table[TOKENS] * expected[..., None]
    np.testing.assert_allclose(ops.convert_to_numpy(rows), wanted, rtol=1e-6)


@pytest.mark.parametrize(("deviation", "expected"), [(None, 0.1), (0.3, 0.3)])
def test_tables_start_as_they_say(deviation, expected):
    embedding = TokenEmbedding(500, 100, deviation)
    embedding.build()
    found = ops.convert_to_numpy(embedding.table).std()
    assert found == pytest.approx(expected, rel=0.02)
