"""Labelled texts to padded batches of token ids."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.data.text import GROWTH
from s2s_zoo.data.text_codec import TextCodec
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import PAD


@dataclass(frozen=True)
class LabelledTextBatches:
    """The batches of a set of labelled texts.

    Attributes:
        examples: what is read.
        labels: number of the label of each (N,), -1 for none.
        codec: turns texts into ids.
        longest: ids of a text at most; longer ones are cut.
        dropout: of `TextCodec.encode_randomly` while training.
        seed: of the order, and of the random cuts of each (epoch, text).
        buckets: static shapes at most.
        unreadable: stays empty: texts need no reading.
    """

    examples: Sequence[Labelled]
    labels: NDArray[np.int32]
    codec: TextCodec
    longest: int
    dropout: float = 0.0
    seed: int = 0
    buckets: int = 4
    unreadable: dict[str, str] = field(default_factory=dict)

    @cached_property
    def tokens(self) -> list[NDArray[np.int32]]:
        """The ids of every text."""
        return self.codec.encode(self._texts(range(len(self.examples))), self.longest)

    def _texts(self, indices: Iterable[int]) -> list[str]:
        return [str(self.examples[i].source) for i in indices]

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` tokens, padding included."""
        growth = 1.0 + GROWTH * self.dropout
        planned = (math.ceil(len(ids) * growth) for ids in self.tokens)
        lengths = [min(max(1, length), self.longest) for length in planned]
        ones = np.ones(len(lengths), np.int64)
        return BatchPlan(lengths, ones, int(budget), self.buckets, self.seed, shuffle)

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; the rows after its last text are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: cuts at random when given, if there is dropout.

        Returns:
            Source `source` (R, T) int32 padded with `PAD`, its `source_lengths` (R,),
            and target `target` (R, 1) with `target_lengths`.
        """
        bucket = batch.bucket
        ids = self._ids(batch, epoch)
        labels = [self.labels[i : i + 1] for i in batch.indices]
        source, source_lengths = pad(ids, bucket.rows, bucket.size, PAD)
        target, target_lengths = pad(labels, bucket.rows, 1, -1)
        return (
            {"source": source, "source_lengths": source_lengths},
            {"target": target, "target_lengths": target_lengths},
        )

    def _ids(self, batch: Batch, epoch: int | None) -> list[NDArray[np.int32]]:
        """The ids of a batch, cut at random where the result fits."""
        best = [self.tokens[i] for i in batch.indices]
        if epoch is None or not self.dropout:
            return best
        seeds = [f"{self.seed} {epoch} {i}" for i in batch.indices]
        texts = self._texts(batch.indices)
        drawn = self.codec.encode_randomly(texts, self.longest, self.dropout, seeds)
        size = batch.bucket.size
        return [
            random if len(random) <= size else known
            for random, known in zip(drawn, best, strict=True)
        ]

    def units(self, inputs: Arrays) -> float:
        """Tokens in the inputs of a batch."""
        return float(inputs["source_lengths"].sum())

    def names(self, batch: Batch) -> list[str]:
        """What messages call the texts of a batch."""
        return [self.examples[i].name for i in batch.indices]
