"""Texts written token by token without looking back: the likeliest, or drawn."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

import keras
import numpy as np
from keras import ops

from s2s_zoo.layers.threefry import threefry, uniform
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
from s2s_zoo.typing import DecoderState, Tensor
from s2s_zoo.vocabulary import END, START

BLOCK = 128
HALVINGS = 24

Choose: TypeAlias = Callable[[Tensor, Tensor, Tensor], Tensor]
"""Tokens (R,) int32 from logits (R, V), -inf where forbidden, at a place by noise."""


def greedy(
    step: Step,
    state: DecoderState,
    rules: Rules,
    *,
    length_penalty: float = 0.6,
    loop: Loop = while_loop,
) -> SearchResult:
    """The text whose every token is the likeliest after those before it.

    Args:
        step: the decoder's.
        state: for B rows, before the start token is read; `rules.size` + 1 tokens
            are read at most.
        rules: of the B sources.
        length_penalty: α of the score.
        loop: what the search runs in.

    Returns:
        One text of each source.
    """
    return _Writing(step, state, rules, 1, _likeliest, None).run(length_penalty, loop)


def sample(
    step: Step,
    state: DecoderState,
    rules: Rules,
    *,
    samples: int,
    seed: int | Tensor,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    keys: Tensor | None = None,
    length_penalty: float = 0.6,
    loop: Loop = while_loop,
) -> SearchResult:
    """Texts drawn token by token from the distribution of the model.

    A draw is a function of the seed, the source's key, the number of the sample and
    the place, on every backend the same: a source gives the same texts whatever
    batch it sits in, so far as its key and its logits are the same.

    Args:
        step: the decoder's.
        state: for R = B·K rows, before the start token is read; `rules.size` + 1
            tokens are read at most.
        rules: of the B sources.
        samples: K.
        seed: int32.
        temperature: logits are divided by it, above 0.
        top_k: draw from that many of the likeliest tokens; 0 for all.
        top_p: draw from the fewest likeliest tokens that hold this probability.
        keys: (B,) int32, what tells a source from others; its number in the batch
            when None.
        length_penalty: α of the score.
        loop: what the search runs in.

    Returns:
        K texts of each source in the order of the draw. Their log-probabilities are
        those of the model, whatever the temperature.
    """
    if keys is None:
        keys = ops.arange(ops.shape(rules.longest)[0], dtype="int32")
    noise = _noise(seed, keys, samples, rules.size + 1)
    draw = _Draw(temperature, top_k, top_p)
    writing = _Writing(step, state, rules, samples, draw, noise)
    return writing.run(length_penalty, loop)


class _Texts(NamedTuple):
    """R texts being written."""

    written: Tensor  # (R, size) int32
    last: Tensor  # (R,) int32
    log_probabilities: Tensor  # (R,)
    ended: Tensor  # (R,) bool


@dataclass(frozen=True, eq=False)
class _Writing:
    """What stays the same from the first to the last token."""

    step: Step
    state: DecoderState
    rules: Rules
    count: int  # texts of each source
    choose: Choose
    noise: Tensor | None  # (R, size + 1, 2)

    def run(self, length_penalty: float, loop: Loop) -> SearchResult:
        rules = self.rules
        rows = ops.shape(rules.longest)[0] * self.count
        first = ops.zeros((), dtype="int32")
        start = (first, _no_texts(rows, rules.size), carried(self.state))
        _, texts, _ = loop(_goes_on, _advance, vars(self), start)
        return _result(texts, rules, self.count, length_penalty)

    def advance(
        self, place: Tensor, texts: _Texts, reached: Reached
    ) -> tuple[Tensor, _Texts, Reached]:
        """Every text by one token."""
        logits, after = self.step(texts.last, resumed(self.state, reached))
        logits = ops.stop_gradient(logits)
        forced, may_end = self.rules.at(place, self.count)
        allowed = _allowed(logits, may_end, self.rules.forbidden)
        chosen = self.choose(allowed, place, self.noise)
        texts = _append(texts, ops.where(forced < 0, chosen, forced), logits, place)
        return place + 1, texts, carried(after)


def _goes_on(fixed: dict[str, Any], place: Tensor, texts: _Texts, *_: Any) -> Tensor:
    return ops.any(~texts.ended)


def _advance(fixed: dict[str, Any], *carried: Any) -> tuple[Any, ...]:
    return _Writing(**fixed).advance(*carried)


def _no_texts(rows: Tensor | int, size: Tensor | int) -> _Texts:
    return _Texts(
        written=ops.full((rows, size), -1, dtype="int32"),
        last=ops.full((rows,), START, dtype="int32"),
        log_probabilities=ops.zeros((rows,), dtype="float32"),
        ended=ops.zeros((rows,), dtype="bool"),
    )


def _allowed(logits: Tensor, may_end: Tensor, forbidden: tuple[int, ...]) -> Tensor:
    """`logits` (R, V) with -inf where the rules forbid the token."""
    token = ops.arange(logits.shape[-1], dtype="int32")[None]
    closed = ops.logical_and(token == END, ~may_end[:, None])
    for one in forbidden:
        closed = ops.logical_or(closed, token == one)
    return ops.where(closed, -float("inf"), logits)


def _append(texts: _Texts, token: Tensor, logits: Tensor, place: Tensor) -> _Texts:
    """Each text that has not ended with one token more."""
    logit = ops.take_along_axis(logits, token[:, None], axis=1)[:, 0]
    gain = logit - ops.logsumexp(logits, axis=-1)
    gain = ops.where(texts.ended, 0.0, gain)
    ended = ops.logical_or(texts.ended, token == END)
    here = ops.arange(ops.shape(texts.written)[1], dtype="int32")[None] == place
    here = ops.logical_and(here, ~ended[:, None])
    longer = _Texts(
        written=ops.where(here, token[:, None], texts.written),
        last=token,
        log_probabilities=texts.log_probabilities + gain,
        ended=ended,
    )
    return _as_shaped(texts, longer)


def _as_shaped(loop: Any, after: Any) -> Any:
    """A tree of tensors after a step, as static as those the loop began with."""
    return keras.tree.map_structure(
        lambda before, value: ops.reshape(value, ops.shape(before)), loop, after
    )


def _result(
    texts: _Texts, rules: Rules, count: int, length_penalty: float
) -> SearchResult:
    batch = ops.shape(rules.longest)[0]
    tokens = ops.reshape(texts.written, (batch, count, rules.size))
    lengths = ops.sum(ops.cast(tokens >= 0, "int32"), axis=-1)
    log_probabilities = ops.reshape(texts.log_probabilities, (batch, count))
    return SearchResult(
        tokens=tokens,
        lengths=lengths,
        scores=log_probabilities / penalty(lengths + 1, length_penalty),
        log_probabilities=log_probabilities,
        finished=lengths < rules.longest[:, None],
    )


def _likeliest(logits: Tensor, place: Tensor, noise: None) -> Tensor:
    """The first of the likeliest tokens; XLA's argmax takes several times as long."""
    size = logits.shape[-1]
    best = logits >= ops.max(logits, axis=-1, keepdims=True)
    token = ops.arange(size, dtype="int32")[None]
    return ops.min(ops.where(best, token, size - 1), axis=-1)


