"""Classification: one label of a source, whatever the source is."""

import abc
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.check_labelled import IMBALANCE
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.json_text import parse_json
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.label_cross_entropy import LabelCrossEntropy
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.breakdown import Breakdown
from s2s_zoo.metrics.classification import (
    confusion_matrix,
    label_breakdown,
    label_measures,
)
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.base import Search
from s2s_zoo.search.labels import BestLabels
from s2s_zoo.tasks.base import Selection, Task
from s2s_zoo.tasks.evaluation import Evaluation, Outcome

ASSET = "labels.json"
BALANCED = "balanced"
SHOWN = 5


@dataclass(frozen=True)
class Classification(Task):
    """What tasks with one label an example have in common.

    Attributes:
        objective: what training minimizes.
        search: how labels are told.
        classes: how many there are, as long as none are learned.
        group: column of the data whose equal values are held out together.
        labels: of the training examples, sorted; empty before training.
        counts: training examples of each label.

    Example:
        >>> from s2s_zoo.data.labelled import Labelled
        >>> from s2s_zoo.tasks import Classification, TextClassification
        >>> texts = [Labelled("1", "yes", "good"), Labelled("2", "no", "bad")]
        >>> task = TextClassification(tokenizer="char", vocabulary=10).fit(texts)
        >>> isinstance(task, Classification), task.labels, task.numbers(texts).tolist()
        (True, ('bad', 'good'), [1, 0])
    """

    higher_is_better: ClassVar[bool] = True

    objective: Objective = field(default_factory=LabelCrossEntropy)
    search: Search = field(default_factory=BestLabels)
    classes: int = 10
    group: str = ""
    labels: tuple[str, ...] = field(default=(), metadata={"setting": False})
    counts: tuple[int, ...] = field(default=(), repr=False, metadata={"setting": False})

    def __post_init__(self) -> None:
        check_range("classes", self.classes, 1, MAX_SIZE)

    @property
    def metric(self) -> str:
        return "accuracy"

    @property
    def fitted_labels(self) -> tuple[str, ...]:
        """The labels, numbers in the place of those that are not learned yet."""
        return self.labels or tuple(str(i) for i in range(self.classes))

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        return {"decoder": {"classes": len(self.fitted_labels)}}

    def fit(self, examples: Sequence[Labelled]) -> Self:
        """The task with the labels of the examples.

        Raises:
            UserError: there are less than two.
        """
        counted = Counter(example.label for example in examples)
        if len(counted) < 2:
            found = ", ".join(map(repr, counted)) or "none"
            raise UserError(f"There are two labels or more to tell. Received: {found}")
        labels, counts = zip(*sorted(counted.items()), strict=True)
        return replace(self, labels=labels, counts=counts)

    def weighed(self, how: str) -> Self:
        """The task whose classes count alike, however many examples each has.

        The weight of a class with n_c of N examples is N / (C n_c).
        """
        if how != BALANCED:
            return super().weighed(how)
        if not isinstance(self.objective, LabelCrossEntropy):
            kind = type(self.objective).__name__
            raise UserError(f"recipe.class_weight weighs no {kind}. Received: {how}")
        total, classes = sum(self.counts), len(self.counts)
        weights = tuple(total / (classes * count) for count in self.counts)
        return replace(self, objective=replace(self.objective, class_weights=weights))

    def started_from(
        self, assets: Mapping[str, bytes], examples: Sequence[Labelled]
    ) -> Self:
        """As of every task; the labels are those of the examples."""
        return super().started_from(assets, examples).fit(examples)

    def assets(self) -> dict[str, bytes]:
        if not self.labels:
            return super().assets()
        stored = {"labels": self.labels, "counts": self.counts}
        text = json.dumps(stored, ensure_ascii=False)
        return super().assets() | {ASSET: text.encode()}

    def with_assets(self, assets: Mapping[str, bytes]) -> Self:
        found = super().with_assets(assets)
        if ASSET not in assets:
            return found
        labels, counts = _read_labels(assets[ASSET])
        return replace(found, labels=labels, counts=counts)

    def amount(self, examples: Sequence[Labelled]) -> str:
        counts = Counter(example.label for example in examples)
        (most, largest), *_, (least, smallest) = counts.most_common() * 2
        text = f"of {len(counts)} classes, {smallest} to {largest} of each"
        if largest <= IMBALANCE * smallest:
            return text
        return (
            f"{text}: {most!r} has {largest / smallest:.0f} times as many as "
            f"{least!r}, recipe.class_weight=balanced weighs them"
        )

    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Labelled],
        where: str,
        training: bool = True,
    ) -> Selection:
        """All examples.

        Raises:
            UserError: there are none, or one of a label that is not learned.
        """
        del model, training
        if not len(examples):
            raise UserError(f"There are no {self.kind} in {where}")
        known = set(self.fitted_labels)
        others = Counter(e.label for e in examples if e.label not in known)
        if others:
            found = ", ".join(f"{n} of {label!r}" for label, n in others.most_common(5))
            shown = ", ".join(self.fitted_labels[:SHOWN])
            more = ", …" if len(known) > SHOWN else ""
            raise UserError(
                f"{where}: the {len(known)} labels are {shown}{more}. Received also "
                f"{found}"
            )
        return Selection(examples)

    def numbers(self, examples: Sequence[Labelled]) -> NDArray[np.int32]:
        """(N,) the number of each example's label, -1 where it has none of ours."""
        places = {label: i for i, label in enumerate(self.fitted_labels)}
        return np.array([places.get(e.label, -1) for e in examples], np.int32)

    def reference(self, example: Labelled) -> str:
        return example.label

    def columns(self, example: Labelled) -> Mapping[str, Any]:
        return {"label": example.label, **example.columns}

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        _, references, outputs = zip(*outcomes, strict=True)
        return label_measures(references, outputs, len(self.fitted_labels))

    def breakdown(self, outcomes: Sequence[Outcome]) -> Breakdown:
        _, references, outputs = zip(*outcomes, strict=True)
        return label_breakdown(references, outputs)

    def draw_evaluation(self, evaluation: Evaluation, path: Path) -> None:
        """Which labels are taken for which."""
        from s2s_zoo.plots.confusion import plot_confusion

        _, references, outputs = zip(*evaluation.outputs, strict=True)
        labels = self.fitted_labels
        plot_confusion(path, labels, confusion_matrix(labels, references, outputs))

    @abc.abstractmethod
    def as_example(self, raw: Any) -> Labelled:
        """A raw input as an example without a label."""


def _read_labels(content: bytes) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """Labels and their counts, as `assets` writes them."""
    try:
        stored = parse_json(content)
        labels, counts = tuple(stored["labels"]), tuple(stored["counts"])
        texts = all(isinstance(label, str) for label in labels)
        numbers = all(type(count) is int and count > 0 for count in counts)
        unique = len(set(labels)) == len(labels) == len(counts) > 1
    except (ValueError, TypeError, KeyError) as error:
        raise UserError(f"{ASSET}: want labels and counts: {error!r}") from error
    if not (texts and numbers and unique):
        raise UserError(
            f"{ASSET}: labels are two or more different texts, counts a number above "
            "0 for each"
        )
    return labels, counts
