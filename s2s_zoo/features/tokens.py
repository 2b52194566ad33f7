"""Text to encoder input: a row of a table for each token."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.features.base import Features
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TokenFeatures(Features):
    """Embedded source tokens.

    Args:
        vocabulary_size: V, tokens of the source.
        width: D.
        deviation: standard deviation of the table at the start, None for D^-½.
        scaled: multiply rows by √D.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import TokenFeatures
        >>> features = TokenFeatures(vocabulary_size=9, width=4)
        >>> x, mask = features(ops.array([[4, 5, 1, 0]]), ops.array([3]))
        >>> ops.shape(x), int(ops.sum(mask))
        ((1, 4, 4), 3)
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        deviation: float | None = None,
        scaled: bool = False,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.width = width
        self.deviation = deviation
        self.scaled = scaled
        self.embedding = TokenEmbedding(
            vocabulary_size, width, deviation, scaled, name="embedding"
        )

    @property
    def table(self) -> TokenEmbedding:
        return self.embedding

    def build(self, *_: Shape) -> None:
        self.embedding.build()
        self.built = True

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, D) rows of `source` (B, T) int32, and their mask (B, T)."""
        mask = sequence_mask(lengths, ops.shape(source)[1])
        return apply_mask(self.embedding(source), mask), mask

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths

    def feature_shape(self, source_shape: Shape) -> Shape:
        return (*source_shape, self.width)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"width": 8}
