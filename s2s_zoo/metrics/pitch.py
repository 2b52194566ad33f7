"""The fundamental frequency of speech, and how far synthesized speech is from it."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.speech import Frames, alignment_in_time

LOWEST, HIGHEST = 65.0, 500.0
"""Hz that voices are looked for in."""
RESOLUTION = 0.2
"""Semitones between candidates: a quarter of the time of librosa's 0.1."""
SECONDS = 0.06
"""Of a frame at least: almost four periods of the lowest voice."""


class Pitched(NamedTuple):
    """A sentence that was synthesized, beside its recording.

    Attributes:
        recorded: (U, M) natural logarithms of mel magnitudes.
        found: (U', M) the same of what was synthesized.
        recorded_pitch: (U,) Hz, not a number where nothing is voiced.
        found_pitch: (U',) the same of what was synthesized.
    """

    recorded: Frames
    found: Frames
    recorded_pitch: NDArray[np.float64]
    found_pitch: NDArray[np.float64]


def pitch(audio: NDArray[np.float32], rate: int, stride: int) -> NDArray[np.float64]:
    """(1 + S // stride,) Hz of a waveform (S,), not a number where it is not voiced.

    Mauch and Dixon, "pYIN: a fundamental frequency estimator using probabilistic
    threshold distributions" (ICASSP 2014), as librosa has it. A second of speech takes
    about 0.07 s.

    Args:
        audio: samples.
        rate: samples per second.
        stride: samples between frames.
    """
    if not len(audio):
        return np.zeros(0)
    from librosa import pyin

    found, _, _ = pyin(
        np.asarray(audio, np.float32),
        fmin=LOWEST,
        fmax=min(HIGHEST, rate / 4),
        sr=rate,
        frame_length=1 << math.ceil(math.log2(rate * SECONDS)),
        hop_length=stride,
        resolution=RESOLUTION,
    )
    return np.asarray(found, np.float64)


def pitch_measures(sentences: Sequence[Pitched]) -> dict[str, Pooled]:
    """Metrics of the fundamental frequency, the sentences warped in time.

    - `voicing_error_rate`: pairs of frames of which one alone is voiced;
    - `f0_error_cents`: root of the mean square over pairs that both are, in hundredths
      of a semitone; left out where there is none.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.metrics.pitch import Pitched, pitch_measures
        >>> frames = np.random.default_rng(0).normal(size=(4, 20))
        >>> one, other = np.full(4, 100.0), np.array([200.0, 200.0, 200.0, np.nan])
        >>> found = pitch_measures([Pitched(frames, frames, one, other)])
        >>> {name: measure.value for name, measure in found.items()}
        {'f0_error_cents': 1200.0, 'voicing_error_rate': 0.25}
    """
    errors = np.array([_errors(one) for one in sentences])
    squares, both, unlike, pairs = errors.reshape(-1, 4).T
    measures = {"voicing_error_rate": Pooled.ratio(unlike, pairs)}
    if both.any():
        rows = np.stack([squares, both], axis=1)
        measures = {"f0_error_cents": Pooled(rows, _root_mean), **measures}
    return measures


def _errors(one: Pitched) -> tuple[float, int, int, int]:
    """Squares of cents, pairs voiced, pairs that disagree on it, and all pairs."""
    if not len(one.recorded):
        return 0.0, 0, 0, 0
    path = alignment_in_time(one.recorded, one.found)[1]
    # Where nothing was synthesized, frames are compared with a frame of silence.
    found = one.found_pitch if len(one.found_pitch) else np.full(1, np.nan)
    first, second = one.recorded_pitch[path[:, 0]], found[path[:, 1]]
    voiced = np.isfinite(first), np.isfinite(second)
    both = voiced[0] & voiced[1]
    cents = 1200 * np.log2(second[both] / first[both])
    unlike = int((voiced[0] != voiced[1]).sum())
    return float(cents @ cents), int(both.sum()), unlike, len(path)


def _root_mean(sums: NDArray[np.float64]) -> float:
    return math.sqrt(sums[0] / sums[1]) if sums[1] else math.nan
