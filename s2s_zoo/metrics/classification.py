"""How well labels are told: accuracy, precision, recall, F1, calibration."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.metrics.bootstrap import Pooled, check_pairs
from s2s_zoo.metrics.breakdown import ERRORS, Breakdown
from s2s_zoo.metrics.presentation import table_lines

BINS = 15
TOP = 5
MAX_CLASSES = 100
"""Of a mean over classes with an interval, which counts each class of each example."""
TOLD = 40
"""Classes that lines are about."""
CONFUSIONS = 10
"""That are told, the most frequent ones."""


class Prediction(str):
    """The label that a classifier gives, with how sure it is.

    Attributes:
        ranked: the likeliest labels, this one first.
        probability: of this one.

    Example:
        >>> from s2s_zoo.metrics import Prediction
        >>> found = Prediction.of(["cat", "dog"], 0.75)
        >>> found == "cat", found.probability, found.ranked
        (True, 0.75, ('cat', 'dog'))
    """

    ranked: tuple[str, ...] = ()
    probability: float = 0.0

    @classmethod
    def of(cls, ranked: Sequence[str], probability: float) -> Self:
        """The first of these labels, which has this probability."""
        made = cls(ranked[0])
        made.ranked, made.probability = tuple(ranked), probability
        return made


def label_measures(
    references: Sequence[str], outputs: Sequence[str], classes: int
) -> dict[str, Pooled]:
    """Accuracy, macro F1, accuracy among the first five, calibration error.

    The macro F1 is told of up to 100 classes, the accuracy among five of more than 5.

    Args:
        references: right labels.
        outputs: labels given, `Prediction`s where it is known how sure they are.
        classes: how many labels there are to choose from.

    Raises:
        ValueError: not as many of both.

    Example:
        >>> from s2s_zoo.metrics import label_measures
        >>> found = label_measures(["a", "b", "b"], ["a", "b", "a"], classes=2)
        >>> {name: round(measure.value, 3) for name, measure in found.items()}
        {'accuracy': 0.667, 'macro_f1': 0.667}
    """
    check_pairs(outputs, references)
    pairs = list(zip(references, outputs, strict=True))
    found = {"accuracy": Pooled.mean(right == told for right, told in pairs)}
    if classes <= MAX_CLASSES:
        found["macro_f1"] = macro_f1(references, outputs)
    known = [told for told in outputs if isinstance(told, Prediction)]
    if classes > TOP and any(len(told.ranked) >= TOP for told in known):
        found["top_5_accuracy"] = Pooled.mean(
            right in getattr(told, "ranked", ())[:TOP] for right, told in pairs
        )
    if known:
        found["calibration_error"] = calibration_error(references, outputs)
    return found


def macro_f1(references: Sequence[str], outputs: Sequence[str]) -> Pooled:
    """The mean F1 of the labels that were right or given.

    2 TP / (2 TP + FP + FN) of each; an empty output is no label.

    Example:
        >>> from s2s_zoo.metrics import macro_f1
        >>> f"{macro_f1(['a', 'b', 'b'], ['a', 'a', 'b']).value:.3f}"
        '0.667'
    """
    labels = {label: i for i, label in enumerate(_labels(references, outputs))}
    rows = np.zeros((len(references), 2, len(labels)))
    for i, (right, told) in enumerate(zip(references, outputs, strict=True)):
        rows[i, 0, labels[right]] += right == told
        rows[i, 1, labels[right]] += 1
        if told in labels:
            rows[i, 1, labels[told]] += 1
    return Pooled(rows.reshape(len(rows), -1), _mean_f1)


def _mean_f1(sums: NDArray[np.float64]) -> float:
    hits, marked = sums.reshape(2, -1)
    there = marked > 0
    return float(np.mean(2 * hits[there] / marked[there])) if there.any() else math.nan


def calibration_error(
    references: Sequence[str], outputs: Sequence[str], bins: int = BINS
) -> Pooled:
    """How far probabilities are from how often they are right, in bins of them.

    The expected calibration error, Σ_b |Σ_{i in b} (probability - right)| / N, of Guo
    et al., 2017, https://arxiv.org/abs/1706.04599, equation 3. What is no `Prediction`
    counts as given with probability 0.

    Args:
        references: right labels.
        outputs: labels given, each a `Prediction`.
        bins: of equal width; probabilities at an edge belong to the bin below.

    Example:
        >>> from s2s_zoo.metrics import Prediction, calibration_error
        >>> sure = [Prediction.of(["a"], 0.9), Prediction.of(["a"], 0.9)]
        >>> f"{calibration_error(['a', 'b'], sure).value:.2f}"
        '0.40'
    """
    rows = np.zeros((len(references), bins + 1))
    for row, right, told in zip(rows, references, outputs, strict=True):
        probability = getattr(told, "probability", 0.0)
        place = max(0, math.ceil(probability * bins) - 1)
        row[min(place, bins - 1)] = probability - (right == told)
        row[-1] = 1
    return Pooled(rows, lambda sums: float(np.abs(sums[:-1]).sum() / sums[-1]))


def confusion_matrix(
    labels: Sequence[str], references: Iterable[str], outputs: Iterable[str]
) -> NDArray[np.int64]:
    """(C, C) examples by right label (row) and the one given (column).

    Pairs with a label that is none of these are left out.

    Example:
        >>> from s2s_zoo.metrics import confusion_matrix
        >>> confusion_matrix("ab", "abb", "aab").tolist()
        [[1, 0], [1, 1]]
    """
    places = {label: i for i, label in enumerate(labels)}
    counts = np.zeros((len(labels), len(labels)), np.int64)
    for right, told in zip(references, outputs, strict=True):
        if right in places and told in places:
            counts[places[right], places[told]] += 1
    return counts


def label_breakdown(references: Sequence[str], outputs: Sequence[str]) -> Breakdown:
    """Precision, recall and F1 of each label, their means, and what is confused.

    A label that is never given has no precision, and counts as 0 in the mean.

    Example:
        >>> from s2s_zoo.metrics import label_breakdown
        >>> found = label_breakdown(["a", "b", "b"], ["a", "a", "b"]).summary
        >>> found["classes"]["b"]
        {'precision': 1.0, 'recall': 0.5, 'f1': 0.6666666666666666, 'examples': 2}
    """
    classes = _scores(references, outputs)
    macro = {
        name: float(np.mean([scores[name] for scores in classes.values()]))
        for name in ("precision", "recall", "f1")
    }
    wrong = [(r, o) for r, o in zip(references, outputs, strict=True) if r != o]
    confused = Counter((str(right), str(told)) for right, told in wrong)
    confusions = [[*pair, n] for pair, n in confused.most_common(CONFUSIONS)]
    errors = [int(r != o) for r, o in zip(references, outputs, strict=True)]
    summary = {"classes": classes, "macro": macro, "confusions": confusions}
    return Breakdown(summary, _lines(summary), {ERRORS: errors})


def _labels(references: Sequence[str], outputs: Sequence[str]) -> list[str]:
    return sorted({str(label) for label in (*references, *outputs) if label})


def _scores(
    references: Sequence[str], outputs: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Of each label, sorted by them."""
    pairs = zip(references, outputs, strict=True)
    hits = Counter(right for right, told in pairs if right == told)
    there, given = Counter(references), Counter(outputs)
    return {
        label: {
            "precision": hits[label] / given[label] if given[label] else 0.0,
            "recall": hits[label] / there[label] if there[label] else 0.0,
            "f1": 2 * hits[label] / (there[label] + given[label]),
            "examples": there[label],
        }
        for label in _labels(references, outputs)
    }


def _told(classes: Mapping[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The classes that are told of in lines: those with the worst F1 of many."""
    if len(classes) <= TOLD:
        return list(classes.items())
    return sorted(classes.items(), key=lambda item: item[1]["f1"])[:TOLD]


def _lines(summary: dict[str, Any]) -> list[str]:
    names = ("precision", "recall", "f1")
    rows = [["label", "precision", "recall", "F1", "examples"]]
    for label, scores in _told(summary["classes"]):
        told = [f"{scores[name]:.4f}" for name in names]
        rows.append([label, *told, str(scores["examples"])])
    rows.append(["mean", *(f"{summary['macro'][name]:.4f}" for name in names), ""])
    lines = [line.rstrip() for line in table_lines(rows)]
    for right, told, count in summary["confusions"]:
        lines.append(f"{count} times {right!r} was taken for {told or 'nothing'!r}")
    return lines
