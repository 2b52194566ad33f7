import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.errors import UserError
from s2s_zoo.metrics.rouge import rouge_measures, rouge_scores, split_words

pytest.importorskip("rouge_score", reason="ROUGE needs the extra rouge")


def f_measure(right: int, produced: int, wanted: int) -> float:
    precision, recall = right / produced, right / wanted
    return 100 * 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize(
    ("hypothesis", "reference", "unigrams", "bigrams", "subsequence"),
    [
        # Lin 2004, section 3.1: S2, S3 and S4 against S1
        ("police kill the gunman", "police killed the gunman", 3, 1, 3),
        ("the gunman kill police", "police killed the gunman", 3, 1, 2),
        ("the gunman police killed", "police killed the gunman", 4, 2, 2),
    ],
)
def test_the_example_of_the_paper(
    hypothesis: str, reference: str, unigrams: int, bigrams: int, subsequence: int
) -> None:
    found = rouge_scores([hypothesis], [reference]).metrics
    assert found == pytest.approx(
        {
            "rouge1": f_measure(unigrams, 4, 4),
            "rouge2": f_measure(bigrams, 3, 3),
            "rouge_l": f_measure(subsequence, 4, 4),
        }
    )


def test_lengths_and_repetitions_count() -> None:
    """ "the" is right twice of three times; of 6 and 5 words 4 are right in order."""
    found = rouge_scores(["the cat the mat the end"], ["the cat on the mat"]).metrics
    assert found["rouge1"] == pytest.approx(f_measure(4, 6, 5))
    assert found["rouge2"] == pytest.approx(f_measure(2, 5, 4))
    assert found["rouge_l"] == pytest.approx(f_measure(4, 6, 5))


def test_a_corpus_is_the_mean_of_its_examples() -> None:
    scores = rouge_scores(["a b", "", "x"], ["a b", "c d", "y"])
    assert scores.metrics == pytest.approx(
        {"rouge1": 100 / 3, "rouge2": 100 / 3, "rouge_l": 100 / 3}
    )
    low, high = scores.confidence["rouge1"]
    assert low == 0.0
    assert high == 100.0
    again = rouge_scores(["a b", "", "x"], ["a b", "c d", "y"])
    assert again == scores
    assert "stem:no" in scores.signature


@given(st.text(st.characters(max_codepoint=127)))
def test_words_of_ascii_are_those_of_the_library(text: str) -> None:
    library = pytest.importorskip("rouge_score.tokenize")
    assert split_words(text) == library.tokenize(text, None)


@pytest.mark.parametrize("text", ["Привет, мир", "Grüße aus Köln", "हिन्दी भाषा"])
def test_words_of_other_scripts(text: str) -> None:
    assert split_words(text) == text.lower().replace(",", "").split()
    assert rouge_measures([text], [text])["rouge2"].value == pytest.approx(100)


def test_a_missing_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "rouge_score.rouge_scorer", missing)
    with pytest.raises(UserError, match=r"s2s-zoo\[rouge\]"):
        rouge_measures([], [])


def test_mistakes() -> None:
    with pytest.raises(ValueError, match="1 hypotheses do not pair with 2"):
        rouge_scores(["a"], ["a", "b"])
    with pytest.raises(ValueError, match="no examples"):
        rouge_scores([], [])
