import math
from functools import cache
from itertools import zip_longest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.metrics.error_rates import (
    ErrorCounts,
    align,
    bootstrap_interval,
    character_error_rate,
    character_errors,
    count_errors,
    error_measures,
    word_error_rate,
    word_errors,
)

SENTENCE = st.lists(st.sampled_from("abcd"), max_size=9)
TEXT = st.lists(st.sampled_from(["on", "off", "lamp", "a"]), max_size=8).map(" ".join)


def edit_distance(reference: list[str], hypothesis: list[str]) -> int:
    """The recursive definition of Levenshtein's distance."""

    @cache
    def distance(i: int, j: int) -> int:
        if not i or not j:
            return i + j
        different = reference[i - 1] != hypothesis[j - 1]
        return min(
            distance(i - 1, j - 1) + different,
            distance(i - 1, j) + 1,
            distance(i, j - 1) + 1,
        )

    return distance(len(reference), len(hypothesis))


@given(SENTENCE, SENTENCE)
def test_counts_are_those_of_a_cheapest_alignment(
    reference: list[str], hypothesis: list[str]
) -> None:
    counts = count_errors(reference, hypothesis)
    assert counts.errors == edit_distance(reference, hypothesis)
    assert counts.hits + counts.substitutions + counts.deletions == len(reference)
    assert counts.hits + counts.substitutions + counts.insertions == len(hypothesis)


@given(SENTENCE, SENTENCE)
def test_an_alignment_reads_back_as_both_sequences(
    reference: list[str], hypothesis: list[str]
) -> None:
    pairs = align(reference, hypothesis)
    assert [left for left, _ in pairs if left is not None] == reference
    assert [right for _, right in pairs if right is not None] == hypothesis
    assert (None, None) not in pairs


def test_alignment_of_a_known_example() -> None:
    reference = ["turn", "on", "the", "kitchen", "lamp"]
    hypothesis = ["turn", "the", "chicken", "lamp", "please"]
    assert align(reference, hypothesis) == [
        ("turn", "turn"),
        ("on", None),
        ("the", "the"),
        ("kitchen", "chicken"),
        ("lamp", "lamp"),
        (None, "please"),
    ]
    assert count_errors(reference, hypothesis) == ErrorCounts(1, 1, 1, 3)
    assert count_errors(reference, hypothesis).rate == pytest.approx(3 / 5)


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_rates_agree_with_jiwer(pairs: list[tuple[str, str]]) -> None:
    jiwer = pytest.importorskip("jiwer", reason="jiwer is the reference here")
    references, hypotheses = map(list, zip(*pairs, strict=True))
    rate = word_error_rate(references, hypotheses)
    assert rate == pytest.approx(jiwer.wer(references, hypotheses))
    rate = character_error_rate(references, hypotheses)
    assert rate == pytest.approx(jiwer.cer(references, hypotheses))


def jiwer_pairs(reference: list[str], hypothesis: list[str]) -> list[tuple]:
    """The alignment that jiwer counts errors by, as `align` gives it."""
    jiwer = pytest.importorskip("jiwer", reason="jiwer is the reference here")
    found = jiwer.process_words(" ".join(reference), " ".join(hypothesis))
    pairs: list[tuple] = []
    for chunk in found.alignments[0]:
        said = reference[chunk.ref_start_idx : chunk.ref_end_idx]
        heard = hypothesis[chunk.hyp_start_idx : chunk.hyp_end_idx]
        pairs += zip_longest(said, heard)
    return pairs


@given(SENTENCE, SENTENCE)
def test_alignments_are_those_of_jiwer(
    reference: list[str], hypothesis: list[str]
) -> None:
    assert align(reference, hypothesis) == jiwer_pairs(reference, hypothesis)


