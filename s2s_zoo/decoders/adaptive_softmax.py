"""The adaptive softmax (Grave et al., 2017, https://arxiv.org/abs/1609.04309)."""

from itertools import pairwise
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.losses.cross_entropy import smoothed_cross_entropy
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

FEW = 8
"""Up to one token in so many of a batch lies in a cluster, mostly."""


@keras.saving.register_keras_serializable("s2s_zoo")
class AdaptiveSoftmax(ZooLayer):
    """Frequent tokens in a softmax, the others in clusters that it chooses among.

    ln P(token) is that of its cluster plus that of the token in it, exactly. Tokens
    are numbered by their frequency. Cluster i is scored at width D / division^i, the
    first with i = 1; where a table of tokens is tied, by its rows, at width D. A
    cluster scores the places of a batch whose token is in it, if these are few; all
    of them otherwise.

    Args:
        vocabulary_size: V.
        cutoffs: first token of each cluster, increasing.
        division: by which the width falls from cluster to cluster.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import AdaptiveSoftmax
        >>> softmax = AdaptiveSoftmax(vocabulary_size=9, cutoffs=(3, 6), division=2.0)
        >>> softmax.build((None, None, 4))
        >>> x, tokens = ops.ones((2, 5, 4)), ops.ones((2, 5), "int32")
        >>> ops.shape(softmax(x, tokens)), ops.shape(softmax.logits(x))
        ((2, 5), (2, 5, 9))
    """

    def __init__(
        self,
        vocabulary_size: int,
        cutoffs: tuple[int, ...],
        division: float = 4.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("vocabulary_size", vocabulary_size, 1, MAX_SIZE)
        ends = (0, *cutoffs, vocabulary_size)
        if not cutoffs or any(a >= b for a, b in pairwise(ends)):
            raise ValueError(
                f"cutoffs increase, above 0 and below the {vocabulary_size} tokens. "
                f"Received: {cutoffs}"
            )
        self.vocabulary_size = vocabulary_size
        self.cutoffs = tuple(cutoffs)
        self.division = division
        self.table: TokenEmbedding | None = None

    def tie(self, table: TokenEmbedding) -> None:
        """Score tokens by the rows of `table`; before `build`."""
        self.table = table

    @property
    def clusters(self) -> list[tuple[int, int]]:
        """First token of each cluster and one past its last."""
        return list(pairwise((*self.cutoffs, self.vocabulary_size)))

    def build(self, input_shape: Shape, *_: Shape) -> None:
        width, frequent = input_shape[-1], self.cutoffs[0]
        tied = self.table is not None
        size = len(self.clusters) + (0 if tied else frequent)
        self.head = self.add_weight(shape=(width, size), name="head_kernel")
        self.tails: list[tuple[keras.Variable, keras.Variable]] = []
        for i, (first, end) in enumerate([] if tied else self.clusters):
            depth = max(1, int(width // self.division ** (i + 1)))
            projection, kernel = (
                self.add_weight(shape=shape, name=f"{name}_{i}_kernel")
                for name, shape in (
                    ("projection", (width, depth)),
                    ("tail", (depth, end - first)),
                )
            )
            self.tails.append((projection, kernel))
        self.built = True

    def call(self, x: Tensor, targets: Tensor, mask: Tensor | None = None) -> Tensor:
        """Ln P of each of `targets`.

        Args:
            x: (..., D).
            targets: (...) int32.
            mask: (...) bool, True on real ones; None for all.

        Returns:
            (...) float32, 0 outside the mask.
        """
        mask = ops.ones_like(targets, "bool") if mask is None else mask
        shape = ops.shape(targets)
        x = ops.reshape(x, (-1, x.shape[-1]))
        targets, mask = ops.reshape(targets, (-1,)), ops.reshape(mask, (-1,))
        chosen = targets
        for i, (first, end) in enumerate(self.clusters):
            inside = ops.logical_and(targets >= first, targets < end)
            chosen = ops.where(inside, self.cutoffs[0] + i, chosen)
        found = -smoothed_cross_entropy(self._head_logits(x), chosen, mask)
        for i, (first, end) in enumerate(self.clusters):
            inside = ops.logical_and(targets >= first, targets < end)
            inside = ops.logical_and(inside, mask)
            found = found + self._within(i, x, targets - first, inside)
        return ops.reshape(found, shape)

    def _within(
        self, cluster: int, x: Tensor, targets: Tensor, inside: Tensor
    ) -> Tensor:
        """(N,) ln P of `targets` within a cluster, 0 for what is not `inside`."""

        def score(x: Tensor, targets: Tensor, inside: Tensor) -> Tensor:
            return -smoothed_cross_entropy(
                self._tail_logits(x, cluster), targets, inside
            )

        few = -(-ops.shape(targets)[0] // FEW)

        def score_few() -> Tensor:
            order = ops.argsort(ops.cast(ops.logical_not(inside), "int32"))
            rows = order[:few]
            parts = (ops.take(part, rows, axis=0) for part in (x, targets, inside))
            return ops.scatter(rows[:, None], score(*parts), ops.shape(targets))

        fits = ops.sum(ops.cast(inside, "int32")) <= few
        return ops.cond(fits, score_few, lambda: score(x, targets, inside))

    def logits(self, x: Tensor) -> Tensor:
        """(..., V) float32 ln P of every token after `x` (..., D)."""
        head, frequent = ops.log_softmax(self._head_logits(x)), self.cutoffs[0]
        parts = [head[..., :frequent]]
        for i in range(len(self.clusters)):
            within = ops.log_softmax(self._tail_logits(x, i))
            cluster = head[..., frequent + i : frequent + i + 1]
            parts.append(cluster + within)
        return ops.concatenate(parts, axis=-1)

    def _head_logits(self, x: Tensor) -> Tensor:
        """(..., F + C) float32 scores of the frequent tokens and of the clusters."""
        kernel = ops.convert_to_tensor(self.head)
        if self.table is not None:
            kernel = ops.concatenate([self._rows(0, self.cutoffs[0]), kernel], axis=1)
        return self._product(x, kernel)

    def _tail_logits(self, x: Tensor, cluster: int) -> Tensor:
        """(..., tokens) float32 scores of the tokens of a cluster."""
        if self.table is not None:
            return self._product(x, self._rows(*self.clusters[cluster]))
        projection, kernel = self.tails[cluster]
        return self._product(self._product(x, projection), kernel)

    def _rows(self, first: int, end: int) -> Tensor:
        """(D, end - first) transposed rows of the tied table."""
        assert self.table is not None
        return ops.transpose(ops.convert_to_tensor(self.table.table)[first:end])

    def _product(self, x: Tensor, kernel: Tensor) -> Tensor:
        both = (ops.cast(part, self.compute_dtype) for part in (x, kernel))
        return ops.cast(ops.matmul(*both), "float32")

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape[:-1]
