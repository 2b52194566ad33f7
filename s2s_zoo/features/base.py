"""The contract of frontends: from the raw signal to what an encoder reads."""

import abc

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.typing import Tensor


class Features(ZooLayer, abc.ABC):
    """Turns a padded raw source into frames; computes in float32 under any policy.

    Attributes:
        num_features: D, numbers per frame.
    """

    num_features: int

    @abc.abstractmethod
    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Frames of the sources.

        Args:
            source: (B, S) padded.
            lengths: (B,) int32, real entries of each.
            training: whether to distort.

        Returns:
            (B, T, D) float32, zero on padding, and its mask (B, T).
        """

    @abc.abstractmethod
    def output_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) int32 frames of sources of these lengths."""
