"""Naive Bayes against its definition, text by text."""

import itertools
import math
from collections import Counter

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.naive_bayes import MAX_BUCKETS, NaiveBayes

EXAMPLES = {NaiveBayes: {"classes": 3, "buckets": 16}}
CLASSES = 3
WORDS = 40


def corpus(count, seed):
    """Texts of few tokens, some of them more frequent in a class, and the classes."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    lengths = rng.integers(1, 12, count)
    texts = [
        (rng.integers(0, WORDS, n) + 3 * c * (rng.random(n) < 0.3)).astype("int32")
        for n, c in zip(lengths, labels, strict=True)
    ]
    return texts, labels


def padded(texts, padding=0):
    lengths = np.array([len(text) for text in texts], "int32")
    rows = np.full((len(texts), lengths.max() + padding), 77, "int32")
    for row, text in zip(rows, texts, strict=True):
        row[: len(text)] = text
    return rows, lengths


def grams(text):
    words = [int(word) for word in text]
    return {*words, *itertools.pairwise(words)}


def by_definition(texts, labels):
    """log p(class) + sum of log p(gram | class), smoothed by one of each."""
    counts = [Counter() for _ in range(CLASSES)]
    for text, label in zip(texts, labels, strict=True):
        counts[label].update(grams(text))
    seen = set().union(*counts)
    priors = Counter(labels.tolist())

    def scores(text):
        known = grams(text) & seen
        return [
            math.log(priors[c] + 1)
            + sum(
                math.log((counts[c][g] + 1) / (counts[c].total() + len(seen)))
                for g in known
            )
            for c in range(CLASSES)
        ]

    return scores


@pytest.fixture(scope="module")
def counted():
    texts, labels = corpus(200, 0)
    layer = NaiveBayes(CLASSES)
    layer.build()
    halves = (slice(0, 90), slice(90, None))
    layer.count([(*padded(texts[half]), labels[half]) for half in halves])
    return layer, by_definition(texts, labels)


def test_probabilities_are_those_of_the_definition(counted):
    layer, scores = counted
    unseen, _ = corpus(50, 1)
    tokens, lengths = padded(unseen)
    found = ops.convert_to_numpy(ops.log_softmax(layer(tokens, lengths)))
    exact = np.array([scores(text) for text in unseen])
    exact -= np.log(np.exp(exact).sum(1, keepdims=True))
    np.testing.assert_allclose(found, exact, atol=1e-4)


def test_padding_and_repeated_words_change_nothing(counted):
    layer, _ = counted
    texts = [np.array([3, 5, 3, 5, 3], "int32"), np.array([3, 5, 3], "int32")]
    near, far = (ops.convert_to_numpy(layer(*padded(texts, p))) for p in (0, 6))
    np.testing.assert_array_equal(near, far)
    np.testing.assert_allclose(near[0], near[1], rtol=1e-6)


def test_counting_again_forgets_what_was_counted():
    texts, labels = corpus(60, 2)
    layer = NaiveBayes(CLASSES, 64)
    layer.build()
    batch = (*padded(texts), labels)
    layer.count([batch])
    once = [ops.convert_to_numpy(w) for w in layer.weights]
    layer.count([batch])
    for before, after in zip(once, layer.weights, strict=True):
        np.testing.assert_array_equal(before, ops.convert_to_numpy(after))


def test_texts_without_a_class_are_left_out():
    texts, labels = corpus(60, 3)
    layer = NaiveBayes(CLASSES, 64)
    layer.build()
    layer.count([(*padded(texts[:40]), labels[:40])])
    known = [ops.convert_to_numpy(w) for w in layer.weights]
    hidden = np.where(np.arange(60) < 40, labels, -1)
    layer.count([(*padded(texts), hidden)])
    for before, after in zip(known, layer.weights, strict=True):
        np.testing.assert_array_equal(before, ops.convert_to_numpy(after))


def test_the_largest_hash_stays_in_its_buckets():
    layer = NaiveBayes(2)
    tokens = np.full((1, 3), 2**31 - 1, "int32")
    rows = ops.convert_to_numpy(layer.grams(tokens, np.array([3], "int32")))
    assert rows.min() >= 0
    assert rows.max() < 2 * MAX_BUCKETS


def test_it_computes_in_float32_under_any_policy():
    layer = NaiveBayes(2, 8, dtype="mixed_float16")
    layer.build()
    found = layer(np.ones((1, 2), "int32"), np.array([2], "int32"))
    assert keras.backend.standardize_dtype(found.dtype) == "float32"
