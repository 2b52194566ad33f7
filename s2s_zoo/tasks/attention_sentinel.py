"""What keeps a synthesizer from learning, told while it trains."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.tasks.course import STALLED, Course

EARLY = 0.25
"""Share of a training after which attention has formed if it ever does."""
FALLING = 1 / 3
"""Share of a training in which a loss falls at a good learning rate."""
MANY = 200
"""Means of losses after which it may fall slowly at any."""
STRAIGHT, MET = 0.7, 0.6
"""Diagonality and coverage of attention that has formed."""
FIT = 0.6
"""Correlation of lengths of texts and recordings that belong to each other."""
SLOW, FAST = 9.5, 28.0
"""Characters per second of speech that nobody listens to for long."""
LONG_SECONDS = 10.0
ENOUGH = 8
"""Recordings from which lengths are compared."""


@dataclass(frozen=True)
class Recordings:
    """What is known of recordings before anything is learned.

    Attributes:
        seconds: (N,) of each.
        characters: (N,) of their texts.
        problems: how many have which problem, as `voice_problems` names them.
    """

    seconds: NDArray[np.float64]
    characters: NDArray[np.int64]
    problems: Mapping[str, int]

    def concerns(self) -> Iterator[str]:
        """What of them keeps attention from forming, in words."""
        count = len(self.seconds)
        for kind, words in PROBLEMS.items():
            if self.problems.get(kind, 0) > count / 4:
                yield f"{self.problems[kind]} of {count} recordings {words}"
        if count and np.median(self.seconds) > LONG_SECONDS:
            length = float(np.median(self.seconds))
            yield f"half the recordings last {length:.1f} s or more: cut them"
        if count >= ENOUGH:
            yield from self._misfits()

    def _misfits(self) -> Iterator[str]:
        rate = float(np.median(self.characters / np.maximum(self.seconds, 1e-3)))
        if not SLOW <= rate <= FAST:
            yield (
                f"{rate:.1f} characters are spoken in a second, where speech has about "
                "15: the rate of the files may be wrong"
            )
        if min(np.std(self.seconds), np.std(self.characters)) < 1e-6:
            return
        fit = float(np.corrcoef(self.seconds, self.characters)[0, 1])
        if fit < FIT:
            yield (
                f"longer texts are not longer recordings (correlation {fit:.2f}): "
                "texts may belong to other files"
            )


PROBLEMS = {
    "silent_ends": "begin or end in silence: task.trim_db=60 cuts it",
    "clipped": "are clipped",
}


def rate_verdict(course: Course) -> str:
    """Whether the learning rate is too large to learn at, in words; else nothing.

    The loss has fallen at first, and then no more, while it still should.
    """
    half = len(course.losses) // 2
    if course.share > FALLING or half > MANY // 2 or not course.stalled:
        return ""
    before, since = course.mean(half // 2, half), course.mean(-(half // 2))
    if STALLED * course.losses[0] <= since <= course.losses[0] / STALLED:
        return ""  # it has hardly moved: trained weights, or a rate that is too small
    return (
        f"The loss does not fall (mean {before:.3g}, then {since:.3g}): the learning "
        f"rate of {course.learning_rate:.2g} seems too large; try a tenth of it"
    )


def attention_verdict(metrics: Mapping[str, float], share: float) -> str:
    """Whether attention should have formed by now and has not, in words; else nothing.

    Args:
        metrics: of a validation.
        share: of the training that is behind.
    """
    straight = metrics["attention_diagonality"]
    met = metrics["attention_coverage"]
    if share < EARLY or (straight >= STRAIGHT and met >= MET):
        return ""
    return (
        f"Attention has not formed after {share:.0%} of the training (diagonality "
        f"{straight:.2f}, coverage {met:.2f}), and speech will not be understood: "
        "train longer, with a lower rate, decoder.reduction=3 or more of "
        "task.objective.guide_weight"
    )


def data_verdict(concerns: Sequence[str]) -> str:
    """Concerns about recordings as a sentence; nothing where there are none."""
    if not concerns:
        return ""
    return f"The recordings make it hard to learn from them: {'; '.join(concerns)}"
