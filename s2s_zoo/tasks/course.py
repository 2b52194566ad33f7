"""How a training goes, as far as its losses tell."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

ENOUGH = 12
"""Losses from which a course is read."""
STALLED = 0.95
"""Share of the loss that is left where the steps since took nothing off."""


@dataclass(frozen=True)
class Course:
    """How far a training has come.

    Attributes:
        share: of its steps that is behind.
        learning_rate: of the newest step.
        losses: means of some steps each, from the first step to the newest.

    Example:
        >>> from s2s_zoo.tasks import Course
        >>> Course(0.1, 0.5, [9.0, 4.0, *[3.1, 2.9] * 5]).stalled
        True
        >>> Course(0.1, 0.01, [9 / (1 + step) for step in range(12)]).stalled
        False
    """

    share: float
    learning_rate: float
    losses: Sequence[float]

    @property
    def stalled(self) -> bool:
        """Whether the loss is where it was in the second quarter of the steps so far.

        The first quarter falls at any rate. A loss that is not finite has stalled.
        """
        count = len(self.losses)
        if count < ENOUGH:
            return False
        before, since = self.mean(count // 4, count // 2), self.mean(-(count // 4))
        return not since < STALLED * before

    def mean(self, start: int, stop: int | None = None) -> float:
        """Mean of the losses from `start` on, before `stop`."""
        return float(np.mean(self.losses[start:stop]))
