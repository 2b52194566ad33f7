"""Prefix beam search over the frames of several utterances at once.

What is followed are pairs of a text so far and of whether its alignments end in a
blank, as in flashlight-text: the alignments of a pair are added up, and the pairs that
score best are kept.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.search.prefixes import NEVER, NONE, Floats, Found, Prefixes, Pruning
from s2s_zoo.search.text_scores import TextScores

Integers = NDArray[np.int64]
Truths = NDArray[np.bool_]


class Beam(NamedTuple):
    """The texts that N utterances are followed by, P of each at most.

    Attributes:
        nodes: (N, P) of the tree, -1 for none.
        parents: (N, P) theirs.
        last: (N, P) last token, -1 for none.
        blank: (N, P) scores of what ends in a blank.
        spoken: (N, P) scores of what ends in the last token.
        gains: (N, P, V) scores of each next token, NaN for those not yet asked for;
            (N, P, 0) where nothing is scored.
    """

    nodes: Integers
    parents: Integers
    last: Integers
    blank: Floats
    spoken: Floats
    gains: Floats

    def first(self, count: int) -> "Beam":
        """The beam of the first utterances."""
        return Beam._make([values[:count] for values in self])


class Frame(NamedTuple):
    """A frame of N utterances.

    Attributes:
        emissions: (N, V+1) log-probabilities, the blank last.
        tokens: (N, C) those that texts may go on with, -2 behind them.
        chosen: (N, C) their log-probabilities.
    """

    emissions: Floats
    tokens: Integers
    chosen: Floats


def prefix_beam_search(
    emissions: NDArray[np.float32],
    lengths: Integers,
    scores: TextScores,
    pruning: Pruning,
    n_best: int = 1,
) -> list[list[Found]]:
    """The texts of B utterances, best first.

    Hannun et al., "First-pass large vocabulary continuous speech recognition using
    bi-directional recurrent DNNs" (2014), algorithm 1, with scores of the text added
    and not multiplied by its number of words, and pairs kept for prefixes.

    Args:
        emissions: (B, T, V+1) log-probabilities, the blank last; minus infinity for
            what is not tried.
        lengths: (B,) frames of each.
        scores: of texts.
        pruning: what is followed.
        n_best: texts given for each at most.

    Returns:
        The texts. A lexicon may leave none that ends in a whole word: then those that
        are left when their last word is cut, not finished.
    """
    prefixes = Prefixes(scores)
    order = np.argsort(-lengths, kind="stable")
    beam = _start(prefixes, len(order), emissions.shape[-1] - 1)
    found: list[list[Found]] = [[] for _ in order]
    row_of: Integers = np.full(len(order), NONE, np.int64)
    frames = _frames(emissions[order], lengths[order])
    for step in range(int(lengths.max(initial=0)) + 1):
        active = int((lengths > step).sum())
        for row in range(active, len(beam.nodes)):
            nodes = beam.nodes[row]
            scored = np.stack([beam.blank[row], beam.spoken[row]])[:, nodes >= 0]
            ends = nodes[nodes >= 0].tolist(), scored
            found[order[row]] = prefixes.found(*ends, pruning.threshold, n_best)
        if not active:
            break
        beam = beam.first(active)
        if len(row_of) < len(prefixes.parents):
            row_of = np.full(2 * len(prefixes.parents), NONE, np.int64)
        beam = _advance(beam, next(frames), prefixes, pruning, row_of)
    return found


def _start(prefixes: Prefixes, batch: int, tokens: int) -> Beam:
    nodes = np.array([[prefixes.root()] for _ in range(batch)], np.int64)
    nodes = nodes.reshape(batch, 1)
    nothing = np.full((batch, 1), NONE, np.int64)
    never = np.full((batch, 1), NEVER)
    gains = np.zeros((batch, 1, 0 if prefixes.scores.is_empty else tokens))
    if gains.size:
        gains[:] = prefixes.scores.row(prefixes.scores.start())
    return Beam(nodes, nothing, nothing, np.zeros((batch, 1)), never, gains)


def _frames(emissions: NDArray[np.float32], lengths: Integers) -> Iterator[Frame]:
    """The frames of those utterances that have one, the longest first."""
    for step in range(int(lengths.max(initial=0))):
        now = emissions[: int((lengths > step).sum()), step].astype(np.float64)
        tried = now[:, :-1] > NEVER
        most = int(tried.sum(axis=1).max())
        order = np.argsort(~tried, axis=1, kind="stable")[:, :most]
        real = np.take_along_axis(tried, order, axis=1)
        chosen = np.take_along_axis(now, order, axis=1)
        yield Frame(now, np.where(real, order, -2), chosen)


def _advance(
    beam: Beam, frame: Frame, prefixes: Prefixes, pruning: Pruning, row_of: Integers
) -> Beam:
    """The beam after a frame.

    Args:
        beam: before it.
        frame: of the same utterances.
        prefixes: grows.
        pruning: what is kept.
        row_of: an integer for each node, all -1; so it is left.
    """
    blank, spoken, longer = _candidates(beam, frame, prefixes, pruning.threshold)
    _meet(beam, frame, spoken, longer, row_of)
    batch, width = beam.nodes.shape
    every = np.concatenate([blank, spoken, longer.reshape(batch, -1)], axis=1)
    kept = _best(every, pruning.beam)
    every[~kept] = NEVER
    blank, spoken = every[:, :width], every[:, width : 2 * width]
    longer = every[:, 2 * width :].reshape(longer.shape)
    return _packed(beam, frame, prefixes, (blank, spoken, longer))


def _candidates(
    beam: Beam, frame: Frame, prefixes: Prefixes, threshold: float
) -> tuple[Floats, Floats, Floats]:
    """Scores of the same texts, by a blank and by a repetition, and of longer ones.

    Returns:
        (N, P), (N, P) and (N, P, C).
    """
    emissions, tokens, chosen = frame
    same = tokens[:, None, :] == beam.last[:, :, None]
    added = chosen[:, None, :] + _gains(beam, frame, prefixes)
    after_blank = beam.blank[:, :, None] + added
    after_other = np.where(same, NEVER, beam.spoken[:, :, None] + added)
    to_blank = emissions[:, -1:]
    blanks = beam.blank + to_blank, beam.spoken + to_blank
    held = beam.spoken + np.take_along_axis(emissions, beam.last, axis=1)
    parts = (*blanks, held, after_blank, after_other)
    rows = len(tokens)
    best = np.max([p.reshape(rows, -1).max(1, initial=NEVER) for p in parts], axis=0)
    for part in parts:
        floor = (best - threshold).reshape(rows, *[1] * (part.ndim - 1))
        part[part < floor] = NEVER
    return (
        np.logaddexp(*blanks),
        held,
        np.logaddexp(after_blank, after_other),
    )


def _gains(beam: Beam, frame: Frame, prefixes: Prefixes) -> Floats:
    """(N, P, C) scores of the texts that go on, asked for where they are not known."""
    if not beam.gains.shape[-1]:
        return np.zeros((len(frame.tokens), 1, 1))
    index = np.maximum(frame.tokens, 0)[:, None, :]
    index = np.broadcast_to(index, (*beam.nodes.shape, index.shape[-1]))
    gains = np.take_along_axis(beam.gains, index, axis=2)
    unknown = np.isnan(gains)
    alive = np.maximum(beam.blank, beam.spoken) > NEVER
    asked = unknown & alive[:, :, None] & (frame.tokens >= 0)[:, None, :]
    gains[unknown] = NEVER
    rows, places, columns = np.nonzero(asked)
    if len(rows):
        nodes, tokens = beam.nodes[rows, places], frame.tokens[rows, columns]
        states, extend = prefixes.states, prefixes.scores.extend
        found = [
            extend(states[node], token)[0]
            for node, token in zip(nodes.tolist(), tokens.tolist(), strict=True)
        ]
        gains[asked] = found
        beam.gains[rows, places, tokens] = found
    return gains


def _meet(
    beam: Beam, frame: Frame, spoken: Floats, longer: Floats, row_of: Integers
) -> None:
    """Add to texts of the beam what becomes them by one more token."""
    places = np.broadcast_to(np.arange(beam.nodes.shape[1]), beam.nodes.shape)
    real = beam.nodes >= 0
    row_of[beam.nodes[real]] = places[real]
    parents = np.where(beam.parents >= 0, row_of[beam.parents], NONE)
    row_of[beam.nodes[real]] = NONE
    same = frame.tokens[:, None, :] == beam.last[:, :, None]
    rows, to = np.nonzero((parents >= 0) & same.any(axis=2))
    column = same[rows, to].argmax(axis=1) if len(rows) else to
    source = rows, parents[rows, to], column
    spoken[rows, to] = np.logaddexp(spoken[rows, to], longer[source])
    longer[source] = NEVER


def _best(scores: Floats, count: int) -> Truths:
    """Which `count` of each row are highest; of equal ones the first."""
    if scores.shape[1] <= count:
        return scores > NEVER
    last = -np.partition(-scores, count - 1, axis=1)[:, count - 1 : count]
    higher, equal = scores > last, scores == last
    room = count - higher.sum(axis=1, keepdims=True)
    return (higher | (equal & (np.cumsum(equal, axis=1) <= room))) & (scores > NEVER)


def _packed(
    beam: Beam,
    frame: Frame,
    prefixes: Prefixes,
    scores: tuple[Floats, Floats, Floats],
) -> Beam:
    """The beam of those that have a score, the new ones behind the old ones."""
    blank, spoken, longer = scores
    stays, comes = np.maximum(blank, spoken) > NEVER, longer > NEVER
    comes_flat = comes.reshape(len(comes), -1)
    old = stays.sum(axis=1)
    width = int((old + comes_flat.sum(axis=1)).max())
    rows, places = np.nonzero(stays)
    to = rows, (np.cumsum(stays, axis=1) - 1)[stays]
    packed = _empty(len(stays), width, beam.gains.shape[-1])
    source = blank, spoken
    for into, values in zip(packed, (*beam[:3], *source, beam.gains), strict=True):
        into[to] = values[rows, places]
    if not comes.any():
        return packed
    rows, places, columns = np.nonzero(comes)
    to = rows, (np.cumsum(comes_flat, axis=1) - 1 + old[:, None])[comes_flat]
    packed.parents[to] = beam.nodes[rows, places]
    packed.last[to] = frame.tokens[rows, columns]
    packed.spoken[to] = longer[comes]
    nodes = list(
        map(prefixes.child, packed.parents[to].tolist(), packed.last[to].tolist())
    )
    packed.nodes[to] = nodes
    if packed.gains.shape[-1]:
        row, states = prefixes.scores.row, prefixes.states
        packed.gains[to] = [row(states[node]) for node in nodes]
    return packed


def _empty(batch: int, width: int, tokens: int) -> Beam:
    nodes, parents, last = np.full((3, batch, width), NONE, np.int64)
    blank, spoken = np.full((2, batch, width), NEVER)
    return Beam(nodes, parents, last, blank, spoken, np.zeros((batch, width, tokens)))
