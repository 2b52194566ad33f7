"""Words and entries of a table that are dropped in training."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.features.dropped_tokens import DroppedTokenFeatures

EXAMPLES = {
    DroppedTokenFeatures: {
        "vocabulary_size": 9,
        "width": 4,
        "deviation": 0.5,
        "scaled": True,
        "row_dropout": 0.25,
        "entry_dropout": 0.5,
    }
}
TOKENS = np.arange(200, dtype="int32").reshape(2, 100) % 50
LENGTHS = np.array([100, 60], "int32")


def read(training, **dropout):
    """What is read of each token, over its row: 1 where nothing is dropped."""
    features = DroppedTokenFeatures(50, width=8, **dropout)
    features.build()
    x, mask = features(TOKENS, LENGTHS, training=training)
    rows = ops.convert_to_numpy(features.embedding(TOKENS))
    mask = ops.convert_to_numpy(mask)
    assert (ops.convert_to_numpy(x)[~mask] == 0).all()
    factors = ops.convert_to_numpy(x) / rows
    return np.where(mask[..., None], factors, np.nan)


@pytest.mark.parametrize("dropout", ["row_dropout", "entry_dropout"])
def test_a_word_is_dropped_alike_wherever_it_stands(dropout):
    factors = read(True, **{dropout: 0.5})
    first = factors[0, :50]
    assert set(np.unique(first.round(4))) == {0.0, 2.0}
    np.testing.assert_array_equal(factors[0, 50:], first)
    np.testing.assert_array_equal(factors[1, :50], first)
    whole_rows = (first == first[:, :1]).all()
    assert whole_rows == (dropout == "row_dropout")


def test_nothing_is_dropped_elsewhere():
    factors = read(False, row_dropout=0.5, entry_dropout=0.5)
    assert set(np.unique(factors[0])) == {1.0}
