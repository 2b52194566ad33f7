"""SpecAugment: bands of frequencies and stretches of time silenced in training."""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.features.base import MAX_SEED, Augmentation
from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.typing import LayerKwargs, Tensor

MAX_MASKS, MAX_WIDTH = 1000, 1_000_000


@keras.saving.register_keras_serializable("s2s_zoo")
class SpecAugment(Augmentation):
    """Frequency and time masking of normalized features, in training only.

    Park et al. 2019, arXiv 1904.08779, section 2, without time warping. Every mask of
    every example draws its own width, uniform over 0 to the greatest, and its place,
    uniform over those where it fits; masked values become zero, the mean of
    normalized features. The features keep their dtype.

    Args:
        num_frequency_masks: frequency masks of an example.
        frequency_width: greatest width of one in features.
        num_time_masks: time masks of an example, all within its unpadded frames.
        time_width: greatest width of one in frames.
        time_share: greatest width of one as a share of the unpadded frames, the
            paper's p.
        seed: seed of the draws; their state is a variable of the layer.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import SpecAugment
        >>> x, mask = ops.ones((2, 30, 8)), ops.ones((2, 30), "bool")
        >>> augment = SpecAugment(frequency_width=4, time_width=10)
        >>> y = augment(x, mask, training=True)
        >>> ops.shape(y), bool(ops.all(augment(x, mask) == x))
        ((2, 30, 8), True)
    """

    def __init__(
        self,
        num_frequency_masks: int = 2,
        frequency_width: int = 10,
        num_time_masks: int = 2,
        time_width: int = 50,
        time_share: float = 1.0,
        seed: int = 0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("num_frequency_masks", num_frequency_masks, 0, MAX_MASKS)
        check_range("frequency_width", frequency_width, 0, MAX_WIDTH)
        check_range("num_time_masks", num_time_masks, 0, MAX_MASKS)
        check_range("time_width", time_width, 0, MAX_WIDTH)
        check_range("time_share", time_share, 0, 1)
        check_range("seed", seed, 0, MAX_SEED)
        self.num_frequency_masks = num_frequency_masks
        self.frequency_width = frequency_width
        self.num_time_masks = num_time_masks
        self.time_width = time_width
        self.time_share = time_share
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(
        self, features: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """Mask a batch.

        Args:
            features: (B, T, D) normalized features.
            mask: (B, T) bool, True on real frames, which come first.
            training: identity unless True.

        Returns:
            (B, T, D) features.
        """
        if not training:
            return features
        batch, frames, size = ops.shape(features)
        zero = ops.zeros((), features.dtype)
        if self.num_frequency_masks:
            sizes = ops.full((batch,), size, dtype="float32")
            widest = ops.minimum(sizes, self.frequency_width)
            hidden = self._spans(self.num_frequency_masks, widest, sizes, size)
            features = ops.where(hidden[:, None, :], zero, features)
        if self.num_time_masks:
            lengths = ops.cast(mask_lengths(mask), "float32")
            widest = ops.minimum(ops.floor(lengths * self.time_share), self.time_width)
            hidden = self._spans(self.num_time_masks, widest, lengths, frames)
            features = ops.where(hidden[:, :, None], zero, features)
        return features

    def _spans(
        self, count: int, widest: Tensor, lengths: Tensor, size: Tensor
    ) -> Tensor:
        """Union of `count` random spans within each row.

        Args:
            count: M, spans of a row.
            widest: (B,) float, greatest width.
            lengths: (B,) float, where the last span ends at the latest.
            size: positions of a row.

        Returns:
            (B, size) bool, True within a span.
        """
        shape = (ops.shape(lengths)[0], count)
        widths = self._integers(shape, widest[:, None])
        starts = self._integers(shape, lengths[:, None] - widths)[..., None]
        positions = ops.arange(size, dtype="float32")
        inside = (positions >= starts) & (positions < starts + widths[..., None])
        return ops.any(inside, axis=1)

    def _integers(self, shape: tuple[Tensor, int], highest: Tensor) -> Tensor:
        """Uniform whole numbers, 0 to `highest` inclusive, as floats."""
        uniform = keras.random.uniform(shape, dtype="float32", seed=self.seed_generator)
        return ops.floor(uniform * (highest + 1))
