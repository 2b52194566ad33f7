"""Log power spectrograms."""

import math
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.features.audio import MIN_FLOOR, AudioFeatures, AudioOptions
from s2s_zoo.typing import Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LogSpectrogram(AudioFeatures):
    """Decibels of the lowest frequency bins, what Deep Speech 2 reads.

    10 log10(max(power, floor)), as `librosa.power_to_db(power, amin=floor,
    top_db=None)`. Deep Speech 2: Amodei et al. 2016, arXiv 1512.02595, section 3.

    Args:
        num_features: D, how many of the lowest bins are kept.
        floor: least power; the default is below the rounding of 16-bit audio.
        **options: those of `AudioFeatures`, `pre_emphasis` 0 unless given.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.features import LogSpectrogram
        >>> features = LogSpectrogram(num_features=96, window="hamming")
        >>> x, mask = features(ops.ones((2, 8000)), ops.array([8000, 4000]))
        >>> ops.shape(x)
        (2, 51, 96)
    """

    def __init__(
        self,
        num_features: int = 160,
        *,
        floor: float = 1e-10,
        **options: Unpack[AudioOptions],
    ) -> None:
        options.setdefault("pre_emphasis", 0.0)
        super().__init__(num_features, **options)
        self.floor = floor
        check_range("floor", floor, MIN_FLOOR, 1.0)
        check_range("num_features", num_features, 1, self.fft_samples // 2 + 1)

    @property
    def bins(self) -> int:
        return self.num_features

    def from_power(self, power: Tensor) -> Tensor:
        return ops.log(ops.maximum(power, self.floor)) * (10 / math.log(10))
