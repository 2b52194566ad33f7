"""Metrics of classifiers against scikit-learn, and by hand."""

import numpy as np
import pytest

from s2s_zoo.metrics.classification import (
    Prediction,
    calibration_error,
    confusion_matrix,
    label_breakdown,
    label_measures,
    macro_f1,
)

RNG = np.random.default_rng(0)
LABELS = [str(n) for n in range(8)]
REFERENCES = [str(n) for n in RNG.integers(0, 7, 300)]
OUTPUTS = [r if RNG.random() < 0.6 else str(RNG.integers(0, 8)) for r in REFERENCES]


def test_precision_recall_and_f1_are_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics", reason="the reference")
    found = label_breakdown(REFERENCES, OUTPUTS)
    scores = found.summary["classes"]
    expected = sklearn.precision_recall_fscore_support(
        REFERENCES, OUTPUTS, labels=list(scores), zero_division=0
    )
    for name, values in zip(
        ("precision", "recall", "f1", "examples"), expected, strict=True
    ):
        assert [s[name] for s in scores.values()] == pytest.approx(values.tolist())
    assert found.summary["macro"]["f1"] == pytest.approx(expected[2].mean())
    assert macro_f1(REFERENCES, OUTPUTS).value == pytest.approx(expected[2].mean())
    matrix = sklearn.confusion_matrix(REFERENCES, OUTPUTS, labels=LABELS)
    np.testing.assert_array_equal(confusion_matrix(LABELS, REFERENCES, OUTPUTS), matrix)
    assert sum(found.counts["errors"]) == 300 - np.trace(matrix)
    first = found.summary["confusions"][0]
    assert first[2] == (matrix - np.diag(np.diag(matrix))).max()


def test_by_hand():
    """Of a: hit 1, missed 1, wrongly given 0; of b: hit 1, given wrongly 1."""
    found = label_breakdown(["a", "a", "b", "c"], ["a", "b", "b", ""])
    assert found.summary["classes"]["a"] == {
        "precision": 1.0,
        "recall": 0.5,
        "f1": 2 / 3,
        "examples": 2,
    }
    assert found.summary["classes"]["c"]["f1"] == 0
    assert found.summary["macro"]["f1"] == pytest.approx((2 / 3 + 2 / 3 + 0) / 3)
    assert found.counts["errors"] == [0, 1, 0, 1]
    assert "1 times 'c' was taken for 'nothing'" in found.lines


def test_calibration_by_hand():
    """Two bins of [0, 0.5] and (0.5, 1]: |0.4 - 1| and |0.6 + 0.8 - 1| of three."""
    told = [("a", 0.4), ("b", 0.6), ("a", 0.8)]
    outputs = [Prediction.of([label], share) for label, share in told]
    found = calibration_error(["a", "a", "a"], outputs, bins=2)
    assert found.value == pytest.approx((0.6 + 0.4) / 3)
    sure = [Prediction.of(["a"], 1.0)] * 4
    assert calibration_error(["a"] * 4, sure).value == 0
    assert calibration_error(["b"] * 4, sure).value == 1
    assert calibration_error(["b"], [""]).value == 0


def test_the_first_five_count():
    ranked = [["a", "b", "c", "d", "e"], ["f", "a", "b", "c", "d"]]
    outputs = [Prediction.of(labels, 0.5) for labels in ranked]
    found = label_measures(["e", "e"], outputs, classes=6)
    assert found["top_5_accuracy"].value == 0.5
    assert found["accuracy"].value == 0
    assert "top_5_accuracy" not in label_measures(["e", "e"], outputs, classes=5)
    few = [Prediction.of(labels[:2], 0.5) for labels in ranked]
    assert "top_5_accuracy" not in label_measures(["e", "e"], few, classes=6)
    assert set(label_measures(["a"], ["a"], classes=200)) == {"accuracy"}
