"""Where the tokens of a text lie in the frames of a CTC decoder."""

import numpy as np
from numpy.typing import NDArray


def align(
    log_probabilities: NDArray[np.float32], tokens: NDArray[np.int32]
) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
    """The likeliest alignment of a text.

    Graves et al., "Connectionist temporal classification" (ICML 2006), section 4.1,
    with the maximum in the place of the sum.

    Args:
        log_probabilities: (T, V+1) of an utterance, the blank last.
        tokens: (U,) of a text that T frames can hold.

    Returns:
        (U, 2) first frame of each token and one past its last, and (U,) means of its
        log-probabilities over these frames.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.search.ctc_alignment import align
        >>> scores = np.log([[0.8, 0.2], [0.6, 0.4], [0.1, 0.9]], dtype="float32")
        >>> spans, means = align(scores, np.array([0], "int32"))
        >>> spans.tolist(), round(float(np.exp(means[0])), 2)
        ([[0, 2]], 0.69)
    """
    if not len(tokens):
        return np.zeros((0, 2), np.int32), np.zeros(0, np.float32)
    blank = log_probabilities.shape[1] - 1
    states = np.full(2 * len(tokens) + 1, blank)
    states[1::2] = tokens
    path = _best_path(log_probabilities.astype(np.float64)[:, states], states, blank)
    frames = np.arange(len(path))
    spans = np.zeros((len(tokens), 2), np.int32)
    spoken = path % 2 == 1
    token = path[spoken] // 2
    spans[:, 0] = np.searchsorted(token, np.arange(len(tokens)))
    spans[:, 1] = np.searchsorted(token, np.arange(len(tokens)), side="right") - 1
    spans = frames[spoken][spans].astype(np.int32) + np.array([0, 1], np.int32)
    scores = log_probabilities[frames, states[path]]
    means = [scores[start:end].mean() for start, end in spans]
    return spans, np.array(means, np.float32)


def _best_path(
    emissions: NDArray[np.float64], states: NDArray[np.int64], blank: int
) -> NDArray[np.int64]:
    """(T,) states of the likeliest path, of equal ones that of the earliest moves."""
    skips = np.zeros(len(states), bool)
    skips[2:] = (states[2:] != blank) & (states[2:] != states[:-2])
    scores = np.full(len(states), -np.inf)
    scores[:2] = emissions[0, :2]
    moves = np.zeros(emissions.shape, np.int64)
    for frame in range(1, len(emissions)):
        one = np.concatenate([[-np.inf], scores[:-1]])
        two = np.concatenate([[-np.inf] * 2, scores[:-2]])
        ways = np.stack([scores, one, np.where(skips, two, -np.inf)])
        moves[frame] = ways.argmax(axis=0)
        scores = ways.max(axis=0) + emissions[frame]
    state = len(states) - (1 if scores[-1] > scores[-2] else 2)
    path = np.zeros(len(emissions), np.int64)
    for frame in range(len(emissions) - 1, -1, -1):
        path[frame] = state
        state -= moves[frame, state]
    return path
