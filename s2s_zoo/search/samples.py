"""Samples of a waveform drawn one after the other."""

from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import keras
from keras import ops

from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.layers.threefry import threefry, uniform
from s2s_zoo.search.base import (
    Hypothesis,
    Search,
    Stepping,
    integer,
    number,
)
from s2s_zoo.search.loop import Loop
from s2s_zoo.typing import Arrays, DecoderState, EncoderOutput, Tensor, Tensors

LEAST = 2.0**-25
"""Half of the least -log u above 0: u is 1 itself once in 2^24 draws."""


class SampleWriter(Stepping, Protocol):
    """A decoder that writes samples one by one.

    Attributes:
        stride: samples of a frame of the memory.
    """

    stride: int


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class SampleSearch(Search):
    """Classes of samples by their probabilities, as many as the frames say.

    Attributes:
        temperature: logits are divided by it; 0 takes the likeliest class.
        seed: of the draw, which depends on the number of the sample alone.

    Raises:
        UserError: a value out of range.

    Example:
        >>> from s2s_zoo.search.samples import SampleSearch
        >>> SampleSearch().parse("temperature=0.8").signature
        'samples|temperature:0.8|seed:0'
    """

    family: ClassVar[str] = "samples"

    temperature: float = number(1.0, lambda value: value >= 0, "from 0")
    seed: int = integer(0, 0)

    @property
    def signature(self) -> str:
        return f"samples|temperature:{self.temperature}|seed:{self.seed}"

    def write(
        self,
        decoder: SampleWriter,
        memory: EncoderOutput,
        inputs: Tensors,
        loop: Loop,
    ) -> Tensors:
        """Samples of B sources.

        Args:
            decoder: of samples.
            memory: frames.
            inputs: not read.
            loop: what it runs in.

        Returns:
            `samples` (B, S) int32 and `lengths` (B,) int32.
        """
        batch, time = ops.shape(memory.mask)
        size = time * decoder.stride
        state = decoder.start(memory, 1, size)
        fixed = {
            "step": decoder.step,
            "memory": state.memory,
            "temperature": self.temperature,
            "seed": self.seed,
        }
        last = ops.full((batch,), -1, dtype="int32")
        samples = ops.full((batch, size), -1, dtype="int32")
        start = (state.position, state.cache, last, samples)
        samples = loop(_goes_on, _advance, fixed, start)[-1]
        return {
            "samples": samples,
            "lengths": mask_lengths(memory.mask) * decoder.stride,
        }

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The classes of the samples of each source."""
        every = (ops.convert_to_numpy(output[name]) for name in ("samples", "lengths"))
        return [[Hypothesis(row[:n], 0.0)] for row, n in zip(*every, strict=True)]


def _goes_on(
    fixed: dict[str, Any], position: Tensor, cache: Any, last: Tensor, samples: Tensor
) -> Tensor:
    return position < ops.shape(samples)[1]


def _advance(
    fixed: dict[str, Any], position: Tensor, cache: Any, last: Tensor, samples: Tensor
) -> tuple[Any, ...]:
    state = DecoderState(cache, fixed["memory"], position)
    logits, after = fixed["step"](last, state)
    chosen = _chosen(ops.stop_gradient(logits), fixed, position)
    samples = ops.slice_update(samples, (0, position), chosen[:, None])
    new = (position + 1, after.cache, chosen, samples)
    return keras.tree.map_structure(
        lambda one, other: ops.reshape(other, ops.shape(one)),
        (position, cache, last, samples),
        new,
    )


def _chosen(logits: Tensor, fixed: dict[str, Any], position: Tensor) -> Tensor:
    """(B,) classes of logits (B, V), by Gumbel's noise at a temperature."""
    if fixed["temperature"]:
        entry = ops.arange(logits.shape[-1], dtype="int32")
        key = (ops.cast(fixed["seed"], "int32"), ops.zeros_like(position))
        drawn = uniform(threefry(key, (position, entry))[0])
        noise = -ops.log(ops.maximum(-ops.log(drawn), LEAST))
        logits = logits / fixed["temperature"] + noise
    return ops.cast(ops.argmax(logits, axis=-1), "int32")
