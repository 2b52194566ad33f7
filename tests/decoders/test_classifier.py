"""The head of classifiers: pooling by hand, padding changes nothing."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.bayesian_classifier import BayesianClassifierDecoder
from s2s_zoo.decoders.classifier import POOLINGS, ClassifierDecoder
from s2s_zoo.features.mel import LogMel
from s2s_zoo.search.labels import BestLabels
from s2s_zoo.typing import EncoderOutput

EXAMPLES = {
    BayesianClassifierDecoder: {
        "classes": 3,
        "bayes": 0.5,
        "buckets": 16,
        "pooling": "last",
        "dropout": 0.25,
        "l2": 0.5,
        "hidden": (4,),
    },
    ClassifierDecoder: {
        "classes": 3,
        "pooling": "max",
        "dropout": 0.25,
        "l2": 0.5,
        "hidden": (4, 2),
    },
}
LENGTHS = np.array([5, 2, 1, 0])
FRAMES, WIDTH = 5, 6


def memory(padding=0, seed=0):
    """Four rows of different lengths; anything may lie in the padding."""
    x = np.random.default_rng(3).normal(-1, 1, (4, FRAMES + padding, WIDTH))
    mask = np.arange(FRAMES + padding) < LENGTHS[:, None]
    rest = np.random.default_rng(seed).normal(0, 9, x.shape)
    x[:, :FRAMES] = np.random.default_rng(3).normal(-1, 1, (4, FRAMES, WIDTH))
    x = np.where(mask[..., None], x, rest).astype("float32")
    return EncoderOutput(ops.convert_to_tensor(x), ops.convert_to_tensor(mask)), x


def pooled(pooling, rows):
    """By hand, of the real frames (T, D) of each source."""
    zeros = np.zeros(WIDTH)
    if pooling == "flatten":
        return [np.pad(row, ((0, FRAMES - len(row)), (0, 0))).ravel() for row in rows]
    how = {"mean": lambda r: r.mean(0), "max": lambda r: r.max(0)}
    how["last"] = lambda r: r[-1]
    return [how[pooling](row) if len(row) else zeros for row in rows]


@pytest.mark.parametrize("pooling", sorted({*POOLINGS} - {"state"}))
def test_pools_real_frames(pooling):
    keras.utils.set_random_seed(0)
    decoder = ClassifierDecoder(3, pooling, hidden=(4,))
    found, x = memory()
    decoder.build(EncoderOutput(x.shape, x.shape[:2]))
    rows = [row[:length] for row, length in zip(x, LENGTHS, strict=True)]
    weights = [ops.convert_to_numpy(w) for w in decoder.trainable_variables]
    hidden = np.maximum(np.stack(pooled(pooling, rows)) @ weights[0] + weights[1], 0)
    expected = hidden @ weights[2] + weights[3]
    logits = ops.convert_to_numpy(decoder(None, found)["logits"])
    np.testing.assert_allclose(logits, expected, atol=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max", "last"])
def test_padding_changes_nothing(pooling):
    decoder = ClassifierDecoder(3, pooling)
    decoder.build(EncoderOutput((None, None, WIDTH), (None, None)))
    one, other = (
        ops.convert_to_numpy(decoder(None, memory(padding, padding)[0])["logits"])
        for padding in (0, 7)
    )
    np.testing.assert_allclose(one, other, atol=1e-6)


def test_flatten_wants_as_many_frames_of_every_memory():
    decoder = ClassifierDecoder(3, "flatten")
    with pytest.raises(ValueError, match="as many frames of every memory"):
        decoder.build(EncoderOutput((None, None, WIDTH), (None, None)))


def test_the_final_state_of_the_highest_layer_is_read_whole():
    rng = np.random.default_rng(0)
    low, h, c = (rng.normal(size=(4, n)).astype("float32") for n in (5, 2, 2))
    found, x = memory()
    decoder = ClassifierDecoder(3, "state")
    shapes = (((None, 5),) * 2, ((None, 2),) * 2)
    decoder.build(EncoderOutput(x.shape, x.shape[:2], shapes))
    kernel, bias = map(ops.convert_to_numpy, decoder.trainable_variables)
    logits = decoder(None, found._replace(state=((low, low), (h, c))))["logits"]
    expected = np.concatenate([h, c], axis=1) @ kernel + bias
    np.testing.assert_allclose(ops.convert_to_numpy(logits), expected, atol=1e-5)
    with pytest.raises(ValueError, match="the final state of a recurrent encoder"):
        ClassifierDecoder(3, "state").build(EncoderOutput(x.shape, x.shape[:2]))


def test_naive_bayes_joins_where_the_model_is_used():
    keras.utils.set_random_seed(0)
    decoder = BayesianClassifierDecoder(3, bayes=0.5, buckets=16)
    found, x = memory()
    decoder.build(EncoderOutput(x.shape, x.shape[:2]))
    tokens, lengths = np.array([[3], [5], [5], [9]]), np.ones(4, "int32")
    texts = {"source": tokens, "source_lengths": lengths}
    decoder.adapt([(texts, {"target": np.array([[0], [1], [1], [2]])})])
    alone = ops.convert_to_numpy(decoder(None, found, training=True, **texts)["logits"])
    joined = ops.convert_to_numpy(decoder(None, found, **texts)["logits"])
    votes = ops.convert_to_numpy(decoder.naive_bayes(tokens, lengths))
    np.testing.assert_allclose(joined, alone + 0.5 * votes, rtol=1e-5)
    assert np.argmax(votes, 1).tolist() == [0, 1, 1, 2]


def test_naive_bayes_reads_tokens_only():
    with pytest.raises(ValueError, match="naive Bayes reads tokens"):
        BayesianClassifierDecoder(2, buckets=16).follow(LogMel(), None)


def test_the_likeliest_labels_come_first():
    logits = np.array([[1.0, 3.0, 2.0, 3.0], [0.0, 0.0, 0.0, 9.0]], "float32")
    mask = np.array([[True, False], [False, False]])
    found = BestLabels().parse("top=3").read({"logits": logits, "mask": mask})
    assert [int(h.tokens[0]) for h in found[0]] == [1, 3, 2]
    exact = np.exp(logits[0]) / np.exp(logits[0]).sum()
    scores = np.exp([h.score for h in found[0]])
    np.testing.assert_allclose(scores, exact[[1, 3, 2]], rtol=1e-5)
    assert found[1] == []
