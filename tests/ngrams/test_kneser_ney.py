"""Kneser-Ney estimates are those of the definition and of KenLM's lmplz."""

import math
import os
from collections import Counter, defaultdict
from fractions import Fraction
from itertools import chain, product
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.ngrams import (
    NGramModel,
    estimate_kneser_ney,
    load_language_model,
    read_arpa,
    split_units,
)
from s2s_zoo.ngrams.base import SPACE
from s2s_zoo.search.text_scores import TextScores

DATA = Path(__file__).parent / "data"
TEXT = [line.split() for line in (DATA / "text.txt").read_text("utf-8").splitlines()]
SHORT = ["a b a c", "b a b a", "c", "a a a b c a", "b c a b", "a b a b a b d"]
FALLBACK = (Fraction(1, 2), Fraction(1), Fraction(3, 2))


def entries(ngrams, order):
    """Log-probabilities and backoffs of one order by the words of the n-gram."""
    grams = ngrams.orders[order - 1]
    names = [tuple(ngrams.vocabulary[i] for i in row) for row in grams.words]
    values = zip(grams.log_probabilities, grams.backoffs, strict=True)
    return dict(zip(names, values, strict=True))


class Definition:
    """Chen & Goodman 1998, section 4.1.6, word by word in fractions."""

    def __init__(self, lines, order, prune):
        self.order, self.prune = order, prune
        padded = [["<s>", *line, "</s>"] for line in lines]
        self.occurring = [
            Counter(
                tuple(line[i : i + n])
                for line in padded
                for i in range(len(line) - n + 1)
            )
            for n in range(1, order + 1)
        ]
        del self.occurring[0]["<s>",]
        self.counts = [self.count(n) for n in range(1, order + 1)]
        self.discounts = [self.discount(counts) for counts in self.counts]
        self.words = {word for (word,) in self.occurring[0]} | {"<unk>"}

    def count(self, n):
        if n == self.order:
            return self.occurring[-1]
        before = defaultdict(set)
        for gram in self.occurring[n]:
            before[gram[1:]].add(gram[0])
        return {
            gram: count if gram[0] == "<s>" else len(before[gram])
            for gram, count in self.occurring[n - 1].items()
        }

    @staticmethod
    def discount(counts):
        n = [sum(c == k for c in counts.values()) for k in range(5)]
        if 0 in n[1:4]:
            return FALLBACK
        y = Fraction(n[1], n[1] + 2 * n[2])
        found = [k - (k + 1) * y * Fraction(n[k + 1], n[k]) for k in (1, 2, 3)]
        return found if all(0 < d <= k for k, d in enumerate(found, 1)) else FALLBACK

    def kept(self, gram):
        n = len(gram)
        return n == 1 or self.occurring[n - 1].get(gram, 0) > self.prune[n - 1]

    def following(self, context):
        found = self.counts[len(context)].items()
        return {gram: c for gram, c in found if gram[:-1] == context}

    def backoff(self, context):
        grams = self.following(context)
        if not grams:
            return Fraction(1)
        taken = self.discounts[len(context)]
        saved = [taken[min(c, 3) - 1] if self.kept(g) else c for g, c in grams.items()]
        return Fraction(sum(saved)) / sum(grams.values())

    def probability(self, word, context):
        if len(context) == self.order or (context and not self.following(context)):
            return self.probability(word, context[1:])
        grams, gram = self.following(context), (*context, word)
        own = Fraction(0)
        if gram in grams and self.kept(gram):
            count = grams[gram]
            taken = self.discounts[len(context)][min(count, 3) - 1]
            own = Fraction(count - taken) / sum(grams.values())
        if context:
            shorter = self.probability(word, context[1:])
        else:
            shorter = Fraction(1, len(self.words))
        return own + self.backoff(context) * shorter


