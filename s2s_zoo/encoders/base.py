"""The contract of encoders."""

import abc
from typing import Any

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import EncoderOutput, Tensor


class Encoder(ZooLayer, abc.ABC):
    """Turns a padded source into the memory a decoder reads.

    Padding and neighbours never change a result: the output of an example is the
    same whatever the batch, the bucket or the padding.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import Encoder, EncoderOutput
        >>> class Passing(Encoder):
        ...     def call(self, inputs, mask, training=None):
        ...         return EncoderOutput(inputs, mask)
        >>> memory = Passing()(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 5, 4)
    """

    @abc.abstractmethod
    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        """Encode `inputs` (B, T, D), real where `mask` (B, T) is True.

        Inputs are what the features give: images are (B, H, W, C), and their mask has
        one entry each. Arguments beside these are further inputs of a batch, by their
        names.

        Returns:
            Sequence (B, T', D') with its mask (B, T'), T' = `output_lengths(T)`.
        """

    @property
    def time_stride(self) -> int:
        """Source frames per output frame."""
        return 1

    @property
    def context_frames(self) -> int | None:
        """Source frames on each side that an output frame sees; None for no limit.

        The frames next to a cut through a source encode differently, those farther
        from it than this do not.
        """
        return None

    @property
    def state_shape(self) -> Any:
        """Shapes of the `state` of the memory, in the same nest; None for no state."""
        return None

    def output_lengths(self, lengths: Tensor) -> Tensor:
        """Frames after encoding sources of `lengths` frames; works on ints too."""
        return lengths
