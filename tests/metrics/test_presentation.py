import pytest

from s2s_zoo.metrics.presentation import (
    difference_text,
    metric_text,
    metric_title,
    verdict,
)
from s2s_zoo.metrics.significance import Difference


@pytest.mark.parametrize(
    ("name", "value", "title", "text"),
    [
        ("bleu", 36.157, "BLEU", "36.16"),
        ("rouge_l", 9.0, "ROUGE-L", "9.00"),
        ("word_error_rate", 0.1234, "word error rate", "12.34%"),
        ("sequence_accuracy", 1.0, "sequence accuracy", "100.00%"),
        ("loss", 1.5, "loss", "1.5000"),
    ],
)
def test_values(name: str, value: float, title: str, text: str) -> None:
    assert metric_title(name) == title
    assert metric_text(name, value) == text
    assert metric_text(name, value, (value, value)) == f"{text} [{text}, {text}]"


def test_differences() -> None:
    found = Difference(-0.021, -0.01, 0.001, 0.07)
    text = difference_text("word_error_rate", found)
    assert text == "-1.00 [-2.10, +0.10] points"
    assert difference_text("bleu", Difference(0.5, 1, 2, 0.01)) == (
        "+1.00 [+0.50, +2.00] points"
    )


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [
        (
            Difference(0.2, 1, 2, 0.01),
            "The BLEU of new is 1.00 points above that of old, hardly by chance "
            "(p = 0.010).",
        ),
        (
            Difference(-2, -1, 0.2, 0.3),
            "The BLEU of old is 1.00 points above that of new, which may be by chance "
            "(p = 0.300).",
        ),
        (
            Difference(1, 2, 3, 1 / 1001),
            "The BLEU of new is 2.00 points above that of old, hardly by chance "
            "(p < 0.001).",
        ),
        (Difference(0, 0, 0, 1.0), "old and new have the same BLEU."),
    ],
)
def test_verdicts(difference: Difference, sentence: str) -> None:
    assert verdict("bleu", difference, "old", "new") == sentence
