"""How near synthesized speech is to a recording, and whether attention went along."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.breakdown import Breakdown

Frames = NDArray[np.floating]
CEPSTRA = 13
"""Cepstral coefficients that are compared, the zeroth left out (Kubichek, 1993)."""
DECIBELS = 10 / math.log(10) * math.sqrt(2)
FAR = 3
"""Entries that attention may leave out or go back without it being heard."""
SHOWN = 8


class Spoken(NamedTuple):
    """A sentence that was synthesized, beside its recording.

    Attributes:
        recorded: (U, M) natural logarithms of mel magnitudes.
        found: (U', M) the same of what was synthesized.
        finished: whether it ended by itself.
        alignment: (U', T) weights of the attention.
    """

    recorded: Frames
    found: Frames
    finished: bool
    alignment: Frames


def speech_measures(sentences: Sequence[Spoken]) -> dict[str, Pooled]:
    """Metrics of synthesized sentences.

    - `mel_cepstral_distortion`, dB of a frame, after dynamic time warping;
    - `duration_error`: frames too many or too few, over those of the recordings;
    - `stop_accuracy`: sentences that ended by themselves, and neither before half of
      the recording nor after one and a half of it;
    - `attention_diagonality`: as `diagonality`, a mean over sentences;
    - `attention_coverage`: as `coverage`, likewise;
    - `attention_skips`, `attention_repeats`: as `wanderings`, likewise.
    """
    skips, repeats = zip(*(wanderings(one.alignment) for one in sentences), strict=True)
    distances = [distortion(one.recorded, one.found) for one in sentences]
    sizes = [(len(one.recorded), len(one.found)) for one in sentences]
    return {
        "mel_cepstral_distortion": Pooled.ratio(*zip(*distances, strict=True)),
        "duration_error": Pooled.ratio(
            [abs(found - wanted) for wanted, found in sizes],
            [wanted for wanted, _ in sizes],
        ),
        "stop_accuracy": Pooled.mean(
            one.finished and wanted / 2 <= found <= 1.5 * wanted
            for one, (wanted, found) in zip(sentences, sizes, strict=True)
        ),
        "attention_diagonality": Pooled.mean(
            diagonality(one.alignment) for one in sentences
        ),
        "attention_coverage": Pooled.mean(coverage(one.alignment) for one in sentences),
        "attention_skips": Pooled.mean(skips),
        "attention_repeats": Pooled.mean(repeats),
    }


def distortion(recorded: Frames, found: Frames) -> tuple[float, float]:
    """Mel-cepstral distortion along the best alignment in time.

    Kubichek, "Mel-cepstral distance measure for objective speech quality assessment"
    (1993): 10/ln 10 · √(2 Σ Δc²) of the coefficients 1 to 13.

    Args:
        recorded: (U, M) natural logarithms of mel magnitudes.
        found: (U', M); where there is nothing, each recorded frame is compared with
            silence.

    Returns:
        dB in all, and the pairs of frames they are summed over.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.metrics.speech import distortion
        >>> frames = np.random.default_rng(0).normal(size=(9, 20))
        >>> distortion(frames, np.repeat(frames, 2, axis=0))
        (0.0, 18.0)
    """
    if not len(recorded):
        return 0.0, 0.0
    costs, path = alignment_in_time(recorded, found)
    return float(costs[path[:, 0], path[:, 1]].sum()), float(len(path))


def alignment_in_time(
    recorded: Frames, found: Frames
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distances (U, U') in dB of all pairs of frames, and the pairs that are compared.

    Args:
        recorded: (U, M), U > 0, as of `distortion`.
        found: (U', M); where there is nothing, a frame of silence.

    Returns:
        The distances, and (P, 2) numbers of frames, as of `warping_path`.
    """
    if not len(found):
        found = np.zeros((1, recorded.shape[1]))
    one, other = cepstra(recorded), cepstra(found)
    difference = one[:, None] - other[None]
    costs = DECIBELS * np.sqrt(np.square(difference).sum(axis=-1))
    return costs, warping_path(costs)


def cepstra(frames: Frames) -> NDArray[np.float64]:
    """(U, 13) coefficients c of `frames` (U, M), whose channel n is Σ c_k cos θ_kn."""
    channels = frames.shape[1]
    order = np.arange(1, min(CEPSTRA, channels - 1) + 1)
    angles = np.pi * order * (np.arange(channels)[:, None] + 0.5) / channels
    return np.asarray(frames, np.float64) @ np.cos(angles) * (2 / channels)


def warping_path(costs: NDArray[np.float64]) -> NDArray[np.intp]:
    """(P, 2) cells of the path from corner to corner whose `costs` (N, M) sum to least.

    Steps go one down, one right, or both; a diagonal at a time.
    """
    rows, columns = costs.shape
    ways = np.zeros(costs.shape, np.int8)
    nowhere = np.full(rows + 1, np.inf)
    before, last = nowhere.copy(), nowhere.copy()
    for diagonal in range(rows + columns - 1):
        low, high = max(0, diagonal - columns + 1), min(rows - 1, diagonal)
        row = np.arange(low, high + 1)
        here = nowhere.copy()
        sums = np.stack([before[row], last[row], last[row + 1]])
        way = sums.argmin(axis=0)
        best = sums[way, np.arange(len(row))] if diagonal else 0.0
        here[row + 1] = best + costs[row, diagonal - row]
        ways[row, diagonal - row] = way
        before, last = last, here
    return _walked_back(ways)


def _walked_back(ways: NDArray[np.int8]) -> NDArray[np.intp]:
    """The path that led to the last cell, by the step into each: both, down, right."""
    cell = (ways.shape[0] - 1, ways.shape[1] - 1)
    path = [cell]
    while cell != (0, 0):
        way = ways[cell]
        cell = (cell[0] - (way != 2), cell[1] - (way != 1))
        path.append(cell)
    return np.array(path[::-1], np.intp)


def diagonality(alignment: Frames) -> float:
    """How straight attention (U, T) went ahead: correlation of frame and place.

    The place is the entry most attended to. 1 is a straight line; what goes nowhere, or
    back, is 0.
    """
    if min(alignment.shape) < 2:
        return 0.0
    place = alignment.argmax(axis=1).astype(np.float64)
    frame = np.arange(len(alignment), dtype=np.float64)
    place, frame = place - place.mean(), frame - frame.mean()
    spread = math.sqrt(float(place @ place) * float(frame @ frame))
    return max(0.0, float(place @ frame) / spread) if spread else 0.0


def coverage(alignment: Frames) -> float:
    """Share of the T entries that some frame of attention (U, T) went to.

    An entry counts where its neighbour is the one most attended to: a short sound may
    have no frame of its own.
    """
    if not alignment.size:
        return 0.0
    met = np.zeros(alignment.shape[1] + 2, bool)
    for place in np.unique(alignment.argmax(axis=1)):
        met[place : place + 3] = True
    return float(met[1:-1].mean())


def speech_breakdown(names: Sequence[str], sentences: Sequence[Spoken]) -> Breakdown:
    """Which sentences did not stop, and where attention skipped and went back.

    Args:
        names: of the sentences.
        sentences: in the same order.

    Returns:
        Counts of each sentence: `skips` and `repeats` as of `wanderings`, `unstopped`,
        and `errors`, all of them together.
    """
    ways = [wanderings(one.alignment) for one in sentences]
    skips, repeats = (list(each) for each in zip(*ways, strict=True))
    unstopped = [int(not one.finished) for one in sentences]
    counts = {"skips": skips, "repeats": repeats, "unstopped": unstopped}
    lines = [
        f"{kind}: {sum(found)} in {sum(map(bool, found))} sentences: "
        + _some([n for n, count in zip(names, found, strict=True) if count])
        for kind, found in counts.items()
        if any(found)
    ]
    errors = [sum(row) for row in zip(*counts.values(), strict=True)]
    summary = {kind: sum(found) for kind, found in counts.items()}
    return Breakdown(summary, lines, {**counts, "errors": errors})


def wanderings(alignment: Frames) -> tuple[int, int]:
    """How often attention (U, T) left entries out, and how often it went back.

    Left out are runs of more than `FAR` entries between those met, before the first
    and behind the last; it goes back where the entry most attended to lies more than
    `FAR` before the farthest so far, once for each time.
    """
    if not alignment.size:
        return int(alignment.shape[1] > FAR), 0
    places = alignment.argmax(axis=1)
    met = np.unique(np.concatenate([[-1], places, [alignment.shape[1]]]))
    behind = np.maximum.accumulate(places) - places > FAR
    started = behind & ~np.concatenate([[False], behind[:-1]])
    return int((np.diff(met) - 1 > FAR).sum()), int(started.sum())


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", …" if len(names) > SHOWN else "")