@pytest.mark.parametrize("prune", [(0, 0, 0, 0), (0, 1, 1, 2)])
@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_every_entry_is_that_of_the_definition(order, prune):
    lines = [line.split() for line in SHORT]
    expected = Definition(lines, order, prune)
    ngrams = estimate_kneser_ney(lines, order, prune[:order]).ngrams
    for n in range(1, order + 1):
        found = entries(ngrams, n)
        kept = {gram for gram in expected.counts[n - 1] if expected.kept(gram)}
        assert set(found) == kept | ({("<unk>",), ("<s>",)} if n == 1 else set())
        for gram, (log_probability, backoff) in found.items():
            value = 1 if gram == ("<s>",) else expected.probability(gram[-1], gram[:-1])
            assert log_probability == pytest.approx(math.log10(value), abs=1e-6)
            value = expected.backoff(gram) if n < order else 1
            assert backoff == pytest.approx(math.log10(value), abs=1e-6)


@pytest.mark.parametrize("prune", [(), (0, 0, 1), (0, 1, 1)])
def test_the_model_gives_the_definitions_probability_after_every_history(prune):
    lines = [line.split() for line in SHORT]
    expected = Definition(lines, 3, (*prune, 0, 0, 0)[:3])
    model = NGramModel.from_ngrams(estimate_kneser_ney(lines, 3, prune).ngrams)
    for history in chain.from_iterable(product("abcd", repeat=n) for n in range(4)):
        state = model.start()
        for word in history:
            _, state = model.advance(state, word)
        context = ("<s>", *history)[-2:]
        for word in "abcd":
            value = float(expected.probability(word, context))
            assert model.advance(state, word)[0] == pytest.approx(
                math.log(value), abs=1e-5
            )
        value = float(expected.probability("</s>", context))
        assert model.end(state) == pytest.approx(math.log(value), abs=1e-5)


def test_a_corpus_worked_by_hand():
    estimate = estimate_kneser_ney([["a", "b"]], order=2)
    assert estimate.discounts == ((0.5, 1.0, 1.5), (0.5, 1.0, 1.5))
    assert (estimate.fallbacks, estimate.units, estimate.lines) == ((1, 2), 2, 1)
    unigrams, bigrams = (entries(estimate.ngrams, n) for n in (1, 2))
    # Three words of count 1, each less a half; the rest is shared by them and <unk>.
    unknown = 3 * 0.5 / 3 / 4
    assert unigrams["<unk>",][0] == pytest.approx(math.log10(unknown))
    assert unigrams["b",][0] == pytest.approx(math.log10(0.5 / 3 + unknown))
    assert unigrams["a",][1] == pytest.approx(math.log10(0.5))
    both = 0.5 + 0.5 * (0.5 / 3 + unknown)
    assert bigrams["a", "b"][0] == pytest.approx(math.log10(both))


@pytest.mark.parametrize("prune", [(), (0, 1, 1, 2), (0, 0, 3)])
@pytest.mark.parametrize("order", [2, 4])
def test_probabilities_after_a_context_sum_to_one(order, prune):
    ngrams = estimate_kneser_ney(TEXT, order, prune[:order]).ngrams
    model = NGramModel.from_ngrams(ngrams)
    words = [word for word in ngrams.vocabulary if word not in ("<s>", "</s>")]
    states = {model.start()}
    for line in TEXT[:40]:
        state = model.start()
        for word in line:
            _, state = model.advance(state, word)
            states.add(state)
    assert len(states) > 20
    for state in states:
        total = sum(math.exp(model.advance(state, word)[0]) for word in words)
        assert total + math.exp(model.end(state)) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    ("name", "order", "prune", "fours"),
    [
        ("full.arpa.gz", 3, (), None),
        ("pruned.arpa", 4, (0, 1, 1, 2), (0.963329, 1.55539, 3)),
    ],
)
def test_the_estimate_of_lmplz(name, order, prune, fours):
    """lmplz --discount_fallback -o ORDER --prune PRUNE < text.txt, KenLM 0.3.0."""
    expected = read_arpa(DATA / name)
    found = estimate_kneser_ney(TEXT, order, prune)
    assert found.fallbacks == (1,)
    assert found.discounts[1] == pytest.approx((0.588571, 1.14167, 1.99102), rel=1e-5)
    assert fours is None or found.discounts[3] == pytest.approx(fours, rel=1e-5)
    for n in range(1, order + 1):
        mine, its = entries(found.ngrams, n), entries(expected, n)
        assert mine.keys() == its.keys()
        for gram, values in mine.items():
            assert values == pytest.approx(its[gram], abs=2e-6)


