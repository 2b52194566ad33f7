"""The contracts of frontends: from the raw signal to what an encoder reads."""

import abc

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.typing import Shape, Tensor

MAX_SEED = 2**31 - 1
"""The largest that every backend takes."""


class Features(ZooLayer, abc.ABC):
    """Turns a padded raw source into what an encoder reads; computes in float32.

    A source that is no sequence, such as an image, counts as one frame: its length is
    1, that of an empty row 0.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import Features
        >>> from s2s_zoo.layers import sequence_mask
        >>> class Samples(Features):
        ...     def call(self, source, lengths, training=None):
        ...         return source[..., None], sequence_mask(lengths, source.shape[1])
        ...     def feature_shape(self, source_shape):
        ...         return (*source_shape, 1)
        ...     def output_lengths(self, lengths):
        ...         return lengths
        >>> x, mask = Samples()(ops.ones((2, 7)), ops.array([7, 4]))
        >>> ops.shape(x)
        (2, 7, 1)
    """

    computes_in_float32 = True

    @property
    def table(self) -> TokenEmbedding | None:
        """The rows of the source's tokens, None where the source has no tokens."""
        return None

    @property
    def source_shape(self) -> Shape:
        """Of a source: (None, None) for samples or tokens, None where it is open."""
        return (None, None)

    def build(self, source_shape: Shape, lengths_shape: Shape) -> None:
        """Make what it needs for sources of `source_shape`; most need nothing."""
        self.built = True

    @abc.abstractmethod
    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """What an encoder reads of the sources.

        Args:
            source: (B, S) or (B, ...) padded.
            lengths: (B,) int32, real entries of each.
            training: whether to distort.

        Returns:
            Float32 of the shape `feature_shape` states, (B, T, D) frames, say,
            zero on padding, and its mask (B, T).
        """

    @abc.abstractmethod
    def feature_shape(self, source_shape: Shape) -> Shape:
        """Of what `call` gives for sources of `source_shape`, without the mask."""

    @abc.abstractmethod
    def output_lengths(self, lengths: Tensor) -> Tensor:
        """(B,) int32 frames of sources of these lengths."""


class Augmentation(ZooLayer, abc.ABC):
    """Distorts features, in training only; computes in float32 under any policy.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import Augmentation
        >>> class Louder(Augmentation):
        ...     def call(self, features, mask, training=None):
        ...         return 2.0 * features if training else features
        >>> y = Louder()(ops.ones((1, 3, 4)), ops.ones((1, 3), "bool"), training=True)
        >>> float(ops.max(y))
        2.0
    """

    computes_in_float32 = True

    @abc.abstractmethod
    def call(
        self, features: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """Features of the same shape: (B, T, D), say, real where `mask` (B, T) is."""
