"""Frames written one step after the other until the decoder stops."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import keras
from keras import ops

from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.search.base import Hypothesis, Search, integer, number
from s2s_zoo.search.loop import Loop
from s2s_zoo.typing import Arrays, DecoderState, EncoderOutput, Tensor, Tensors

FIELDS = ("refined", "lengths", "finished")


class FrameWriter(Protocol):
    """A decoder that writes frames step by step.

    Attributes:
        channels: C, of a frame as it is written and read again.
        reduction: r, frames of a step.
    """

    channels: int
    reduction: int

    def start(
        self,
        memory: EncoderOutput,
        beams: int,
        length: int,
        reordered: bool = True,
        seed: int = 0,
        ahead: int = 0,
    ) -> DecoderState:
        """The state before the first of at most `length` steps."""

    def step(
        self, written: Tensor, state: DecoderState
    ) -> tuple[Tensors, DecoderState]:
        """Read frames (B, r, C); `frames` (B, r, C), `stop` (B, r), `alignments`."""

    def refine(self, frames: Tensor, lengths: Tensor) -> Tensors:
        """What is made of frames (B, U, C) when all of them are written."""


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class FrameSearch(Search):
    """What a step writes is read by the next; a row ends at the first frame that stops.

    Attributes:
        frames_per_token: frames allowed for each token of the source.
        extra_frames: frames allowed on top; a row that reaches the limit is told from
            one that has stopped.
        stop: probability of the end from which a row ends.
        ahead: attention moves so many tokens of the source ahead in a step at most, and
            never back; 0 lets it go where it wants.
        seed: of what the decoder drops.

    Raises:
        UserError: a value out of range.

    Example:
        >>> from s2s_zoo.search import FrameSearch
        >>> search = FrameSearch().parse("frames_per_token=8,ahead=4")
        >>> search.room(20), search.signature
        (210, 'frames|frames_per_token:8|ahead:4')
    """

    family: ClassVar[str] = "frames"

    frames_per_token: float = number(10.0, lambda value: value > 0, "above 0")
    extra_frames: int = integer(50, 1)
    stop: float = number(0.5, lambda value: 0 < value < 1, "between 0 and 1")
    ahead: int = integer(0, 0)
    seed: int = integer(0, 0)

    @property
    def signature(self) -> str:
        default = FrameSearch()
        names = ("frames_per_token", "extra_frames", "stop", "ahead", "seed")
        changed = [n for n in names if getattr(self, n) != getattr(default, n)]
        return "|".join(["frames", *(f"{n}:{getattr(self, n)}" for n in changed)])

    def room(self, source_size: Tensor | int) -> Tensor | int:
        """Frames that a source of at most `source_size` tokens may have."""
        if isinstance(source_size, int):
            return math.ceil(source_size * self.frames_per_token) + self.extra_frames
        frames = ops.cast(source_size, "float32") * self.frames_per_token
        return ops.cast(ops.ceil(frames), "int32") + self.extra_frames

    def write(
        self, decoder: FrameWriter, memory: EncoderOutput, inputs: Tensors, loop: Loop
    ) -> Tensors:
        """Frames of B sources.

        Args:
            decoder: of frames.
            memory: of the sources.
            inputs: not read.
            loop: what it runs in.

        Returns:
            `frames` (B, U, C) as they were written and what the decoder refines of
            them, `lengths` (B,) int32, whether a row stopped by itself as `finished`
            (B,), and `alignments` (B, U, T).
        """
        tokens = mask_lengths(memory.mask)
        limits = ops.where(tokens > 0, self.room(tokens), 0)
        size = -(-self.room(ops.shape(memory.mask)[1]) // decoder.reduction)
        state = decoder.start(memory, 1, size, seed=self.seed, ahead=self.ahead)
        fixed = {
            "step": decoder.step,
            "memory": state.memory,
            "limits": limits,
            "logit": math.log(self.stop / (1 - self.stop)),
        }
        start = (state.position, state.cache, *_nothing(decoder, memory, size))
        *_, frames, alignments, ends = loop(_goes_on, _advance, fixed, start)
        frames = ops.reshape(frames, (-1, size * decoder.reduction, decoder.channels))
        lengths = ops.where(ends >= 0, ends, limits)
        return {
            "frames": frames,
            "lengths": lengths,
            "finished": ops.logical_or(ends >= 0, limits == 0),
            "alignments": ops.repeat(alignments, decoder.reduction, axis=1),
            **decoder.refine(frames, lengths),
        }

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The refined frames of each source."""
        every = (ops.convert_to_numpy(output[name]) for name in FIELDS)
        rows = zip(*every, strict=True)
        return [[Hypothesis(row[:n], 0.0, bool(ended))] for row, n, ended in rows]


def _nothing(
    decoder: FrameWriter, memory: EncoderOutput, size: Tensor | int
) -> Sequence[Tensor]:
    """The frames before the first, and room: frames, weights, ends not reached."""
    batch, time = ops.shape(memory.mask)
    count, channels = decoder.reduction, decoder.channels
    return (
        ops.zeros((batch, count, channels), "float32"),
        ops.zeros((batch, size, count * channels), "float32"),
        ops.zeros((batch, size, time), "float32"),
        ops.full((batch,), -1, dtype="int32"),
    )


def _goes_on(
    fixed: dict[str, Any], position: Tensor, cache: Any, last: Tensor, *written: Tensor
) -> Tensor:
    *_, ends = written
    room = position * last.shape[1] < fixed["limits"]
    return ops.any(ops.logical_and(ends < 0, room))


def _advance(
    fixed: dict[str, Any],
    position: Tensor,
    cache: Any,
    last: Tensor,
    frames: Tensor,
    alignments: Tensor,
    ends: Tensor,
) -> tuple[Any, ...]:
    """Every row by one step."""
    state = DecoderState(cache, fixed["memory"], position)
    found, after = fixed["step"](last, state)
    found = {name: ops.stop_gradient(value) for name, value in found.items()}
    ends = _ends(found["stop"], fixed, position, ends)
    written = ops.reshape(found["frames"], (-1, 1, frames.shape[-1]))
    place, weights = (0, position, 0), found["alignments"][:, None]
    new = (
        position + 1,
        after.cache,
        found["frames"],
        ops.slice_update(frames, place, written),
        ops.slice_update(alignments, place, weights),
        ends,
    )
    return _as_shaped((position, cache, last, frames, alignments, ends), new)


def _ends(
    stop: Tensor, fixed: dict[str, Any], position: Tensor, ends: Tensor
) -> Tensor:
    """(B,) frames before the first that stops, -1 where none has."""
    count = stop.shape[1]
    place = position * count + ops.arange(count, dtype="int32")[None]
    stops = ops.logical_and(stop > fixed["logit"], place < fixed["limits"][:, None])
    never = 2**31 - 1
    first = ops.min(ops.where(stops, place, never), axis=1)
    return ops.where(ops.logical_and(ends < 0, first < never), first, ends)


def _as_shaped(before: Any, after: Any) -> Any:
    """A tree of tensors after a step, as static as those the loop began with."""
    return keras.tree.map_structure(
        lambda one, other: ops.reshape(other, ops.shape(one)), before, after
    )
