"""Beam search over the steps of a decoder."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from keras import ops

from s2s_zoo.search.loop import Loop, while_loop
from s2s_zoo.search.result import (
    Reached,
    SearchResult,
    Step,
    carried,
    penalty,
    resumed,
)
from s2s_zoo.search.rules import Rules
from s2s_zoo.search.selection import largest
from s2s_zoo.typing import DecoderState, Tensor
from s2s_zoo.vocabulary import END, START

IMPOSSIBLE = -float("inf")
LEAST = -1e9
"""Log-probability of a token the model rules out: forced, it still gives a text."""


class _Alive(NamedTuple):
    """Texts being written: R = B·K, K of one source next to each other, best first."""

    written: Tensor  # (R, size) int32
    last: Tensor  # (R,) int32
    log_probabilities: Tensor  # (B, K), IMPOSSIBLE where there is no text


class _Ended(NamedTuple):
    """The best ended texts, best first."""

    written: Tensor  # (B, N, size) int32
    lengths: Tensor  # (B, N) int32
    log_probabilities: Tensor  # (B, N)
    scores: Tensor  # (B, N), IMPOSSIBLE where there is no text
    count: Tensor  # (B,) int32 texts that have ended, the worse ones too


class _Candidates(NamedTuple):
    """The best 2K ways to go on, best first."""

    log_probabilities: Tensor  # (B, 2K)
    parents: Tensor  # (B, 2K) int32 in [0, K)
    tokens: Tensor  # (B, 2K) int32


def beam_search(
    step: Step,
    state: DecoderState,
    rules: Rules,
    *,
    beam: int,
    n_best: int | None = None,
    length_penalty: float = 0.6,
    patience: float | None = None,
    loop: Loop = while_loop,
) -> SearchResult:
    """The likeliest texts, following `beam` of each source side by side.

    Of the 2K likeliest continuations by one token those with the end token have
    ended, and the K likeliest others go on. Scores are log-probabilities over
    ((5 + length) / 6)^α with the end token counted (Wu et al., 2016, section 7). A
    source is done when no text that goes on can still reach its `n_best` ended ones,
    whatever it says: asking for fewer never changes them and is done earlier. A text
    as long as allowed ends there with the probability the model gives that.

    With a patience p texts end only where they are among the K likeliest
    continuations, and a source is also done when p·K texts have ended: the first to
    end are served first (Kasai et al., 2022, https://arxiv.org/abs/2204.05424).
    Without a length penalty it is done no earlier, since a longer text never gains.

    The result of a source depends on nothing but its own rows.

    Args:
        step: the decoder's.
        state: for R = B·K rows, before the start token is read; the search reads at
            most `rules.size` + 1 tokens. Rows of its cache are reordered.
        rules: of the B sources.
        beam: K.
        n_best: texts of each source to return, None for K.
        length_penalty: α, not negative.
        patience: p, above 0; None to search on while anything can be gained.
        loop: what the search runs in.

    Returns:
        The `n_best` texts of each source, best first.
    """
    n_best = n_best or beam
    enough = None if patience is None else max(n_best, round(beam * patience))
    search = _BeamSearch(step, state, rules, beam, n_best, length_penalty, enough)
    return search.run(loop)


@dataclass(frozen=True, eq=False)
class _BeamSearch:
    """What stays the same from the first to the last step."""

    step: Step
    state: DecoderState
    rules: Rules
    beam: int
    n_best: int
    alpha: float
    enough: int | None

    @property
    def batch(self) -> Tensor | int:
        """B."""
        return ops.shape(self.rules.longest)[0]

    def run(self, loop: Loop) -> SearchResult:
        first = ops.zeros((), dtype="int32")
        start = (first, self.alive(), self.ended(), carried(self.state))
        _, _, ended, _ = loop(_goes_on, _advance, vars(self), start)
        exists = ended.scores > IMPOSSIBLE
        by_itself = ended.lengths < self.rules.longest[:, None]
        return SearchResult(
            tokens=ended.written,
            lengths=ended.lengths,
            scores=ended.scores,
            log_probabilities=ended.log_probabilities,
            finished=ops.logical_and(exists, by_itself),
        )

    def alive(self) -> _Alive:
        """One text of each source, without a token."""
        rows = self.batch * self.beam
        first = ops.where(ops.arange(self.beam) == 0, 0.0, IMPOSSIBLE)
        return _Alive(
            written=ops.full((rows, self.rules.size), -1, dtype="int32"),
            last=ops.full((rows,), START, dtype="int32"),
            log_probabilities=ops.broadcast_to(first[None], (self.batch, self.beam)),
        )

    def ended(self) -> _Ended:
        """No text."""
        shape = (self.batch, self.n_best)
        none = ops.full(shape, IMPOSSIBLE, dtype="float32")
        return _Ended(
            written=ops.full((*shape, self.rules.size), -1, dtype="int32"),
            lengths=ops.zeros(shape, dtype="int32"),
            log_probabilities=none,
            scores=none,
            count=ops.zeros((self.batch,), dtype="int32"),
        )

    def advance(
        self, place: Tensor, alive: _Alive, ended: _Ended, reached: Reached
    ) -> tuple[Tensor, _Alive, _Ended, Reached]:
        """Every text by one token."""
        logits, state = self.step(alive.last, resumed(self.state, reached))
        candidates = self.candidates(ops.stop_gradient(logits), alive, place)
        ended = self.end(candidates, alive, ended, place)
        alive, rows = self.go_on(candidates, alive, ended, place)
        after = carried(state)
        cache = [ops.take(tensor, rows, axis=0) for tensor in after.cache]
        return place + 1, alive, ended, after._replace(cache=cache)

    def candidates(self, logits: Tensor, alive: _Alive, place: Tensor) -> _Candidates:
        """The best of the continuations of all texts of a source.

        Each row gives its likeliest tokens, the end and the forced one; which of them
        the rules allow is looked at in these few, so (R, V) logits are only read.
        """
        closed = {*self.rules.forbidden, END}
        count = min(2 * self.beam + len(closed), logits.shape[-1])
        best, tokens = largest(logits, count)
        forced, may_end = (x[:, None] for x in self.rules.at(place, self.beam))
        free = forced < 0
        allowed = ops.logical_and(free, ~_is_one_of(tokens, closed))
        obeyed = ops.maximum(forced, 0)
        named = ops.take_along_axis(logits, obeyed, axis=1)
        values = ops.concatenate([best, logits[:, END : END + 1], named], axis=1)
        values = values - ops.logsumexp(logits, axis=-1, keepdims=True)
        totals = ops.reshape(alive.log_probabilities, (-1, 1))
        totals = totals + ops.maximum(values, LEAST)
        may_end = ops.logical_and(free, may_end)
        possible = ops.concatenate([allowed, may_end, ~free], axis=1)
        totals = ops.where(possible, totals, IMPOSSIBLE)
        end = ops.full_like(obeyed, END)
        return self.best(totals, ops.concatenate([tokens, end, obeyed], axis=1))

    def best(self, totals: Tensor, tokens: Tensor) -> _Candidates:
        """The best 2K of (R, C) continuations."""
        width = totals.shape[1]
        by_source = (self.batch, self.beam * width)
        best, chosen = ops.top_k(ops.reshape(totals, by_source), 2 * self.beam)
        chosen = ops.cast(chosen, "int32")
        tokens = ops.take_along_axis(ops.reshape(tokens, by_source), chosen, axis=1)
        return _Candidates(best, chosen // width, tokens)

    def end(
        self, candidates: _Candidates, alive: _Alive, ended: _Ended, place: Tensor
    ) -> _Ended:
        """The best of the ended texts and those that end now."""
        size, totals = self.rules.size, candidates.log_probabilities
        ends = self.ends(candidates)
        scores = ops.where(ends, totals / penalty(place + 1, self.alpha), IMPOSSIBLE)
        scores = ops.concatenate([ended.scores, scores], axis=1)
        best, chosen = ops.top_k(scores, self.n_best)
        chosen = ops.cast(chosen, "int32")
        lengths = ops.zeros_like(candidates.tokens) + place
        lengths = ops.concatenate([ended.lengths, lengths], axis=1)
        totals = ops.concatenate([ended.log_probabilities, totals], axis=1)
        kept = ops.zeros_like(ended.lengths) + ops.arange(self.n_best, dtype="int32")
        sources = ops.concatenate([kept, self.n_best + candidates.parents], axis=1)
        texts = ops.reshape(alive.written, (self.batch, self.beam, size))
        texts = ops.concatenate([ended.written, texts], axis=1)
        rows = self.rows(ops.take_along_axis(sources, chosen, axis=1), texts.shape[1])
        texts = ops.take(ops.reshape(texts, (-1, size)), rows, axis=0)
        exists = best > IMPOSSIBLE
        texts = ops.reshape(texts, (self.batch, self.n_best, size))
        return _Ended(
            written=ops.where(exists[..., None], texts, -1),
            lengths=ops.where(exists, ops.take_along_axis(lengths, chosen, axis=1), 0),
            log_probabilities=ops.where(
                exists, ops.take_along_axis(totals, chosen, axis=1), IMPOSSIBLE
            ),
            scores=best,
            count=ended.count + ops.sum(ops.cast(ends, "int32"), axis=1),
        )

    def ends(self, candidates: _Candidates) -> Tensor:
        """Which of the (B, 2K) continuations are texts that end."""
        ends = ops.logical_and(
            candidates.tokens == END, candidates.log_probabilities > IMPOSSIBLE
        )
        if self.enough is None:
            return ends
        return ops.logical_and(ends, ops.arange(2 * self.beam) < self.beam)

    def go_on(
        self, candidates: _Candidates, alive: _Alive, ended: _Ended, place: Tensor
    ) -> tuple[_Alive, Tensor]:
        """The best texts that do not end now, and the (R,) rows they stem from."""
        totals = candidates.log_probabilities
        totals = ops.where(candidates.tokens == END, IMPOSSIBLE, totals)
        best, chosen = ops.top_k(totals, self.beam)
        chosen = ops.cast(chosen, "int32")
        parents = ops.take_along_axis(candidates.parents, chosen, axis=1)
        last = ops.take_along_axis(candidates.tokens, chosen, axis=1)
        rows, last = self.rows(parents, self.beam), ops.reshape(last, (-1,))
        written = ops.take(alive.written, rows, axis=0)
        here = ops.arange(self.rules.size, dtype="int32")[None] == place
        limit = penalty(self.rules.longest + 1, self.alpha)
        reach = ops.max(best, axis=1) / limit
        done = ended.scores[:, -1] >= reach
        if self.enough is not None and self.alpha > 0:
            done = ops.logical_or(done, ended.count >= self.enough)
        alive = _Alive(
            written=ops.where(here, last[:, None], written),
            last=last,
            log_probabilities=ops.where(done[:, None], IMPOSSIBLE, best),
        )
        return alive, rows

    def rows(self, index: Tensor, count: int) -> Tensor:
        """Rows of (B·count, ...) for the `index` (B, ·) of a row of each source."""
        first = ops.arange(self.batch, dtype="int32")[:, None] * count
        return ops.reshape(index + first, (-1,))


def _goes_on(fixed: dict[str, Any], place: Tensor, alive: _Alive, *_: Any) -> Tensor:
    return ops.any(alive.log_probabilities > IMPOSSIBLE)


def _advance(fixed: dict[str, Any], *carried: Any) -> tuple[Any, ...]:
    return _BeamSearch(**fixed).advance(*carried)


def _is_one_of(tokens: Tensor, ids: set[int]) -> Tensor:
    """Whether each of `tokens` is among `ids`."""
    found = tokens == END
    for token in ids - {END}:
        found = ops.logical_or(found, tokens == token)
    return found
