"""The contract of decoders."""

import abc

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import EncoderOutput, Tensor


class Decoder(ZooLayer, abc.ABC):
    """Turns the memory of an encoder into scores of the target."""

    @abc.abstractmethod
    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensor:
        """Score `targets` (B, U) given `memory`: teacher forcing.

        Returns:
            (B, U, V) float32 logits; for CTC (B, T, V+1), and targets are not read.
        """
