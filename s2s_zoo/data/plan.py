"""The batch plan: which examples meet in which batch, padded to which shape.

Order is a pure function of (seed, epoch): nothing is read to compute it, and a
training resumed at step n starts there without replaying the steps before.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, overload

import numpy as np
from numpy.typing import NDArray

CANDIDATES = 128
"""Lengths that may become the edge of a bucket."""

MAX_BUCKETS = CANDIDATES


@dataclass(frozen=True)
class Bucket:
    """A static shape.

    Attributes:
        size: padded source length, in samples or frames.
        target_size: padded target length, in tokens.
        rows: examples per batch.
    """

    size: int
    target_size: int
    rows: int


@dataclass(frozen=True)
class Batch:
    """Examples that share a step; at most `bucket.rows` of them."""

    indices: tuple[int, ...]
    bucket: Bucket


class Plan(Protocol):
    """Which examples meet in which batch: a pure function of its arguments."""

    @property
    def identity(self) -> str:
        """Differs where the order or the shapes do."""

    @property
    def buckets(self) -> Sequence[Bucket]:
        """The static shapes of the batches."""

    def __len__(self) -> int:
        """Batches of an epoch; the same every epoch."""

    def epoch(self, epoch: int) -> Sequence[Batch]:
        """The batches of an epoch in their order."""

    def padding_share(self) -> float:
        """Share of an epoch that is padding, empty rows aside."""


class EpochOrder(Sequence[Batch]):
    """The batches of an epoch in their order, each made when it is asked for.

    Args:
        buckets: the shapes.
        members: the examples of each bucket in their order.
        batches: bucket and number within it of each batch (N, 2).
    """

    def __init__(
        self,
        buckets: Sequence[Bucket],
        members: Sequence[NDArray[np.int64]],
        batches: NDArray[np.int64],
    ) -> None:
        self._buckets = buckets
        self._members = members
        self._batches = batches

    def __len__(self) -> int:
        return len(self._batches)

    @overload
    def __getitem__(self, index: int) -> Batch: ...
    @overload
    def __getitem__(self, index: slice) -> "EpochOrder": ...
    def __getitem__(self, index: int | slice) -> "Batch | EpochOrder":
        if isinstance(index, slice):
            return EpochOrder(self._buckets, self._members, self._batches[index])
        kind, number = self._batches[index].tolist()
        bucket = self._buckets[kind]
        start = number * bucket.rows
        examples = self._members[kind][start : start + bucket.rows]
        return Batch(tuple(examples.tolist()), bucket)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EpochOrder) and list(self) == list(other)


class BatchPlan:
    """Length-bucketed batches under a budget of padded source length.

    Args:
        lengths: source length of each example, in samples or frames.
        target_lengths: tokens of each example.
        budget: largest rows × padded length of a batch; a longer example is alone.
        buckets: static shapes at most; their edges waste the least padding.
        seed: of the order.
        shuffle: draw another order every epoch.
    """

    def __init__(
        self,
        lengths: Sequence[int] | NDArray[Any],
        target_lengths: Sequence[int] | NDArray[Any],
        budget: int,
        buckets: int = 4,
        seed: int = 0,
        shuffle: bool = True,
    ) -> None:
        self.seed = seed
        self.shuffle = shuffle
        sizes = np.asarray(lengths, np.int64)
        self._total = int(sizes.sum())
        edges = bucket_edges(sizes, buckets)
        member = np.searchsorted(edges, sizes)
        self._members = [np.flatnonzero(member == i) for i in range(len(edges))]
        targets = np.asarray(target_lengths, np.int64)
        self.buckets = [
            Bucket(
                int(edge),
                max(1, int(targets[members].max())),
                min(max(1, int(budget // edge)), len(members)),
            )
            for edge, members in zip(edges, self._members, strict=True)
        ]
        self.identity = hashlib.sha256(
            b"|".join([sizes.tobytes(), targets.tobytes(), repr(self.buckets).encode()])
        ).hexdigest()

    def __len__(self) -> int:
        """Batches of an epoch; the same every epoch."""
        pairs = zip(self._members, self.buckets, strict=True)
        return sum(-(-len(members) // bucket.rows) for members, bucket in pairs)

    def epoch(self, epoch: int) -> EpochOrder:
        """The batches of an epoch in their order.

        The shape that holds the most comes first, so that memory runs out at once or
        never.
        """
        rng = np.random.default_rng((self.seed, epoch))
        members = self._members
        if self.shuffle:
            members = [rng.permutation(of_bucket) for of_bucket in members]
        counts = [
            -(-len(of_bucket) // bucket.rows)
            for of_bucket, bucket in zip(members, self.buckets, strict=True)
        ]
        kinds = np.repeat(np.arange(len(counts)), counts)
        numbers = np.concatenate([np.arange(count) for count in counts])
        shapes = np.array([bucket.rows * bucket.size for bucket in self.buckets])[kinds]
        largest = len(shapes) - 1 - int(np.argmax(shapes[::-1]))
        others = np.delete(np.arange(len(shapes)), largest)
        others = rng.permutation(others) if self.shuffle else others[::-1]
        order = np.concatenate([[largest], others])
        batches = np.stack([kinds[order], numbers[order]], axis=1)
        return EpochOrder(self.buckets, members, batches)

    def padding_share(self) -> float:
        """Share of an epoch's padded source that is padding, empty rows aside."""
        pairs = zip(self._members, self.buckets, strict=True)
        padded = sum(len(members) * bucket.size for members, bucket in pairs)
        return 1.0 - self.total_length / padded

    @property
    def total_length(self) -> int:
        """Sum of the source lengths of all examples."""
        return self._total


def bucket_edges(lengths: NDArray[np.int64], buckets: int) -> NDArray[np.int64]:
    """Upper edges of at most `buckets` buckets that waste the least padding.

    Exact over quantiles of the lengths, by dynamic programming: the cost of a bucket
    is its number of examples times its edge.
    """
    quantiles = np.quantile(lengths, np.linspace(0, 1, CANDIDATES), method="higher")
    edges = np.unique(np.concatenate([quantiles, [lengths.max()]]).astype(np.int64))
    below = np.searchsorted(np.sort(lengths), edges, side="right")
    cost = below * edges
    cuts: list[NDArray[np.int64]] = []
    for _ in range(min(buckets, len(edges)) - 1):
        through = cost[:, None] + (below[None, :] - below[:, None]) * edges[None, :]
        through[np.tril_indices(len(edges))] = np.iinfo(np.int64).max
        best = through.argmin(axis=0)
        improved = through[best, np.arange(len(edges))] < cost
        cuts.append(np.where(improved, best, -1))
        cost = np.where(improved, through[best, np.arange(len(edges))], cost)
    chosen, last = [len(edges) - 1], len(edges) - 1
    for cut in reversed(cuts):
        if cut[last] >= 0:
            last = int(cut[last])
            chosen.append(last)
    return edges[sorted(chosen)]
