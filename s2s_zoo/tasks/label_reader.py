"""A classifier put to use: labels with their probabilities."""

import abc
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.padding import pad
from s2s_zoo.errors import UserError
from s2s_zoo.metrics.classification import Prediction
from s2s_zoo.search.base import Hypothesis
from s2s_zoo.tasks.runner import Result, Runner
from s2s_zoo.tasks.serving import Input, Serving
from s2s_zoo.typing import Arrays, Tensors

if TYPE_CHECKING:
    from s2s_zoo.tasks.classification import Classification

BATCH = 16
SAMPLES = 3


@dataclass(frozen=True)
class LabelReader(Runner):
    """Tells labels of raw inputs, the likeliest first.

    Attributes:
        task: its labels.
    """

    task: "Classification"

    @abc.abstractmethod
    def source(self, item: Any) -> NDArray[Any]:
        """A raw input as the model reads it, (S, ...) without padding.

        Raises:
            UserError: it cannot be read.
        """

    @abc.abstractmethod
    def noise(self) -> list[Any]:
        """Raw inputs of different lengths, where there are no examples."""

    def result(self, hypotheses: list[Hypothesis]) -> Result:
        if not hypotheses:
            return Result("")
        labels = self.task.fitted_labels
        ranked = [labels[int(found.tokens[0])] for found in hypotheses]
        shares = [math.exp(found.score) for found in hypotheses]
        told = [
            {"label": label, "probability": share}
            for label, share in zip(ranked, shares, strict=True)
        ]
        return Result(
            Prediction.of(ranked, shares[0]),
            {"probability": shares[0], "labels": told},
        )

    def run(self, inputs: Sequence[Any]) -> list[Result]:
        """The results of raw inputs; inputs of one length go together."""
        sources: dict[int, NDArray[Any]] = {}
        results: dict[int, Result] = {}
        for i, item in enumerate(inputs):
            try:
                sources[i] = self.source(item)
            except UserError as error:
                results[i] = Result("", error=str(error))
        order = sorted(sources, key=lambda i: len(sources[i]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            batch = self.padded([sources[i] for i in rows])
            found = self.read(batch, self.model.predict_on_batch(batch))
            results.update(zip(rows, found, strict=True))
            self.progress(len(rows))
        return [results[i] for i in range(len(inputs))]

    def batch(self, inputs: Sequence[Any]) -> Arrays:
        """Raw inputs as the inputs of a batch."""
        return self.padded([self.source(item) for item in inputs])

    def padded(self, sources: Sequence[NDArray[Any]]) -> Arrays:
        """Sources as the inputs of a batch."""
        source, lengths = pad(sources, len(sources), max(map(len, sources)), 0)
        return {"source": source, "source_lengths": lengths}

    def draw(self, example: Labelled, path: Path) -> None:
        """The probabilities of the likeliest labels, and what there is to see."""
        from s2s_zoo.plots.labels import plot_labels

        batch = self.batch([example.source])
        (result,) = self.read(batch, self.model.predict_on_batch(batch))
        ranked = result.details.get("labels", [])
        plot_labels(
            path,
            labels=[found["label"] for found in ranked],
            probabilities=[found["probability"] for found in ranked],
            reference=example.label,
            name=example.name,
            image=self.image(batch["source"][0]),
        )

    def image(self, source: NDArray[Any]) -> NDArray[Any] | None:
        """What is to be seen of a source, (H, W) or (H, W, 3); None for nothing."""
        del source
        return None

    def serving(self, examples: Sequence[Labelled]) -> Serving:
        """Sources to the likeliest label and the probabilities of all."""
        samples = [example.source for example in examples[:SAMPLES]]
        samples = samples if len(samples) == SAMPLES else self.noise()
        first = self.source(samples[0])
        labels = self.task.fitted_labels
        return Serving(
            model=self.model,
            inputs={
                "source": Input((None, None, *first.shape[1:]), str(first.dtype)),
                "source_lengths": Input((None,), "int32"),
            },
            signatures={"serve": self._serve},
            pieces=tuple(label.encode() for label in labels),
            samples=samples,
            batch=self.batch,
            description={"task": self.task.name, "labels": list(labels)},
        )

    def _serve(self, inputs: Tensors) -> Tensors:
        logits = self.model(inputs, training=False)["logits"]
        best = ops.cast(ops.argmax(logits, axis=-1), "int32")
        return {"tokens": best[:, None], "probabilities": ops.softmax(logits)}


def label_target(labels: Sequence[int], rows: int) -> dict[str, NDArray[np.int32]]:
    """The target of a batch: numbers of labels (rows, 1), -1 where there is no row."""
    target, lengths = pad([np.array([n], np.int32) for n in labels], rows, 1, -1)
    return {"target": target, "target_lengths": lengths}
