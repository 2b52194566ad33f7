"""A throw-away family: two convolutions tell which way bars run in noisy images."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.decoders.base import Decoder
from s2s_zoo.encoders.base import Encoder
from s2s_zoo.features.base import Features
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.losses.base import Objective
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.search.base import Hypothesis, Search
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.runner import Result
from s2s_zoo.typing import EncoderOutput
from tests.families.examples import (
    ArrayRunner,
    ArrayTask,
    Example,
    GeneratedCorpus,
    recipe,
)

SIZE, LABELS = 8, ("rows", "columns", "diagonal")
registered = keras.saving.register_keras_serializable("tests")


@registered
class Pixels(Features):
    """(B, 1, H, W) bytes to (B, H, W, 1); an image counts as one frame."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})

    @property
    def source_shape(self):
        return (None, None, SIZE, SIZE)

    def call(self, source, lengths, training=None):
        images = ops.cast(source[:, 0], "float32")[..., None] / 255.0
        return images, sequence_mask(lengths, 1)

    def feature_shape(self, source_shape):
        return (source_shape[0], SIZE, SIZE, 1)

    def output_lengths(self, lengths):
        return lengths


@registered
class TwoConvolutions(Encoder):
    """Frames of the memory are the places of the last convolution."""

    def __init__(self, filters: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        options = {"activation": "relu", "dtype": self.dtype_policy, "padding": "same"}
        self.convolutions = [
            keras.layers.Conv2D(filters, 3, 2, name=f"conv_{i}", **options)
            for i in range(2)
        ]

    def build(self, input_shape, *_):
        for convolution in self.convolutions:
            convolution.build(input_shape)
            input_shape = convolution.compute_output_shape(input_shape)

    def call(self, inputs, mask, training=None):
        for convolution in self.convolutions:
            inputs = convolution(inputs)
        _, height, width, channels = inputs.shape
        x = ops.reshape(inputs, (-1, height * width, channels))
        return EncoderOutput(x, ops.broadcast_to(mask, ops.shape(x)[:2]))

    def compute_output_shape(self, input_shape, *_):
        return (input_shape[0], (SIZE // 4) ** 2, self.filters)


@registered
class Classifier(Decoder):
    """A dense layer over the mean of the memory."""

    def __init__(self, classes: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.classes = classes
        self.dense = keras.layers.Dense(classes, dtype=self.dtype_policy, name="dense")

    def build(self, memory_shape, *_):
        self.dense.build((None, memory_shape.sequence[-1]))

    def call(self, targets, memory, training=None):
        scores = self.dense(ops.mean(memory.sequence, axis=1))
        return {"logits": ops.cast(scores, "float32")}


@registered
@dataclass(frozen=True)
class LabelCrossEntropy(Objective):
    def __call__(self, target, output):
        scores = ops.log_softmax(output["logits"])
        chosen = ops.take_along_axis(scores, ops.maximum(target["target"], 0), axis=1)
        return -ops.sum(chosen[:, 0] * self._real(target))

    def weight_in_graph(self, target, output):
        return ops.sum(self._real(target))

    def weight(self, inputs, target):
        return float(target["target_lengths"].sum())

    @staticmethod
    def _real(target):
        return ops.cast(target["target_lengths"], "float32")


@registered
@dataclass(frozen=True)
class BestLabel(Search):
    family: ClassVar[str] = "labels"
    signature = "label:best"

    def read(self, output):
        logits = ops.convert_to_numpy(output["logits"])
        return [
            [Hypothesis(np.array([row.argmax()]), float(row.max()))] for row in logits
        ]


class LabelRunner(ArrayRunner):
    def result(self, hypotheses):
        return Result(LABELS[hypotheses[0].tokens[0]])


@dataclass(frozen=True)
class ImageLabels(ArrayTask):
    name: ClassVar[str] = "image_labels"
    higher_is_better: ClassVar[bool] = True
    metric = "accuracy"
    demo_corpus: str = "bars"
    objective: Objective = field(default_factory=LabelCrossEntropy)
    search: Search = field(default_factory=BestLabel)

    def offers(self, budget):
        return {"decoder": {"classes": len(LABELS)}}

    def runner(self, model, search):
        return LabelRunner(model, search, self)

    def reference(self, example: Example) -> str:
        return LABELS[example.target[0]]

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        return {"accuracy": Pooled.mean(o.reference == o.output for o in outcomes)}


def bars(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three lines of one direction in noise; the mean brightness says nothing."""
    label, shift = rng.integers(len(LABELS)), rng.integers(3)
    rows, columns = np.indices((SIZE, SIZE))
    place = (rows, columns, rows + columns)[label]
    image = 200 * ((place + shift) % 3 == 0) + rng.normal(0, 40, (SIZE, SIZE))
    return np.clip(image, 0, 255).astype("uint8")[None], np.array([label], "int32")


preset = Preset(
    name="images",
    summary="two convolutions",
    paper="none",
    expect="none",
    parameters=899,
    task=ImageLabels(),
    features=partial(Pixels),
    encoder=partial(TwoConvolutions, filters=8),
    decoder=partial(Classifier),
    recipe=recipe(batch=32, epochs=16),
)
corpus = GeneratedCorpus(name="bars", make=bars)
