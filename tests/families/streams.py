"""A throw-away family: a language model whose state goes on from batch to batch.

The text is a beat after every four rests. A window holds three tokens, so that it says
by itself no more than half the time when the next beat comes.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.data.plan import Batch, Bucket
from s2s_zoo.decoders.base import Decoder
from s2s_zoo.encoders.base import Encoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.layers.carry import Carry
from s2s_zoo.layers.recurrent import Recurrence
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.search.base import Hypothesis, Search
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.runner import Result
from s2s_zoo.typing import EncoderOutput
from tests.families.examples import (
    ArrayBatches,
    ArrayRunner,
    ArrayTask,
    Example,
    GeneratedCorpus,
    recipe,
)

REST, BEAT, VOCABULARY = 4, 5, 6
PERIOD, WINDOW, LENGTH = 5, 3, 120
registered = keras.saving.register_keras_serializable("tests")


@registered
class StreamEncoder(Encoder):
    """A GRU that goes on from where the stream's last window ended."""

    def __init__(self, units: int, streams: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.streams = streams
        self.rnn = Recurrence(units, dtype=self.dtype_policy, name="rnn")
        self.carry = Carry(streams, units, name="carry")

    def build(self, input_shape, *_):
        self.rnn.build(input_shape)
        self.carry.build()

    def call(self, inputs, mask, training=None, fresh=None):
        fresh = ops.ones_like(mask[:, 0]) if fresh is None else fresh
        start = self.carry(fresh, training=training)
        x, (state,) = self.rnn.read(
            ops.cast(inputs, self.compute_dtype), mask, (start,)
        )
        self.carry.write(state, training)
        return EncoderOutput(x, mask)

    def compute_output_shape(self, input_shape, *_):
        return (*input_shape[:-1], self.units)


@registered
class NextToken(Decoder):
    """A dense layer over every frame."""

    def __init__(self, vocabulary_size: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.dense = keras.layers.Dense(
            vocabulary_size, dtype=self.dtype_policy, name="dense"
        )

    def build(self, memory_shape, *_):
        self.dense.build(memory_shape.sequence)

    def call(self, targets, memory, training=None):
        return {"logits": ops.cast(self.dense(memory.sequence), "float32")}


class StreamPlan:
    """Windows of all streams in their order, every epoch the same."""

    def __init__(self, streams: int, length: int, window: int) -> None:
        self.buckets = [Bucket(window, window, streams)]
        self.windows = length // window
        text = f"{streams} {length} {window}"
        self.identity = hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return self.windows

    def epoch(self, epoch: int) -> Sequence[Batch]:
        return [Batch((i,), self.buckets[0]) for i in range(self.windows)]

    def padding_share(self) -> float:
        return 0.0


@dataclass(frozen=True)
class StreamBatches:
    """Streams side by side, cut into windows; the state is fresh in the first."""

    examples: Sequence[Example]
    unreadable: dict[str, str] = field(default_factory=dict)

    def plan(self, budget: float, shuffle: bool) -> StreamPlan:
        streams = round(budget) // WINDOW
        return StreamPlan(streams, len(self.examples[0].source), WINDOW)

    def load(self, batch: Batch, epoch: int | None = None):
        number, rows = batch.indices[0], batch.bucket.rows
        part = slice(number * WINDOW, (number + 1) * WINDOW)
        chosen = [self.examples[i % len(self.examples)] for i in range(rows)]
        target = np.stack([example.target[part] for example in chosen])
        lengths = np.full(rows, WINDOW, "int32")
        inputs = {
            "source": np.stack([example.source[part] for example in chosen]),
            "source_lengths": lengths,
            "fresh": np.full(rows, number == 0),
        }
        return inputs, {"target": target, "target_lengths": lengths}

    def units(self, inputs: Any) -> float:
        return float(inputs["source"].size)

    def names(self, batch: Batch) -> list[str]:
        return [f"window {batch.indices[0]}"]


@registered
@dataclass(frozen=True)
class Likeliest(Search):
    """The likeliest token after each of the source."""

    family: ClassVar[str] = "next"
    signature = "next:likeliest"

    def read(self, output):
        best = ops.convert_to_numpy(ops.argmax(output["logits"], axis=-1))
        return [[Hypothesis(row, 0.0)] for row in best]


class StreamRunner(ArrayRunner):
    def result(self, hypotheses):
        return Result(hypotheses[0].tokens.tolist())


@dataclass(frozen=True)
class Beats(ArrayTask):
    name: ClassVar[str] = "beats"
    metric = "missed"
    demo_corpus: str = "beats"
    objective: Objective = field(default_factory=lambda: CrossEntropy(0.0))
    search: Search = field(default_factory=Likeliest)

    def offers(self, budget):
        size = {"vocabulary_size": VOCABULARY}
        streams = {"streams": round(budget) // WINDOW}
        return {"features": size, "decoder": size, "encoder": streams}

    def batches(self, examples, training=False, seed=0):
        return StreamBatches(examples) if training else ArrayBatches(examples)

    def runner(self, model, search):
        return StreamRunner(model, search, self)

    def reference(self, example: Example) -> list[int]:
        return example.target.tolist()

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Beats missed or added for each beat, the first period left out."""
        wrong = [misses(o.reference[PERIOD:], o.output[PERIOD:]) for o in outcomes]
        return {"missed": Pooled.ratio(wrong, [LENGTH // PERIOD - 1] * len(outcomes))}


def misses(reference: list[int], output: list[int]) -> int:
    return sum(a != b for a, b in zip(reference, output, strict=True))


def beats(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    place = np.arange(LENGTH + 1) + rng.integers(PERIOD)
    text = np.where(place % PERIOD == 0, BEAT, REST).astype("int32")
    return text[:-1], text[1:]


preset = Preset(
    name="streams",
    summary="a state carried on",
    paper="none",
    expect="none",
    parameters=0,
    task=Beats(),
    features=partial(TokenFeatures, width=8),
    encoder=partial(StreamEncoder, units=24),
    decoder=partial(NextToken),
    recipe=recipe(batch=32 * WINDOW, epochs=3),
)
corpus = GeneratedCorpus(name="beats", make=beats)