def _noise(
    seed: int | Tensor, keys: Tensor, samples: int, places: Tensor | int
) -> Tensor:
    """(R, places, 2) float32 random numbers in (0, 1]."""
    seed = ops.cast(seed, "int32")
    key = ops.cast(keys, "int32")[:, None, None]
    sample = ops.arange(samples, dtype="int32")[None, :, None]
    place = ops.arange(places, dtype="int32")[None, None]
    words = ops.stack(threefry((seed, key), (sample, place)), axis=-1)
    return ops.reshape(uniform(words), (-1, places, 2))


@dataclass(frozen=True)
class _Draw:
    """Draws tokens by their probabilities."""

    temperature: float
    top_k: int
    top_p: float

    def __call__(self, logits: Tensor, place: Tensor, noise: Tensor) -> Tensor:
        if 0 < self.top_k < logits.shape[-1]:
            least = ops.top_k(logits, self.top_k)[0][:, -1:]
            logits = ops.where(logits >= least, logits, -np.inf)
        best = ops.max(logits, axis=-1, keepdims=True)
        weight = ops.exp((logits - best) / self.temperature)
        if self.top_p < 1:
            weight = _nucleus(weight, self.top_p)
        chosen = _pick(weight, ops.take(noise, place, axis=1))
        return ops.cast(chosen, "int32")


def _nucleus(weight: Tensor, top_p: float) -> Tensor:
    """(R, C) weights with 0 but for the fewest largest that hold `top_p` of them.

    The smallest of these is found by halving the interval it lies in, far faster
    than by sorting: C weights below the lower end could not hold 1 - `top_p`.
    """
    total = ops.sum(weight, axis=-1, keepdims=True)
    low = ops.minimum((1 - top_p) / weight.shape[-1] * total, 1.0)

    def halve(_: Any, ends: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        low, high = ends
        middle = ops.sqrt(low * high)
        held = ops.where(weight >= middle, weight, 0.0)
        enough = ops.sum(held, axis=-1, keepdims=True) >= top_p * total
        return ops.where(enough, middle, low), ops.where(enough, high, middle)

    low, _ = ops.fori_loop(0, HALVINGS, halve, (low, ops.ones_like(low)))
    return ops.where(weight >= low, weight, 0.0)


def _pick(weight: Tensor, numbers: Tensor) -> Tensor:
    """Places (R,) in (R, C) drawn by weight: a block first, then a place in it.

    Sums of a block are cheap, the running sum over all places is not.
    """
    size = weight.shape[-1]
    blocks = -(-size // BLOCK)
    weight = ops.pad(weight, ((0, 0), (0, blocks * BLOCK - size)))
    weight = ops.reshape(weight, (-1, blocks, BLOCK))
    block = _passed(ops.sum(weight, axis=-1), numbers[:, :1])
    inside = ops.take_along_axis(weight, block[:, None, None], axis=1)[:, 0]
    return block * BLOCK + _passed(inside, numbers[:, 1:])


def _passed(weight: Tensor, number: Tensor) -> Tensor:
    """Where the running sum of (R, C) weights passes `number` (R, 1) of the whole.

    Never at a weight of 0, however the sums were rounded.
    """
    sums = ops.where(weight > 0, ops.cumsum(weight, axis=-1), 0.0)
    passed = sums >= number * ops.max(sums, axis=-1, keepdims=True)
    return ops.cast(ops.argmax(ops.cast(passed, "int32"), axis=-1), "int32")
