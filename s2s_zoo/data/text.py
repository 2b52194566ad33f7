"""Pairs of texts to padded batches of token ids."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.padding import pad
from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.data.token_store import TokenStore, token_store
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import END, PAD

GROWTH = 2.0
"""Times the dropout, by how much a sentence that is cut at random is expected to grow.

BPE-dropout of 0.1 makes sentences about 1.25 times as long (Provilkov et al., 2020,
section 5.3). The rest is a margin: what grows more is cut the best way instead.
"""


@dataclass(frozen=True)
class TextBatches:
    """The batches of a set of pairs.

    Attributes:
        pairs: what is read.
        source: cuts the sources.
        target: cuts the targets.
        dropout: of `Tokenizer.encode_randomly` while training.
        cut: most tokens of a source, its end included; longer ones are cut there.
            0 leaves them whole.
        seed: of the order, and of the random cuts of each (epoch, pair).
        buckets: static shapes at most.
        unreadable: stays empty: what cannot be read stops the reading.
    """

    pairs: Sequence[Pair]
    source: Tokenizer
    target: Tokenizer
    dropout: float = 0.0
    cut: int = 0
    seed: int = 0
    buckets: int = 8
    unreadable: dict[str, str] = field(default_factory=dict)

    @cached_property
    def tokens(self) -> TokenStore:
        """The token ids of all pairs."""
        return token_store(self.pairs, self.source, self.target)

    @cached_property
    def cut_count(self) -> int:
        """How many sources are longer than `cut`."""
        lengths = self.tokens.source_lengths + 1
        return int(np.count_nonzero(lengths > self.cut)) if self.cut else 0

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` tokens, padding included.

        Both sides of a pair fit the size of its bucket, which is what the budget
        counts: rows times the longer side, each with its end.
        """
        sources = self._planned(self.tokens.source_lengths)
        targets = self._planned(self.tokens.target_lengths)
        if self.cut:
            sources = np.minimum(sources, self.cut)
        longer = np.maximum(sources, targets)
        return BatchPlan(longer, targets, int(budget), self.buckets, self.seed, shuffle)

    def _planned(self, lengths: NDArray[np.int32]) -> NDArray[np.int32]:
        growth = 1.0 + GROWTH * self.dropout
        return np.ceil(lengths * growth).astype(np.int32) + 1

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; the rows after its last pair are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: cuts at random when given, if there is dropout.

        Returns:
            Inputs: `source` (R, T) int32 that end with `END` and are padded with
            `PAD`, their `source_lengths` (R,), and the `target` (R, U) likewise, for
            teacher forcing. Target: the same `target` and its `target_lengths`.
        """
        bucket = batch.bucket
        limit = min(self.cut or bucket.size, bucket.size)
        sources, targets = self._sides(batch, epoch)
        source, source_lengths = pad(
            [_ended(ids[: limit - 1]) for ids in sources], bucket.rows, bucket.size, PAD
        )
        target, target_lengths = pad(
            [_ended(ids) for ids in targets], bucket.rows, bucket.target_size, PAD
        )
        return (
            {"source": source, "source_lengths": source_lengths, "target": target},
            {"target": target, "target_lengths": target_lengths},
        )

    def units(self, inputs: Arrays) -> float:
        """Tokens of the sources of a batch, their ends among them."""
        return float(inputs["source_lengths"].sum())

    def names(self, batch: Batch) -> list[str]:
        """What messages call the pairs of a batch."""
        return [self.pairs[i].name for i in batch.indices]

    def _sides(
        self, batch: Batch, epoch: int | None
    ) -> tuple[list[NDArray[np.int32]], list[NDArray[np.int32]]]:
        sources = [self.tokens.source(i) for i in batch.indices]
        targets = [self.tokens.target(i) for i in batch.indices]
        if epoch is None or not self.dropout:
            return sources, targets
        pairs = [self.pairs[i] for i in batch.indices]
        seeds = [f"{self.seed} {epoch} {i}" for i in batch.indices]
        random_sources = self.source.encode_randomly(
            [pair.source for pair in pairs],
            self.dropout,
            [f"{s} source" for s in seeds],
        )
        random_targets = self.target.encode_randomly(
            [pair.target for pair in pairs],
            self.dropout,
            [f"{s} target" for s in seeds],
        )
        if not self.cut:
            sources = _fitting(random_sources, sources, batch.bucket.size)
        else:
            sources = random_sources
        return sources, _fitting(random_targets, targets, batch.bucket.target_size)


def usable_pairs(
    tokens: TokenStore, longest: int, cut: bool = False
) -> tuple[NDArray[np.int64], dict[str, NDArray[np.int64]]]:
    """Set aside the pairs that cannot be learned from.

    Args:
        tokens: of all pairs.
        longest: most tokens of a side, its end included.
        cut: sources may be longer: they will be cut.

    Returns:
        The rows of the usable pairs, and those of the others by reason.
    """
    sources, targets = tokens.source_lengths, tokens.target_lengths
    empty = (sources == 0) | (targets == 0)
    too_long = (targets if cut else np.maximum(sources, targets)) >= longest
    reasons = {
        "with an empty side": empty,
        f"longer than {longest} tokens": too_long & ~empty,
    }
    dropped = {reason: np.flatnonzero(found) for reason, found in reasons.items()}
    usable = np.flatnonzero(~(empty | too_long))
    return usable, {reason: rows for reason, rows in dropped.items() if len(rows)}


def _fitting(
    random: list[NDArray[np.int32]], best: list[NDArray[np.int32]], size: int
) -> list[NDArray[np.int32]]:
    """Random cuts, or the best where those and their end are longer than `size`."""
    pairs = zip(random, best, strict=True)
    return [drawn if len(drawn) < size else known for drawn, known in pairs]


def _ended(ids: NDArray[np.int32]) -> NDArray[np.int32]:
    return np.append(ids, np.int32(END))
