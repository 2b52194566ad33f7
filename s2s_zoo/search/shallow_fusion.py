"""A decoder and a language model that write together.

Shallow fusion: Gulcehre et al., "On using monolingual corpora in neural machine
translation" (2015), https://arxiv.org/abs/1503.03535, section 4.1.
"""

from dataclasses import dataclass

from keras import ops

from s2s_zoo.search.base import Stepping
from s2s_zoo.search.result import Step
from s2s_zoo.typing import DecoderState, EncoderOutput, Tensor
from s2s_zoo.vocabulary import PAD

LEAST = 1e-30


@dataclass(frozen=True)
class Fused:
    """Two that write with one vocabulary as one: ln p + α ln q of each token.

    Attributes:
        decoder: p, of the sources.
        language_model: q, of what is written alone.
        alpha: α, from 0.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import DecoderState
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> from s2s_zoo.search import Fused, TokenSearch
        >>> from s2s_zoo.search.loop import while_loop
        >>> class Liking:  # one of the tokens 4 and 5, then the end token 1
        ...     def __init__(self, token, logit):
        ...         self.row = logit * ops.one_hot(ops.array([token]), 6)
        ...     def start(self, memory, beams, length, reordered=True):
        ...         return DecoderState((), (), ops.array(0))
        ...     def step(self, written, state):
        ...         end = 99.0 * ops.one_hot(ops.ones_like(written), 6)
        ...         return ops.where(written[:, None] == 2, self.row, end), state
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> search, both = TokenSearch(beam=2), Fused(Liking(4, 3.0), Liking(5, 5.0), 1)
        >>> found = search.write(both, memory, {}, while_loop)
        >>> search.read(found)[0][0].tokens.tolist()
        [5]
    """

    decoder: Stepping
    language_model: Stepping
    alpha: float

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        """The states of both; see `s2s_zoo.search.base.Stepping`."""
        one, other = (
            part.start(memory, beams, length, reordered)
            for part in (self.decoder, self.language_model)
        )
        return DecoderState(
            (one.cache, other.cache),
            (one.memory, other.memory),
            one.position,
            (one.history, other.history),
        )

    @property
    def step(self) -> Step:
        """What reads a token with both, the same for a loop that is compiled once."""
        return _FusedStep(self.decoder.step, self.language_model.step, self.alpha)


@dataclass(frozen=True)
class _FusedStep:
    decoder: Step
    language_model: Step
    alpha: float

    def __call__(
        self, tokens: Tensor, state: DecoderState
    ) -> tuple[Tensor, DecoderState]:
        one, other = (
            DecoderState(cache, memory, state.position, history)
            for cache, memory, history in zip(
                state.cache, state.memory, state.history, strict=True
            )
        )
        logits, one = self.decoder(tokens, one)
        others, other = self.language_model(tokens, other)
        return fused_logits(logits, others, self.alpha), DecoderState(
            (one.cache, other.cache),
            state.memory,
            one.position,
            (one.history, other.history),
        )


def fused_logits(logits: Tensor, others: Tensor, alpha: float) -> Tensor:
    """The ln p + α ln q of each token, as logarithms of what adds up to 1.

    The sum of p·q^α is at most 1. What is left of it falls to padding, which no
    search writes, so that the others are what they are however logits are normalized.

    Args:
        logits: (R, V) float32, whose softmax is p.
        others: (R, V) float32, whose softmax is q.
        alpha: α, from 0.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.search.shallow_fusion import fused_logits
        >>> p, q = ops.array([[0.0, 0.5, 0.5]]), ops.array([[0.0, 0.36, 0.64]])
        >>> fused = ops.exp(fused_logits(ops.log(p), ops.log(q), 0.5))
        >>> print(ops.convert_to_numpy(fused).round(2))
        [[0.3 0.3 0.4]]
    """
    totals = ops.log_softmax(logits, axis=-1) + alpha * ops.log_softmax(others, axis=-1)
    is_padding = ops.arange(totals.shape[-1], dtype="int32")[None] == PAD
    held = ops.where(is_padding, 0.0, ops.exp(totals))
    left = 1.0 - ops.sum(held, axis=-1, keepdims=True)
    return ops.where(is_padding, ops.log(ops.maximum(left, LEAST)), totals)
