"""A throw-away family: CTC and attention in one decoder, their losses weighted.

Sources are noisy frames, two to three for each token of the target.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.decoders.attention_rnn import AttentionRNNDecoder
from s2s_zoo.decoders.base import Decoder, TokenDecoder
from s2s_zoo.decoders.ctc import CTCDecoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.features.base import Features
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.cross_entropy import CrossEntropy
from s2s_zoo.losses.ctc import CTC
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.search.base import Search
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.runner import Result
from s2s_zoo.vocabulary import END, PAD
from tests.families.examples import (
    ArrayBatches,
    ArrayRunner,
    ArrayTask,
    Example,
    GeneratedCorpus,
    recipe,
)

FIRST, VOCABULARY = 4, 9
registered = keras.saving.register_keras_serializable("tests")


@registered
class GivenFrames(Features):
    """(B, T, D) frames as they are."""

    def __init__(self, width: int, **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", "autocast": False, **kwargs})
        self.width = width

    @property
    def source_shape(self):
        return (None, None, self.width)

    def call(self, source, lengths, training=None):
        mask = sequence_mask(lengths, ops.shape(source)[1])
        return apply_mask(ops.cast(source, "float32"), mask), mask

    def feature_shape(self, source_shape):
        return source_shape

    def output_lengths(self, lengths):
        return lengths


@registered
class JointDecoder(TokenDecoder):
    """Two decoders side by side; texts are written by the main one."""

    def __init__(self, main: TokenDecoder, ctc: Decoder, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.main = main
        self.ctc = ctc

    def build(self, memory_shape, *_):
        self.main.build(memory_shape)
        self.ctc.build(memory_shape)

    def call(self, targets, memory, training=None):
        found = self.main(targets, memory, training=training)
        return {**found, **self.ctc(None, memory, training=training)}

    def start(self, *args, **kwargs):
        return self.main.start(*args, **kwargs)

    def step(self, tokens, state):
        return self.main.step(tokens, state)

    def alignment(self, targets, memory):
        return self.main.alignment(targets, memory)


@registered
@dataclass(frozen=True)
class JointLoss(Objective):
    """A share of CTC, the rest cross-entropy, both a mean over the texts."""

    ctc: CTC = field(default_factory=CTC)
    attention: CrossEntropy = field(default_factory=lambda: CrossEntropy(0.0))
    share: float = 0.3

    def __call__(self, target, output):
        without_end = ops.maximum(target["target_lengths"] - 1, 0)
        texts = {**target, "target_lengths": without_end}
        one, other = self.ctc(texts, output), self.attention(target, output)
        return self.share * one + (1 - self.share) * other

    def weight_in_graph(self, target, output):
        return self.ctc.weight_in_graph(target, output)

    def weight(self, inputs, target):
        return self.ctc.weight(inputs, target)


class FrameReader(ArrayRunner):
    def result(self, hypotheses):
        tokens = hypotheses[0].tokens if hypotheses else []
        return Result(" ".join(map(str, tokens)))

    def signature(self, inputs):
        found = super().signature(inputs)
        return {"tokens": found["tokens"], "lengths": found["lengths"]}


@dataclass(frozen=True)
class FramesToTokens(ArrayTask):
    name: ClassVar[str] = "frames_to_tokens"
    metric = "token_errors"
    demo_corpus: str = "frames"
    objective: Objective = field(default_factory=JointLoss)
    search: Search = field(
        default_factory=lambda: TokenSearch(beam=2, length_extra=2, length_penalty=0.0)
    )

    def offers(self, budget):
        return {"decoder": {"vocabulary_size": VOCABULARY}}

    def batches(self, examples, training=False, seed=0):
        return ArrayBatches(examples, fill=PAD, forced=True, seed=seed)

    def runner(self, model, search):
        return FrameReader(model, search, self)

    def reference(self, example: Example) -> str:
        return " ".join(map(str, example.target[:-1]))

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        return {"token_errors": Pooled.mean(o.reference != o.output for o in outcomes)}


def frames(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Tokens that differ from their neighbours, so that held frames tell no lie."""
    steps = rng.integers(1, VOCABULARY - FIRST, rng.integers(2, 6))
    tokens = FIRST + np.cumsum(steps) % (VOCABULARY - FIRST)
    held = np.repeat(tokens, rng.integers(2, 4, len(tokens)))
    source = np.eye(VOCABULARY)[held] + rng.normal(0, 0.1, (len(held), VOCABULARY))
    return source.astype("float32"), np.array([*tokens, END], "int32")


preset = Preset(
    name="joint",
    summary="CTC and attention",
    paper="none",
    expect="none",
    parameters=0,
    task=FramesToTokens(),
    features=partial(GivenFrames, width=VOCABULARY),
    encoder=partial(
        RecurrentEncoder, units=24, layers=1, bidirectional_layers=1, cell="gru"
    ),
    decoder=partial(
        JointDecoder,
        ctc=partial(CTCDecoder),
        main=partial(
            AttentionRNNDecoder,
            width=16,
            units=32,
            layers=1,
            cell="gru",
            attention="luong",
        ),
    ),
    recipe=recipe(batch=256, epochs=20),
)
corpus = GeneratedCorpus(name="frames", make=frames)
