"""Mean and variance of what is never held at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class RunningStatistics:
    """Mean and variance of each column of rows that come in parts.

    Parts are joined in float64 as by Chan et al. (1983, "Algorithms for computing the
    sample variance"). Columns that never vary have a variance of exactly 0.

    Attributes:
        count: rows so far.
        mean: (D,) float64, () before the first rows.
    """

    def __init__(self) -> None:
        self.count = 0
        self.mean: NDArray[np.float64] = np.zeros(())
        self._squares: NDArray[np.float64] = np.zeros(())

    def add(self, rows: NDArray[Any]) -> None:
        """Take rows (N, D) in."""
        if not len(rows):
            return
        first = rows[0].astype(np.float64)
        differences = rows - first
        mean = differences.mean(axis=0)
        squares = np.square(differences - mean).sum(axis=0)
        step = first + mean - self.mean
        total = self.count + len(rows)
        self._squares = self._squares + squares
        self._squares = self._squares + step**2 * (self.count * len(rows) / total)
        self.mean = self.mean + step * (len(rows) / total)
        self.count = total

    @property
    def variance(self) -> NDArray[np.float64]:
        """(D,) of the rows so far, divided by their number."""
        return self._squares / max(self.count, 1)
