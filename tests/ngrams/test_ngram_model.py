"""Scores of n-gram models are KenLM's, and states hold no more than they must."""

import math
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.ngrams import (
    NGramModel,
    NGrams,
    estimate_kneser_ney,
    load_language_model,
    split_units,
)
from s2s_zoo.ngrams.grams import Grams
from s2s_zoo.ngrams.probing import fill_table

DATA = Path(__file__).parent / "data"
LN10 = math.log(10)

KENLM = [
    ("pruned.arpa", "the dog sees zebra", -5.933775),
    ("pruned.arpa", "a a a a the", -4.875765),
    ("pruned.arpa", "naïve café in the", -7.78101),
    ("pruned.arpa", "unseen the bird sings", -7.897357),
    ("pruned.arpa", "", -1.606900),
    ("pruned.arpa", "zebra zebra of über", -9.440042),
    ("full.arpa.gz", "the dog sees zebra", -4.252275),
    ("full.arpa.gz", "a a a a the", -5.005045),
    ("incomplete.arpa", "a b c", -1.7),
    ("incomplete.arpa", "c a b c", -2.95),
    ("incomplete.arpa", "b c a", -4.3),
    ("incomplete.arpa", "x a b c", -4.75),
    ("incomplete.arpa", "a c", -3.05),
]
"""Base 10, as kenlm.Model.score of KenLM 0.3.0 gives them for the same files.

incomplete.arpa has an n-gram whose last words are none; KenLM wants its fields
separated by tabs.
"""


@pytest.fixture(scope="module")
def pruned():
    return load_language_model(DATA / "pruned.arpa")


@pytest.mark.parametrize(("name", "line", "expected"), KENLM)
def test_scores_of_kenlm(name, line, expected):
    model = load_language_model(DATA / name)
    assert model.score(line.split()) / LN10 == pytest.approx(expected, abs=5e-6)


def test_a_state_is_the_longest_context_that_a_longer_ngram_begins_with(pruned):
    _, state = pruned.advance(pruned.start(), "zebra")
    assert state == ((), ())  # no bigram begins with zebra
    _, one = pruned.advance(state, "the")
    assert one.words == (pruned.vocabulary["the"],)
    _, other = pruned.advance(pruned.advance(one, "unseen")[1], "the")
    assert other == one
    assert hash(other) == hash(one)


def test_unknown_words_are_the_models_own(pruned):
    assert not pruned.knows("unseen")
    assert not pruned.knows("<unk>")
    assert pruned.knows("zebra")
    found = pruned.advance(pruned.start(), "unseen")
    assert found == pruned.advance(pruned.start(), "<unk>")


def small(vocabulary, unigrams):
    """A model of unigrams with these probabilities."""
    ids = np.array([[vocabulary.index(word)] for word in unigrams], np.int32)
    logs = np.log10(np.array(list(unigrams.values()), np.float32))
    return NGramModel.from_ngrams(
        NGrams(vocabulary, (Grams(ids, logs, np.zeros_like(logs)),))
    )


def test_without_unknown_and_ends_a_model_has_the_floor():
    model = small(("<unk>", "a", "b"), {"a": 0.75, "b": 0.25})
    assert model.start() == ((), ())
    assert model.order == 1
    assert model.advance(model.start(), "c")[0] == pytest.approx(-100 * LN10)
    assert model.end(model.start()) == pytest.approx(-100 * LN10)


def test_perplexity_with_and_without_unknown():
    model = small(
        ("<unk>", "</s>", "a", "b"), {"<unk>": 0.1, "</s>": 0.2, "a": 0.5, "b": 0.2}
    )
    found = model.perplexity([["a", "c", "b"], ["a"]])
    assert (found.units, found.unknown, found.lines) == (6, 1, 2)
    product = 0.5 * 0.1 * 0.2 * 0.2 * 0.5 * 0.2
    assert found.including_unknown == pytest.approx(product ** (-1 / 6))
    assert found.excluding_unknown == pytest.approx((product / 0.1) ** (-1 / 5))
    assert math.isnan(model.perplexity([]).including_unknown)


@pytest.mark.parametrize(
    ("lines", "unit"),
    [
        (["ab a", "b"], "characters"),
        (["abab"], "words"),  # no space: words may be one character long
        (["to be"], "words"),
    ],
)
def test_what_a_unit_is_shows_in_the_vocabulary(lines, unit):
    characters = "words" if lines == ["to be"] else "characters"
    split = [split_units(line, characters) for line in lines]
    ngrams = estimate_kneser_ney(split, 2).ngrams
    assert NGramModel.from_ngrams(ngrams).unit == unit


def test_a_unit_is_words_or_characters():
    with pytest.raises(ValueError, match=r"words, characters\. Received: 'letters'"):
        split_units("a", "letters")


@pytest.mark.parametrize("count", [0, 1, 2, 50, 1000])
def test_a_table_finds_what_it_was_filled_with_and_nothing_else(count):
    rng = np.random.default_rng(count)
    keys = rng.permutation(np.arange(1, 3 * count + 1, dtype=np.uint64))[:count]
    keys[: count // 2] += np.uint64(10**15)
    values = rng.normal(size=(2, count)).astype(np.float32)
    table = fill_table(keys, *values)
    for key, *expected in zip(keys.tolist(), *values.tolist(), strict=True):
        assert table.find(key) == (key, *expected)
    absent = set(range(1, 3 * count + 10)) - set(keys.tolist())
    assert all(table.find(key) is None for key in absent)


def test_a_table_wraps_around_at_its_end():
    keys = np.array([2, 5, 8, 11, 14], np.uint64)  # 7 buckets
    table = fill_table(
        keys * np.uint64(7) + np.uint64(6), np.arange(5, dtype="f4"), None
    )
    for index, key in enumerate(keys.tolist()):
        assert table.find(key * 7 + 6) == (key * 7 + 6, index)
    assert table.find(6) is None
