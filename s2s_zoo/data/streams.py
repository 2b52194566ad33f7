"""Texts as streams of tokens, cut into windows that follow each other."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.plan import Batch, Bucket
from s2s_zoo.data.texts import BLOCK, Text
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.data.words import encode_texts
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import END, PAD

HALVED_SHARE = 0.05
"""Share of windows that are drawn around half the length."""
DEVIATION = 5.0
SHORTEST = 5
LONGER = 10
"""Tokens by which a window is longer than what it varies around, at most."""
STRETCHED = 2
"""Tokens of room for windows that are stretched to fill an epoch."""


@dataclass(frozen=True)
class Tokens:
    """The tokens of texts, the end of each text behind it.

    Attributes:
        ids: (N,) int32.
        ends: (texts,) int64 one past the end token of each text.
    """

    ids: NDArray[np.int32]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, texts: Sequence[Text], tokenizer: Tokenizer) -> "Tokens":
        """Cut all texts."""
        parts, sizes = [np.zeros(0, np.int32)], [np.zeros(0, np.int64)]
        for start in range(0, len(texts), BLOCK):
            block = [text.text for text in texts[start : start + BLOCK]]
            cut = [
                np.append(ids, np.int32(END)) for ids in encode_texts(tokenizer, block)
            ]
            parts += cut
            sizes.append(np.array([len(ids) for ids in cut], np.int64))
        return cls(np.concatenate(parts), np.cumsum(np.concatenate(sizes)))


class StreamPlan:
    """Windows of streams that lie side by side: stream r is part r of all tokens.

    Every epoch begins with the first window. Windows that vary are drawn around
    `window`, one of twenty around half of it, with a standard deviation of 5 (Merity
    et al., 2017, https://arxiv.org/abs/1708.02182, section 4.1), and then stretched or
    shrunk together, by less than a token or two, so that as many fill every epoch. All
    are padded to one shape, so that one step is compiled.

    Args:
        tokens: N of all texts.
        streams: rows of a batch.
        window: tokens of a row.
        varies: whether the lengths are drawn, anew each epoch.
        seed: of the draws.
    """

    def __init__(
        self,
        tokens: int,
        streams: int,
        window: int,
        varies: bool = False,
        seed: int = 0,
    ) -> None:
        self.length = max(1, -(-tokens // streams))
        self.window = window
        self.varies = varies
        self.seed = seed
        self._tokens = tokens
        self._streams = streams
        size = window + LONGER + STRETCHED if varies else min(window, self.length)
        mean = window * (1 - HALVED_SHARE / 2)
        fewest = -(-self.length // size)
        self._windows = max(fewest, round(self.length / mean) if varies else 1)
        self.buckets = [Bucket(size, size, streams)]
        text = f"{tokens} {streams} {window} {varies} {seed}"
        self.identity = hashlib.sha256(text.encode()).hexdigest()

    def __len__(self) -> int:
        return self._windows

    def epoch(self, epoch: int) -> Sequence[Batch]:
        """Batches whose `indices` are the first place in the streams, and the end."""
        (bucket,) = self.buckets
        return [Batch(ends, bucket) for ends in pairwise(self.cuts(epoch).tolist())]

    def cuts(self, epoch: int) -> NDArray[np.int64]:
        """(windows + 1,) places between windows, from 0 to the length."""
        if not self.varies:
            places = np.arange(self._windows + 1, dtype=np.int64) * self.window
            return np.minimum(places, self.length)
        rng = np.random.default_rng((self.seed, epoch))
        halved = rng.random(self._windows) < HALVED_SHARE
        around = np.where(halved, self.window / 2, self.window)
        longest = self.window + LONGER
        drawn = np.clip(rng.normal(around, DEVIATION), SHORTEST, longest)
        places = np.concatenate([[0.0], np.cumsum(drawn)])
        cuts: NDArray[np.int64] = np.rint(places * self.length / places[-1])
        return self._no_longer_than(cuts.astype(np.int64), self.buckets[0].size)

    @staticmethod
    def _no_longer_than(cuts: NDArray[np.int64], most: int) -> NDArray[np.int64]:
        """Equal windows instead, where a stream is so short that one is too long."""
        if np.diff(cuts).max() <= most:
            return cuts
        return np.linspace(0, cuts[-1], len(cuts)).astype(np.int64)

    def padding_share(self) -> float:
        """Share of the first epoch that is padding."""
        batches = self.epoch(0)
        padded = sum(batch.bucket.size * batch.bucket.rows for batch in batches)
        return 1.0 - self._tokens / padded


@dataclass(frozen=True)
class StreamBatches:
    """The windows of a set of texts.

    Attributes:
        texts: one after another.
        tokenizer: cuts them.
        window: tokens of a row of a batch.
        varies: as of `StreamPlan`.
        carried: whether a window goes on from the one before.
        restart: probability that a row of a training batch does not, drawn anew for
            each.
        seed: of what is drawn.
        unreadable: stays empty: what cannot be read stops the reading.
    """

    texts: Sequence[Text]
    tokenizer: Tokenizer
    window: int
    varies: bool = False
    carried: bool = True
    restart: float = 0.0
    seed: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    @cached_property
    def tokens(self) -> Tokens:
        """Of all texts."""
        return Tokens.of(self.texts, self.tokenizer)

    def plan(self, budget: float, shuffle: bool) -> StreamPlan:
        """Windows of `budget` tokens, padding included; the streams keep their order.

        Windows vary where the order of other tasks is drawn.
        """
        streams = streams_of(budget, self.window)
        varies = self.varies and shuffle
        return StreamPlan(len(self.tokens.ids), streams, self.window, varies, self.seed)

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a window of all streams.

        Returns:
            Inputs: `source` (R, T) int32, what stands before each of the `target`
            (R, T); the end of a text before the first. `source_lengths` (R,), and
            `fresh` (R,), whether streams begin here or start anew. Target: the same
            `target`, its `target_lengths`, and the `weights` (R,) of the rows, as of
            `s2s_zoo.losses.LogLikelihood`.
        """
        ids, bucket = self.tokens.ids, batch.bucket
        start, stop = batch.indices
        length = -(-len(ids) // bucket.rows)
        first = length * np.arange(bucket.rows)[:, None]
        place = np.arange(start, start + bucket.size)
        real = (place < stop) & (first + place < len(ids))
        rows = np.where(real, first + place, 0)
        target = np.where(real, ids[rows], PAD).astype(np.int32)
        before = np.where(rows > 0, ids[rows - 1], END)
        source = np.where(real, before, PAD).astype(np.int32)
        lengths = real.sum(axis=1).astype(np.int32)
        fresh = self._restarted(bucket.rows, start, epoch)
        weights = np.where(lengths, self.window, 0) if self.varies else lengths
        return (
            {
                "source": source,
                "source_lengths": lengths,
                "fresh": fresh,
                "target": target,
            },
            {
                "target": target,
                "target_lengths": lengths,
                "weights": weights.astype(np.float32),
            },
        )

    def _restarted(self, rows: int, start: int, epoch: int | None) -> NDArray[np.bool_]:
        if start == 0 or not self.carried:
            return np.ones(rows, bool)
        if epoch is None or not self.restart:
            return np.zeros(rows, bool)
        rng = np.random.default_rng((self.seed, epoch, start))
        return rng.random(rows) < self.restart

    def units(self, inputs: Arrays) -> float:
        """Tokens of a batch."""
        return float(inputs["source_lengths"].sum())

    def names(self, batch: Batch) -> list[str]:
        """What messages call a window."""
        start, stop = batch.indices
        return [f"tokens {start + 1} to {stop} of each stream"]


def streams_of(budget: float, window: int) -> int:
    """Rows of a batch of so many tokens."""
    return max(1, round(budget) // window)
