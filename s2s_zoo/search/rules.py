"""What a text must not say, what it must begin with, and how long it may be."""

from typing import NamedTuple

from keras import ops

from s2s_zoo.typing import Tensor
from s2s_zoo.vocabulary import END, PAD, START


class Rules(NamedTuple):
    """Rules of B sources for texts of at most `size` tokens.

    Attributes:
        forced: (B, size+1) int32 token that comes at each place, -1 where it is free.
        shortest: (B,) int32 tokens before the end token at least.
        longest: (B,) int32 tokens before the end token at most.
        forbidden: tokens never written of free will.
    """

    forced: Tensor
    shortest: Tensor
    longest: Tensor
    forbidden: tuple[int, ...]

    @property
    def size(self) -> Tensor | int:
        """Tokens there is room for."""
        return ops.shape(self.forced)[1] - 1

    def at(self, place: Tensor, rows: int) -> tuple[Tensor, Tensor]:
        """What holds at a place, for each of `rows` texts of each source.

        Returns:
            The forced token (R,), -1 where it is free, and whether a free text may
            end there (R,) bool.
        """
        forced = ops.take(self.forced, place, axis=1)
        may_end = place >= self.shortest
        return ops.repeat(forced, rows, axis=0), ops.repeat(may_end, rows, axis=0)


def rules(
    max_lengths: Tensor,
    size: Tensor | int,
    min_lengths: Tensor | None = None,
    prefix: Tensor | None = None,
    forbidden: tuple[int, ...] = (PAD, START),
) -> Rules:
    """The rules of a search.

    Args:
        max_lengths: (B,) int32 tokens at most; never less than the prefix has, never
            more than `size`.
        size: room for tokens; changes nothing else.
        min_lengths: (B,) int32 tokens at least, as far as `max_lengths` reach.
        prefix: (B, P) int32 tokens every text of a source begins with, padded with
            -1 at the end; P is at most `size`.
        forbidden: tokens never written, unless the prefix has them.
    """
    longest = ops.minimum(ops.cast(max_lengths, "int32"), size)
    batch = ops.shape(longest)[0]
    forced = ops.full((batch, size + 1), -1, dtype="int32")
    if prefix is not None:
        prefix = ops.cast(prefix, "int32")
        given = ops.sum(ops.cast(prefix >= 0, "int32"), axis=1)
        longest = ops.maximum(longest, given)
        forced = ops.concatenate([prefix, forced[:, ops.shape(prefix)[1] :]], axis=1)
        forced = ops.reshape(forced, (batch, size + 1))
    places = ops.arange(size + 1, dtype="int32")[None]
    forced = ops.where(places == longest[:, None], END, forced)
    shortest = ops.zeros_like(longest)
    if min_lengths is not None:
        shortest = ops.minimum(ops.cast(min_lengths, "int32"), longest)
    return Rules(forced, shortest, longest, forbidden)
