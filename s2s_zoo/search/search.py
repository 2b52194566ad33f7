"""The search that options ask for."""

from keras import ops

from s2s_zoo.search.beam import beam_search
from s2s_zoo.search.loop import Loop, while_loop
from s2s_zoo.search.options import Search
from s2s_zoo.search.result import SearchResult, Step
from s2s_zoo.search.rules import rules
from s2s_zoo.search.sampling import greedy, sample
from s2s_zoo.typing import DecoderState, Tensor


def search(
    step: Step,
    state: DecoderState,
    options: Search,
    source_lengths: Tensor,
    *,
    size: Tensor | int,
    prefix: Tensor | None = None,
    keys: Tensor | None = None,
    loop: Loop = while_loop,
) -> SearchResult:
    """The texts of B sources, in one function to compile.

    Args:
        step: the decoder's.
        state: the decoder's for B·`options.rows` rows and `size` + 1 tokens, before
            the start token is read.
        options: which search.
        source_lengths: (B,) int32 tokens, which the lengths allowed follow.
        size: room for tokens, `options.size(T)` of the longest source.
        prefix: (B, P) int32 tokens the texts begin with, padded with -1 at the end.
        keys: (B,) int32, what tells one source from another when sampling; the number
            in the batch when None.
        loop: what the search runs in.

    Returns:
        `options.n_best` texts of each source.
    """
    longest = options.longest(source_lengths)
    shortest = ops.full_like(longest, options.min_length)
    law = rules(longest, size, shortest, prefix, options.forbidden)
    alpha = options.length_penalty
    if options.samples:
        return sample(
            step,
            state,
            law,
            samples=options.n_best,
            seed=options.seed,
            temperature=options.temperature,
            top_k=options.top_k,
            top_p=options.top_p,
            keys=keys,
            length_penalty=alpha,
            loop=loop,
        )
    if options.beam == 1:
        return greedy(step, state, law, length_penalty=alpha, loop=loop)
    return beam_search(
        step,
        state,
        law,
        beam=options.beam,
        n_best=options.n_best,
        length_penalty=alpha,
        patience=options.patience,
        loop=loop,
    )
