"""Tokens as they are, for encoders that have tables of their own."""

from typing import Any

import keras
from keras import ops

from s2s_zoo.features.base import Features
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.typing import Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TokenIds(Features):
    """Token ids (B, T) int32 of padded texts, 0 on padding, and their mask.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import TokenIds
        >>> ids, mask = TokenIds()(ops.array([[4, 5, 9, 9]]), ops.array([2]))
        >>> print(ops.convert_to_numpy(ids))
        [[4 5 0 0]]
    """

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Ids and mask, both (B, T), of `source` (B, T) int32."""
        mask = sequence_mask(lengths, ops.shape(source)[1])
        return ops.where(mask, source, 0), mask

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return lengths

    def feature_shape(self, source_shape: Shape) -> Any:
        return source_shape
