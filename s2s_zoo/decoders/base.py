"""The contract of decoders."""

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import EncoderOutput, Tensor


class Decoder(ZooLayer):
    """Turns the memory of an encoder into scores of the target."""

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
        raise NotImplementedError(f"{type(self).__name__} has no call")
