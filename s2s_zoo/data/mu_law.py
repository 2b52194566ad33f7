"""Samples as classes by the μ-law (ITU-T G.711), as WaveNet reads and writes them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def encode_mu_law(audio: NDArray[Any], classes: int = 256) -> NDArray[np.int32]:
    """Classes of `audio` in [-1, 1]: sign(x)·ln(1 + μ|x|)/ln(1 + μ), in even steps.

    van den Oord et al., 2016, section 2.2; μ is one less than the classes.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.data.mu_law import encode_mu_law
        >>> encode_mu_law(np.array([-1.0, 0.0, 0.01, 1.0])).tolist()
        [0, 128, 156, 255]
    """
    mu = classes - 1
    level = np.sign(audio) * np.log1p(mu * np.abs(audio)) / np.log1p(mu)
    return np.floor((np.clip(level, -1, 1) + 1) / 2 * mu + 0.5).astype(np.int32)


def decode_mu_law(
    samples: NDArray[np.int32], classes: int = 256
) -> NDArray[np.float32]:
    """Audio in [-1, 1] of classes: the middle of what each stands for."""
    mu = classes - 1
    level = 2 * np.asarray(samples, np.float64) / mu - 1
    audio = np.sign(level) * np.expm1(np.abs(level) * np.log1p(mu)) / mu
    return audio.astype(np.float32)