def test_penn_treebank_as_lmplz_has_it():
    data = Path(os.environ.get("S2S_ZOO_DATA_DIR", ""))
    texts, model = data / "lm_ptb", data / "lm_kenlm" / "ptb_3gram_prune011.arpa.gz"
    if not (texts.is_dir() and model.is_file()):
        pytest.skip("needs lm_ptb and lm_kenlm in $S2S_ZOO_DATA_DIR")
    train, valid = (
        _treebank(texts / f"ptb.{part}.txt.gz") for part in ("train", "valid")
    )
    found = estimate_kneser_ney(train, 3, (0, 1, 1)).ngrams
    expected = read_arpa(model)
    assert [len(grams) for grams in found.orders] == [10_002, 88_482, 81_305]
    # lmplz counts the last unigram by its occurrences: its third discount is 1.26492.
    for n, close in ((1, 1e-3), (2, 1e-4), (3, 1e-5)):
        mine, its = entries(found, n), entries(expected, n)
        assert mine.keys() == its.keys()
        values = np.array([mine[gram] for gram in its])
        np.testing.assert_allclose(values, list(its.values()), rtol=0, atol=close)
    scores = [
        NGramModel.from_ngrams(ngrams).perplexity(valid).including_unknown
        for ngrams in (found, expected)
    ]
    assert scores == pytest.approx([175.576378] * 2, rel=1e-4)  # KenLM's query


def _treebank(path):
    import gzip

    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [line.replace("<unk>", "[unk]").split() for line in file]


def test_a_model_of_characters_has_a_unit_for_spaces(tmp_path):
    from s2s_zoo.ngrams import write_arpa

    lines = [split_units(line, "characters") for line in ("to be", "or  not", "to")]
    assert lines[0] == ["t", "o", SPACE, "b", "e"]
    assert lines[1] == ["o", "r", SPACE, "n", "o", "t"]
    write_arpa(tmp_path / "lm.arpa", estimate_kneser_ney(lines, 3).ngrams)
    model = load_language_model(tmp_path / "lm.arpa")
    assert model.unit == "characters"
    assert model.knows(SPACE)
    assert not model.knows("x")


@pytest.mark.parametrize(
    ("lines", "order", "prune", "message"),
    [
        ([], 2, (), "received no unit"),
        ([[], []], 2, (), "received no unit"),
        ([["a"], ["b", "<unk>"]], 2, (), "reserved; received one in line 2"),
        ([["<s>"]], 2, (), "reserved"),
        ([["a"]], 0, (), "order is 1 to 10. Received: 0"),
        ([["a"]], 11, (), "order is 1 to 10"),
        ([["a"]], 2, (1,), "prune is 0 and up to 1 thresholds more"),
        ([["a"]], 3, (0, 2, 1), "none below the one before. Received: 0 2 1"),
        ([["a"]], 2, (0, 0, 0), "prune is 0 and up to 1 thresholds"),
    ],
)
def test_what_is_refused(lines, order, prune, message):
    with pytest.raises(ValueError, match=message):
        estimate_kneser_ney(lines, order, prune)


def test_a_discount_of_nothing_leaves_something_to_the_unseen():
    """Two trigrams occur twice, one three times, and what fits four, one, one is 0."""
    texts = ("w1 w5 w5 w1 w5 w4", "w5 w5 w5 w4", "w4 w5 w4 w0 w4 w0")
    found = estimate_kneser_ney([text.split() for text in texts], 3)
    for grams in found.ngrams.orders:
        assert np.isfinite(grams.backoffs).all()
    unseen = NGramModel.from_ngrams(found.ngrams).score(["w1", "w4", "w4"])
    assert np.isfinite(unseen)


def test_a_bar_in_a_text_is_no_space():
    lines = [split_units(line, "characters") for line in ("to be", "a | b", "to")]
    model = NGramModel.from_ngrams(estimate_kneser_ney(lines, 3).ngrams)
    assert model.knows("|")
    assert TextScores(" to", model, characters=True).space == SPACE
