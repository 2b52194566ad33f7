"""Token features whose table loses words or entries in training."""

from functools import partial
from typing import Any

import keras
from keras import ops

from s2s_zoo.features.tokens import TokenFeatures
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class DroppedTokenFeatures(TokenFeatures):
    """Embedded source tokens, parts of the table dropped anew for each batch.

    A word that is dropped is so wherever it stands in the batch; the table scores
    tokens whole where it is tied.

    Args:
        vocabulary_size: V, tokens of the source.
        width: D.
        row_dropout: share of the words that are dropped (Gal and Ghahramani, 2016,
            https://arxiv.org/abs/1512.05287, section 4.2).
        entry_dropout: share of the numbers of the table that are.
        kwargs: as of `TokenFeatures`.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import DroppedTokenFeatures
        >>> features = DroppedTokenFeatures(9, width=4, row_dropout=0.5)
        >>> tokens, lengths = ops.array([[4, 5, 4]]), ops.array([3])
        >>> x, mask = features(tokens, lengths, training=True)
        >>> bool(ops.all(x[0, 0] == x[0, 2]))
        True
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        row_dropout: float = 0.0,
        entry_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(vocabulary_size, width, **kwargs)
        self.row_dropout = row_dropout
        self.entry_dropout = entry_dropout
        drop = partial(keras.layers.Dropout, dtype="float32")
        self.row_drop = drop(row_dropout, name="row_dropout")
        self.entry_drop = drop(entry_dropout, name="entry_dropout")

    def call(
        self, source: Tensor, lengths: Tensor, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """(B, T, D) rows of `source` (B, T) int32, and their mask (B, T)."""
        mask = sequence_mask(lengths, ops.shape(source)[1])
        rows = self.embedding(source)
        if training and self.row_dropout:
            rows = rows * self._kept(self.row_drop, 1, source)
        if training and self.entry_dropout:
            rows = rows * self._kept(self.entry_drop, self.width, source)
        return apply_mask(rows, mask), mask

    def _kept(self, drop: keras.layers.Dropout, width: int, source: Tensor) -> Tensor:
        """(B, T, width) what the rows of the tokens are multiplied by."""
        factors = drop(ops.ones((self.vocabulary_size, width)), training=True)
        return ops.take(factors, source, axis=0)
