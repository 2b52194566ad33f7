"""What decoders that write frames of a spectrogram have in common."""

import abc
from typing import Any, NamedTuple

from keras import ops

from s2s_zoo.decoders.base import Decoder
from s2s_zoo.typing import DecoderState, EncoderOutput, Tensor, Tensors

MAX_REDUCTION = 32


class SpeechMemory(NamedTuple):
    """What every step reads.

    Attributes:
        source: what the decoder prepared of the sources.
        seed: of what the prenet drops, int32.
        ahead: how far attention may move in a step, int32; 0 for anywhere.
    """

    source: Any
    seed: Tensor
    ahead: Tensor


class FrameDecoder(Decoder):
    """Writes a few frames in a step, which the next step reads.

    Step by step gives what teacher forcing gives.

    Attributes:
        frame_size: M, mel channels.
        reduction: r, frames of a step.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import CentaurDecoder, FrameDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = CentaurDecoder(4, units=8, prenet_units=8)
        >>> decoder.build(EncoderOutput((None, None, 6), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 6)), ops.ones((1, 5), "bool"))
        >>> state = decoder.start(memory, beams=1, length=10)
        >>> found, state = decoder.step(ops.zeros((1, 2, 4)), state)
        >>> isinstance(decoder, FrameDecoder), ops.shape(found["frames"])
        (True, (1, 2, 4))
    """

    reads_target = True
    frame_size: int
    reduction: int

    @property
    def channels(self) -> int:
        """C, channels of the frames that a step writes."""
        return self.frame_size

    @abc.abstractmethod
    def prepare(self, memory: EncoderOutput) -> Any:
        """What every step reads of the sources."""

    @abc.abstractmethod
    def empty(self, source: Any) -> Any:
        """Caches before the first step, of sources as `prepare` gives them."""

    def start(
        self,
        memory: EncoderOutput,
        beams: int,
        length: int,
        reordered: bool = True,
        seed: Tensor | int = 0,
        ahead: Tensor | int = 0,
    ) -> DecoderState:
        """The state before the first step; one row is written for each source.

        Args:
            memory: of the sources.
            beams: 1.
            length: not read: nothing grows.
            reordered: likewise.
            seed: of what the prenet drops.
            ahead: attention moves so many entries of the source ahead in a step at
                most, and never back; 0 lets it go anywhere.
        """
        if beams != 1:
            raise ValueError(f"One row of frames for each source. Received: {beams}")
        source = self.prepare(memory)
        numbers = (ops.cast(number, "int32") for number in (seed, ahead))
        zero = ops.convert_to_tensor(0, "int32")
        return DecoderState(self.empty(source), SpeechMemory(source, *numbers), zero)

    @abc.abstractmethod
    def step(
        self, written: Tensor, state: DecoderState
    ) -> tuple[Tensors, DecoderState]:
        """Read the frames `written` by the step before (B, r, C), silence at first.

        Returns:
            `frames` (B, r, C), `stop` (B, r) and `alignments` (B, T) of the step.
        """

    @abc.abstractmethod
    def refine(
        self, frames: Tensor, lengths: Tensor, training: bool | None = None
    ) -> Tensors:
        """What is made of written frames (B, U, C), of which `lengths` (B,) are real.

        Returns:
            `refined` (B, U, M) and maybe `magnitudes` (B, U, F), zero past the end.
        """