def test_a_long_alignment_is_that_of_jiwer() -> None:
    """As many words as five minutes of speech have, four in ten of them wrong."""
    generator = np.random.default_rng(0)
    reference = [str(word) for word in generator.integers(50, size=700)]
    kept = [word for word in reference if generator.random() > 0.1]
    hypothesis = [
        word if generator.random() > 0.3 else str(generator.integers(50))
        for word in kept
    ]
    assert align(reference, hypothesis) == jiwer_pairs(reference, hypothesis)


def test_counts_add_up_to_the_pooled_rate() -> None:
    counts = [word_errors("a b c", "a b"), word_errors("d", "e f")]
    assert sum(counts, ErrorCounts()) == ErrorCounts(1, 1, 1, 2)
    assert word_error_rate(["a b c", "d"], ["a b", "e f"]) == pytest.approx(3 / 4)


@pytest.mark.parametrize(("hypothesis", "rate"), [("", 0.0), ("two words", 2.0)])
def test_an_empty_reference_counts_as_one_word(hypothesis: str, rate: float) -> None:
    assert word_error_rate([""], [hypothesis]) == rate


@pytest.mark.parametrize("hypothesis", ["", "two words"])
def test_without_a_reference_word_nothing_is_measured(hypothesis: str) -> None:
    with pytest.raises(ValueError, match="no reference words in 2 utterances"):
        error_measures(["", " "], [hypothesis, ""])


def test_draws_without_a_reference_word_do_not_count() -> None:
    """Of two utterances one has words: a quarter of all draws holds none of them.

    The others have four errors, in two words or in four.
    """
    measure = error_measures(["", "a b"], ["x y", "c d"])["word_error_rate"]
    assert measure.value == 4 / 2
    drawn = measure.resample(seed=0)
    assert np.isnan(drawn).mean() == pytest.approx(1 / 4, abs=0.05)
    assert set(drawn[~np.isnan(drawn)]) == {1.0, 2.0}
    assert measure.interval(seed=0) == (1.0, 2.0)


def test_inner_spaces_are_characters() -> None:
    assert character_errors(" a b ", "ab") == ErrorCounts(0, 1, 0, 2)


def test_rates_of_unequally_many_utterances_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        word_error_rate(["a"], ["a", "b"])


def test_bootstrap_interval_agrees_with_the_normal_approximation() -> None:
    generator = np.random.default_rng(0)
    errors = generator.binomial(10, 0.2, size=2000).tolist()
    counts = [ErrorCounts(substitutions=e, hits=10 - e) for e in errors]
    low, high = bootstrap_interval(counts, seed=1)
    rate = sum(errors) / 20000
    deviation = 1.96 * math.sqrt(0.2 * 0.8 / 20000)
    assert low == pytest.approx(rate - deviation, abs=0.1 * deviation)
    assert high == pytest.approx(rate + deviation, abs=0.1 * deviation)


def test_bootstrap_interval_weighs_utterances_by_length() -> None:
    counts = [ErrorCounts(hits=1000), ErrorCounts(deletions=1)]
    low, high = bootstrap_interval(counts, seed=0)
    assert low == 0.0
    assert high == 1.0
    low, high = bootstrap_interval(counts, seed=0, level=0.4)
    assert low == high == pytest.approx(1 / 1001)


def test_bootstrap_interval_repeats_and_covers_a_sure_thing() -> None:
    counts = [ErrorCounts(insertions=i % 3, hits=4) for i in range(30)]
    assert bootstrap_interval(counts, seed=3) == bootstrap_interval(counts, seed=3)
    assert bootstrap_interval([ErrorCounts(hits=5)] * 4, seed=0) == (0.0, 0.0)


@pytest.mark.parametrize(("count", "level"), [(0, 0.95), (1, 95.0)])
def test_bootstrap_interval_refuses_what_it_cannot_do(count: int, level: float) -> None:
    with pytest.raises(ValueError, match=r"no examples|between 0 and 1"):
        bootstrap_interval([ErrorCounts(hits=1)] * count, seed=0, level=level)
