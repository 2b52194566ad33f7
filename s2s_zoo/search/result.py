"""What a search over the steps of a decoder gives."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import keras
from keras import ops

from s2s_zoo.typing import DecoderState, Tensor

Step: TypeAlias = Callable[[Tensor, DecoderState], tuple[Tensor, DecoderState]]
"""Reads (R,) int32 tokens; gives (R, V) float32 logits of the next, and the state."""


class SearchResult(NamedTuple):
    """K texts of each of B sources.

    Attributes:
        tokens: (B, K, size) int32, -1 after the last token; no end token.
        lengths: (B, K) int32 number of tokens.
        scores: (B, K) float32 length-penalized log-probabilities; -inf where there
            are fewer than K texts.
        log_probabilities: (B, K) float32 natural logarithm of the probability the
            model gives the tokens and the end after them.
        finished: (B, K) bool, False where the text ends because it may be no longer.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.search import SearchResult, TokenSearch
        >>> one, score = ops.ones((1, 1)), ops.array([[-0.5]])
        >>> tokens = ops.array([[[4, 5, -1]]])
        >>> found = SearchResult(tokens, ops.array([[2]]), score, score, one > 0)
        >>> [[best]] = TokenSearch().read(found._asdict())
        >>> best.tokens.tolist(), best.score, best.finished
        ([4, 5], -0.5, True)
    """

    tokens: Tensor
    lengths: Tensor
    scores: Tensor
    log_probabilities: Tensor
    finished: Tensor


class Reached(NamedTuple):
    """What a loop takes of a state from one step to the next."""

    position: Tensor
    cache: list[Tensor]
    history: list[Tensor]


def carried(state: DecoderState) -> Reached:
    """The part of `state` that steps change."""
    cache, history = (
        [ops.stop_gradient(tensor) for tensor in keras.tree.flatten(part)]
        for part in (state.cache, state.history)
    )
    return Reached(ops.cast(state.position, "int32"), cache, history)


def resumed(state: DecoderState, reached: Reached) -> DecoderState:
    """The state a loop has reached that set out from `state`."""
    return DecoderState(
        keras.tree.pack_sequence_as(state.cache, reached.cache),
        state.memory,
        reached.position,
        keras.tree.pack_sequence_as(state.history, reached.history),
    )


def penalty(length: Tensor, alpha: float) -> Tensor:
    """((5 + length) / 6)^α, float32; Wu et al., 2016, equation 14 without coverage.

    Args:
        length: int32 tokens, the end token among them.
        alpha: α, 0 for no penalty.
    """
    return ops.power((5.0 + ops.cast(length, "float32")) / 6.0, alpha)
