"""A throw-away family: a decoder of frames that stops, free-running in its own loop.

A source names a height and a length; the target is a ramp of that length and height.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, ClassVar

import keras
import numpy as np
from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.decoders.base import Decoder
from s2s_zoo.encoders.recurrent import RecurrentEncoder
from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.layers.recurrent import Recurrence
from s2s_zoo.losses.base import Objective
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.search.base import Hypothesis, Search, integer
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.runner import Result
from s2s_zoo.typing import DecoderState
from tests.families.examples import (
    ArrayBatches,
    ArrayRunner,
    ArrayTask,
    Example,
    GeneratedCorpus,
    recipe,
)

OUTPUTS = ("frames", "lengths")
MOST, HEIGHTS, LENGTHS = 12, 3, (2, 4, 6, 8)
registered = keras.saving.register_keras_serializable("tests")


@registered
class FrameDecoder(Decoder):
    """A GRU over the frames before and the last of the memory; frames and stops."""

    reads_target = True

    def __init__(self, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = units
        policy = self.dtype_policy
        self.rnn = Recurrence(units, dtype=policy, name="rnn")
        self.dense = keras.layers.Dense(2, dtype=policy, name="dense")

    def build(self, memory_shape, *_):
        self.rnn.build((None, None, 1 + memory_shape.sequence[-1]))
        self.dense.build((None, self.units))

    def call(self, targets, memory, training=None):
        before = ops.pad(targets[:, :-1], ((0, 0), (1, 0), (0, 0)))
        context = self._context(memory)[:, None]
        size = ops.shape(targets)[1]
        context = ops.broadcast_to(
            context, (ops.shape(before)[0], size, context.shape[-1])
        )
        x = ops.concatenate([ops.cast(before, context.dtype), context], axis=-1)
        return self._read(self.rnn(x, ops.ones_like(before[..., 0], dtype="bool")))

    def start(self, memory, beams, length, reordered=True):
        context = self._context(memory)
        zero = ops.zeros((ops.shape(context)[0], self.units), "float32")
        return DecoderState((zero,), context, ops.convert_to_tensor(0, "int32"))

    def step(self, written, state):
        context = state.memory
        x = ops.concatenate([ops.cast(written, context.dtype), context], axis=-1)
        h, after = self.rnn.step(x, state.cache)
        return self._read(h), DecoderState(after, context, state.position + 1)

    def _context(self, memory):
        return ops.cast(memory.state[-1][0], self.compute_dtype)

    def _read(self, x):
        found = ops.cast(self.dense(x), "float32")
        return {"frames": found[..., :1], "stop": found[..., 1]}


@registered
@dataclass(frozen=True)
class FramesAndStops(Objective):
    """Squared error and the cross-entropy of stopping at the last frame, a frame."""

    def __call__(self, target, output):
        frames, lengths = target["target"], target["target_lengths"]
        real = ops.cast(sequence_mask(lengths, ops.shape(frames)[1]), "float32")
        error = ops.sum(ops.square(output["frames"] - frames), axis=-1)
        place = ops.arange(ops.shape(frames)[1])[None]
        last = ops.cast(place == lengths[:, None] - 1, "float32")
        logits = output["stop"]
        stops = ops.relu(logits) - logits * last + ops.log1p(ops.exp(-ops.abs(logits)))
        return ops.sum(real * (error + stops))

    def weight_in_graph(self, target, output):
        return ops.sum(ops.cast(target["target_lengths"], "float32"))

    def weight(self, inputs, target):
        return float(target["target_lengths"].sum())


@registered
@dataclass(frozen=True)
class FrameSearch(Search):
    """Frame after frame until every row has stopped."""

    family: ClassVar[str] = "frames"
    most: int = integer(MOST, 1)

    @property
    def signature(self) -> str:
        return f"frames:{self.most}"

    def write(self, decoder, memory, inputs, loop):
        state = decoder.start(memory, 1, self.most)
        rows = ops.shape(memory.mask)[0]
        frames = ops.zeros((rows, self.most, 1))
        lengths = ops.zeros((rows,), "int32")
        fixed = {"step": decoder.step, "memory": state.memory, "most": self.most}
        start = (state.position, state.cache, frames[:, 0], frames, lengths)
        *_, frames, lengths = loop(goes_on, advance, fixed, start)
        return {"frames": frames, "lengths": ops.where(lengths > 0, lengths, self.most)}

    def read(self, output):
        frames, lengths = (ops.convert_to_numpy(output[k]) for k in OUTPUTS)
        rows = zip(frames, lengths, strict=True)
        return [[Hypothesis(row[:size], 0.0)] for row, size in rows]


def goes_on(fixed, position, cache, last, frames, lengths):
    return ops.logical_and(position < fixed["most"], ops.any(lengths == 0))


def advance(fixed, position, cache, last, frames, lengths):
    state = DecoderState(cache, fixed["memory"], position)
    found, after = fixed["step"](last, state)
    here = ops.arange(fixed["most"], dtype="int32")[None, :, None] == position
    frame = ops.stop_gradient(found["frames"])
    frames = ops.where(here, frame[:, None], frames)
    stops = ops.logical_and(lengths == 0, found["stop"] > 0)
    lengths = ops.where(stops, position + 1, lengths)
    return position + 1, after.cache, frame, frames, lengths


class FrameRunner(ArrayRunner):
    def result(self, hypotheses):
        return Result(np.round(hypotheses[0].tokens[:, 0], 3).tolist())


@dataclass(frozen=True)
class Ramps(ArrayTask):
    name: ClassVar[str] = "ramps"
    metric = "frame_error"
    demo_corpus: str = "ramps"
    objective: Objective = field(default_factory=FramesAndStops)
    search: Search = field(default_factory=FrameSearch)

    def offers(self, budget):
        return {"features": {"vocabulary_size": HEIGHTS + len(LENGTHS)}}

    def batches(self, examples, training=False, seed=0):
        return ArrayBatches(examples, forced=True, seed=seed)

    def as_example(self, raw: Any) -> Example:
        return replace(super().as_example(raw), target=np.zeros((1, 1), "float32"))

    def runner(self, model, search):
        return FrameRunner(model, search, self)

    def reference(self, example: Example) -> list[float]:
        return example.target[:, 0].tolist()

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Mean absolute error, 1 for each frame too many or too few."""
        errors = [frame_error(o.reference, o.output) for o in outcomes]
        return {
            "frame_error": Pooled.ratio(errors, [len(o.reference) for o in outcomes])
        }


def frame_error(reference: list[float], output: list[float]) -> float:
    pairs = zip(reference, output, strict=False)
    return sum(abs(a - b) for a, b in pairs) + abs(len(reference) - len(output))


def ramp(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    height, length = rng.integers(HEIGHTS), rng.integers(len(LENGTHS))
    source = np.array([height, HEIGHTS + length], "int32")
    size = LENGTHS[length]
    values = (height + 1) / HEIGHTS * np.arange(1, size + 1) / size
    return source, values[:, None].astype("float32")


preset = Preset(
    name="frames",
    summary="frames and stops",
    paper="none",
    expect="none",
    parameters=8834,
    task=Ramps(),
    features=partial(TokenFeatures, width=8),
    encoder=partial(RecurrentEncoder, units=24, layers=1, cell="gru"),
    decoder=partial(FrameDecoder, units=32),
    recipe=recipe(batch=64, epochs=24),
)
corpus = GeneratedCorpus(name="ramps", make=ramp)
