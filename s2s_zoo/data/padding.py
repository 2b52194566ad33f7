"""Rows of different lengths as one array."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def pad(
    rows: Sequence[NDArray[Any]], count: int, size: int, fill: float
) -> tuple[NDArray[Any], NDArray[np.int32]]:
    """Stack `rows`, each (N, ...) with N <= size, into (count, size, ...).

    Returns:
        The rows padded with `fill`, and their lengths (count,).
    """
    padded = np.full((count, size, *rows[0].shape[1:]), fill, rows[0].dtype)
    lengths = np.zeros(count, np.int32)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
        lengths[i] = len(row)
    return padded, lengths
