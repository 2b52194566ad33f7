"""What recordings say about float16, in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from s2s_zoo.numerics.float16 import (
    LARGEST,
    LOST_SHARE,
    SMALLEST_SUBNORMAL,
    highest_scale,
    lowest_scale,
    rounding_loss,
)
from s2s_zoo.numerics.recording import Recording

NAMED = 5
"""Layers named in a sentence."""


@dataclass(frozen=True)
class Window:
    """The loss scales 2^k, `low` ≤ k ≤ `high`, that serve a step.

    Attributes:
        step: of the training.
        low: what the layer `low_at` needs.
        high: what the layer `high_at` bears.
    """

    step: int
    low: int
    low_at: str
    high: int
    high_at: str


class Loss(NamedTuple):
    """What float16 takes of a gradient without loss scaling.

    Attributes:
        rounded: share of the sum of magnitudes that is rounded away.
        flushed: share of the values that are below 2^-24.
    """

    rounded: float
    flushed: float


@dataclass(frozen=True)
class Verdict:
    """What recordings say about training in float16.

    Attributes:
        underflowing: what is lost without loss scaling, by layer, in the recording
            where it is most; only the layers that are not served.
        scale: the smallest power of two that serves every layer at every recorded
            step, 1 where none is needed, None where there is none.
        conflict: the step where no scale serves every layer, None where there is none.
        beyond: largest activation by layer, only above float16's largest number.
        lines: all that in words.
    """

    underflowing: dict[str, Loss]
    scale: float | None
    conflict: Window | None
    beyond: dict[str, float]
    lines: tuple[str, ...]

    @property
    def bfloat16(self) -> bool:
        """Whether bfloat16 would do better: the range of float16 is too small."""
        return bool(self.conflict or self.beyond)


def judge(recordings: Sequence[Recording]) -> Verdict:
    """The verdict over the recordings of a training, at least one."""
    underflowing = _underflowing(recordings)
    windows = [w for w in map(window, recordings) if w]
    scale = _serving_scale(windows)
    conflict = next((w for w in windows if w.low > w.high), None)
    largest = _largest_activations(recordings)
    beyond = {path: value for path, value in largest.items() if value > LARGEST}
    verdict = Verdict(underflowing, scale, conflict, beyond, ())
    lines = (
        *_about_recordings(recordings),
        _about_underflow(underflowing),
        _about_scale(windows, verdict),
        _about_activations(largest, beyond),
        _about_bfloat16(verdict),
    )
    return Verdict(underflowing, scale, conflict, beyond, lines)


def window(recording: Recording) -> Window | None:
    """The loss scales that serve a step; None where every gradient is zero."""
    gradients = dict(recording.gradients())
    if not gradients:
        return None
    lows = {path: lowest_scale(e) for path, e in gradients.items()}
    highs = {path: highest_scale(e.largest) for path, e in gradients.items()}
    low_at = max(lows, key=lambda path: lows[path])
    high_at = min(highs, key=lambda path: highs[path])
    return Window(recording.step, lows[low_at], low_at, highs[high_at], high_at)


def _underflowing(recordings: Sequence[Recording]) -> dict[str, Loss]:
    worst: dict[str, Loss] = {}
    for recording in recordings:
        for path, exponents in recording.gradients():
            flushed = exponents.share_below(SMALLEST_SUBNORMAL)
            loss = Loss(rounding_loss(exponents), flushed)
            worst[path] = max(loss, worst.get(path, loss))
    lost = {path: loss for path, loss in worst.items() if loss.rounded > LOST_SHARE}
    return dict(sorted(lost.items(), key=lambda item: item[1], reverse=True))


def _serving_scale(windows: Sequence[Window]) -> float | None:
    if not windows:
        return 1.0
    low, high = max(w.low for w in windows), min(w.high for w in windows)
    exponent = max(low, min(0, high))
    return 2.0**exponent if exponent <= high else None


def _largest_activations(recordings: Sequence[Recording]) -> dict[str, float]:
    largest: dict[str, float] = {}
    for recording in recordings:
        for path, numbers in recording.layers.items():
            reached = numbers.activation.largest
            largest[path] = max(reached, largest.get(path, 0.0))
    return largest


def _about_recordings(recordings: Sequence[Recording]) -> list[str]:
    steps = [recording.step for recording in recordings]
    lines = [f"Recorded at {len(steps)} steps from {min(steps)} to {max(steps)}."]
    seen = [r.seen_at for r in recordings if r.in_float16]
    if seen:
        lines.append(
            f"Seen in float16 at loss scales from {_scale(min(seen))} on: smaller "
            f"gradients than 2^-24 divided by it look like zeros."
        )
    return lines


def _about_underflow(underflowing: dict[str, Loss]) -> str:
    if not underflowing:
        return (
            f"Without loss scaling float16 serves every layer: it rounds away at most "
            f"{LOST_SHARE:.1%} of each gradient."
        )
    shown = [
        f"{path} loses {loss.rounded:.2%}, with {loss.flushed:.0%} of its values "
        "below 2^-24"
        for path, loss in underflowing.items()
    ]
    more = f"; and {len(shown) - NAMED} more" if len(shown) > NAMED else ""
    return (
        f"Without loss scaling float16 rounds away more than {LOST_SHARE:.1%} of a "
        f"gradient: {'; '.join(shown[:NAMED])}{more}."
    )


def _about_scale(windows: Sequence[Window], verdict: Verdict) -> str:
    if not windows:
        return "Every gradient is zero."
    conflict, scale = verdict.conflict, verdict.scale
    if conflict:
        return (
            f"No loss scale serves every layer: at step {conflict.step}, "
            f"{conflict.low_at} needs {_power(conflict.low)} and {conflict.high_at} "
            f"bears at most {_power(conflict.high)}."
        )
    needs = max(windows, key=lambda w: w.low)
    bears = min(windows, key=lambda w: w.high)
    if scale is None:
        return (
            f"No one loss scale serves every step: step {needs.step} needs "
            f"{_power(needs.low)} ({needs.low_at}), step {bears.step} bears at most "
            f"{_power(bears.high)} ({bears.high_at}). One that adapts does: backoff or "
            "logmax."
        )
    served = "No loss scale is needed"
    if scale != 1:
        served = f"A loss scale of {_scale(scale)} serves every layer at every step"
    return (
        f"{served}; with headroom it may be up to {_power(bears.high)} "
        f"({bears.high_at} at step {bears.step})."
    )


def _about_activations(largest: dict[str, float], beyond: dict[str, float]) -> str:
    if beyond:
        shown = ", ".join(f"{path} {value:.3g}" for path, value in beyond.items())
        return (
            f"Activations beyond float16's largest number, {LARGEST:.0f}, which no "
            f"loss scale mends: {shown}."
        )
    path = max(largest, key=lambda p: largest[p])
    return f"Activations fit float16: the largest is {largest[path]:.3g}, in {path}."


def _about_bfloat16(verdict: Verdict) -> str:
    if verdict.bfloat16:
        return (
            "bfloat16 would do better: it has the range of float32 "
            "(--precision mixed_bfloat16)."
        )
    return "bfloat16 would gain no range that is missing here, and costs 3 bits of 11."


def _power(exponent: int) -> str:
    return f"2^{exponent}"


def _scale(scale: float) -> str:
    exponent = math.log2(scale)
    if exponent.is_integer():
        return f"2^{exponent:.0f} = {scale:g}"
    return f"{scale:g}"
