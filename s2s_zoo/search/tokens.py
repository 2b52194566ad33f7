"""Texts searched for token by token: beams, greedily, or drawn."""

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import keras
import numpy as np
from keras import ops

from s2s_zoo.errors import UserError
from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.search.base import (
    Hypothesis,
    Search,
    Stepping,
    integer,
    number,
    text,
    truth,
)
from s2s_zoo.search.beam import beam_search
from s2s_zoo.search.keys import content_keys
from s2s_zoo.search.loop import Loop, while_loop
from s2s_zoo.search.result import SearchResult, Step
from s2s_zoo.search.rules import rules
from s2s_zoo.search.sampling import greedy, sample
from s2s_zoo.search.shallow_fusion import Fused
from s2s_zoo.typing import Arrays, DecoderState, EncoderOutput, Tensor, Tensors
from s2s_zoo.vocabulary import PAD, START, UNKNOWN

STATED = ("beam", "length_penalty", "patience", "n_best", "model")
"""What a signature states by itself, or need not."""
FIELDS = ("tokens", "lengths", "scores", "finished")


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class TokenSearch(Search):
    """Beam search, greedy search (`beam` 1) or sampling (`temperature` above 0).

    Attributes:
        beam: hypotheses followed side by side; not read when sampling.
        length_penalty: α of Wu et al., 2016, section 7: scores are log-probabilities
            over ((5 + length) / 6)^α. 0 prefers short texts, 1 nearly none.
        patience: a source is done when this many times `beam` of its texts have ended
            (Kasai et al., 2022), None to search on while anything can be gained.
        n_best: texts given for each source, samples when sampling.
        temperature: logits are divided by it before a token is drawn; 0 draws none.
        top_k: draw from that many of the likeliest tokens; 0 for all.
        top_p: draw from the fewest likeliest tokens that hold this probability
            (Holtzman et al., 2020).
        min_length: tokens written at least, as far as the longest allowed reach.
        max_length: tokens written at most, None for no more than the next two say.
        length_factor: tokens allowed for each token of the source.
        length_extra: tokens allowed on top.
        unknown: whether the token of unknown text may be written.
        prefix: text that every output begins with.
        lm: run of a language model, or file of an n-gram model, that says which of all
            texts that were found is best; empty for none. A run that writes with the
            vocabulary of the texts takes part in the search instead.
        alpha: weight of its logarithm of the probability of a text, which is added to
            that of the decoder.
        seed: of the draw.
        model: what `lm` names, where it takes part; see `with_model`.

    Raises:
        UserError: a value out of range, or two that exclude each other.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import DecoderState
        >>> from s2s_zoo.search import TokenSearch
        >>> def step(written, state):  # 4 after the start token 2, then the end token 1
        ...     return 9.0 * ops.one_hot(ops.where(written == 2, 4, 1), 6), state
        >>> state, search = DecoderState((), (), ops.array(0)), TokenSearch(beam=2)
        >>> found = search.run(step, state, source_lengths=ops.array([3]), size=8)
        >>> search.read(found._asdict())[0][0].tokens.tolist()
        [4]
    """

    family: ClassVar[str] = "tokens"

    beam: int = integer(4, 1)
    length_penalty: float = number(0.6, lambda value: value >= 0, "from 0")
    patience: float | None = number(1.0, lambda value: value > 0, "above 0", True)
    n_best: int = integer(1, 1)
    temperature: float = number(0.0, lambda value: value >= 0, "from 0")
    top_k: int = integer(0, 0)
    top_p: float = number(1.0, lambda value: 0 < value <= 1, "above 0, 1 at most")
    min_length: int = integer(0, 0)
    max_length: int | None = integer(None, 1, True)
    length_factor: float = number(1.0, lambda value: value >= 0, "from 0")
    length_extra: int = integer(50, 0)
    unknown: bool = truth(True)
    prefix: str = text("")
    lm: str = text("")
    alpha: float = number(0.3, lambda value: value >= 0, "from 0")
    seed: int = integer(0, 0)
    model: Stepping | None = dataclasses.field(
        default=None, repr=False, metadata={"setting": False}
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        most = self.max_length or math.inf
        if not self.samples and self.top_k:
            self._refuse("top_k needs a temperature above 0", "top_k", "temperature")
        if not self.samples and self.top_p < 1:
            self._refuse("top_p needs a temperature above 0", "top_p", "temperature")
        if not self.samples and self.n_best > self.beam:
            self._refuse("n_best is at most beam", "n_best", "beam")
        if self.min_length > most:
            rule = "min_length is at most max_length"
            self._refuse(rule, "min_length", "max_length")

    def _refuse(self, rule: str, *keys: str) -> None:
        received = ", ".join(f"{key}={getattr(self, key)}" for key in keys)
        raise UserError(f"Search: {rule}. Received: {received}")

    @property
    def samples(self) -> bool:
        """Whether tokens are drawn."""
        return self.temperature > 0

    @property
    def signature(self) -> str:
        """What decides which text is found, as metrics state it."""
        parts: dict[str, Any] = {"beam": self.beam, "penalty": self.length_penalty}
        if self.beam > 1:
            parts["patience"] = self.patience
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.name not in STATED and value != field.default:
                parts[field.name] = value
        if self.model is not None:
            parts["fusion"] = "shallow"
        return "|".join(f"{name}:{value}" for name, value in parts.items())

    def with_model(self, model: Stepping) -> Self:
        """The search with a language model that writes with the same vocabulary.

        The score of a text is then (ln P(text | source) + `alpha` · ln P(text)) over
        the length penalty, and tokens are drawn by p·q^`alpha`; see `Fused`.
        """
        return dataclasses.replace(self, model=model)

    @property
    def rows(self) -> int:
        """K, the rows a decoder writes for each source."""
        return self.n_best if self.samples else self.beam

    @property
    def forbidden(self) -> tuple[int, ...]:
        """Tokens never written."""
        return (PAD, START) if self.unknown else (PAD, START, UNKNOWN)

    def write(
        self, decoder: Stepping, memory: EncoderOutput, inputs: Tensors, loop: Loop
    ) -> Tensors:
        """Texts of B sources.

        Lengths allowed follow those of the memory. Where texts are drawn, what a
        source gives follows from what it holds.

        Args:
            decoder: of tokens.
            memory: of the sources.
            inputs: `source` and `source_lengths`, and maybe `prefix`, (B, P) int32
                tokens that the texts begin with, padded with -1 at the end.
            loop: what it runs in.

        Returns:
            The fields of `s2s_zoo.search.result.SearchResult` by name.
        """
        if self.model is not None and self.alpha:
            decoder = Fused(decoder, self.model, self.alpha)
        prefix, keys = inputs.get("prefix"), None
        size = self.size(ops.shape(memory.mask)[1])
        if prefix is not None:
            size = size + ops.shape(prefix)[1]
        if self.samples:
            keys = content_keys(inputs["source"], inputs["source_lengths"])
        state = decoder.start(memory, self.rows, size + 1, reordered=not self.samples)
        lengths = mask_lengths(memory.mask)
        found = self.run(
            decoder.step, state, lengths, size=size, prefix=prefix, keys=keys, loop=loop
        )
        return found._asdict()

    def run(
        self,
        step: Step,
        state: DecoderState,
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
            state: the decoder's for B·`rows` rows and `size` + 1 tokens, before the
                start token is read.
            source_lengths: (B,) int32 tokens, which the lengths allowed follow.
            size: room for tokens, `size(T)` of the longest source.
            prefix: (B, P) int32 tokens the texts begin with, padded with -1 at the end.
            keys: (B,) int32, what tells one source from another when sampling; the
                number in the batch when None.
            loop: what the search runs in.

        Returns:
            `n_best` texts of each source.
        """
        longest = self.longest(source_lengths)
        shortest = ops.full_like(longest, self.min_length)
        allowed = rules(longest, size, shortest, prefix, self.forbidden)
        alpha = self.length_penalty
        if self.samples:
            return sample(
                step,
                state,
                allowed,
                samples=self.n_best,
                seed=self.seed,
                temperature=self.temperature,
                top_k=self.top_k,
                top_p=self.top_p,
                keys=keys,
                length_penalty=alpha,
                loop=loop,
            )
        if self.beam == 1:
            return greedy(step, state, allowed, length_penalty=alpha, loop=loop)
        return beam_search(
            step,
            state,
            allowed,
            beam=self.beam,
            n_best=self.n_best,
            length_penalty=alpha,
            patience=self.patience,
            loop=loop,
        )

    def read(self, output: Arrays) -> list[list[Hypothesis]]:
        """The texts there are of each source, best first, or as they were drawn."""
        rows = zip(
            *(ops.convert_to_numpy(output[name]) for name in FIELDS), strict=True
        )
        return [
            [
                Hypothesis(ids[:size], float(score), bool(finished))
                for ids, size, score, finished in zip(*row, strict=True)
                if np.isfinite(score)
            ]
            for row in rows
        ]

    def longest(self, source_lengths: Tensor) -> Tensor:
        """(B,) int32 most tokens for sources of `source_lengths` (B,) int32 tokens.

        An empty source has an empty text.
        """
        allowed = ops.round(ops.cast(source_lengths, "float32") * self.length_factor)
        longest = ops.cast(allowed, "int32") + self.length_extra
        longest = ops.where(source_lengths > 0, longest, 0)
        if self.max_length is None:
            return longest
        return ops.minimum(longest, self.max_length)

    def size(self, source_size: Tensor | int) -> Tensor | int:
        """Room for the text of every source of at most `source_size` tokens.

        A tensor where the size is one, as in a TensorFlow graph of any shape.
        """
        if isinstance(source_size, int):
            room = math.ceil(source_size * self.length_factor) + self.length_extra
            most = room if self.max_length is None else self.max_length
            return max(1, min(room, most))
        length = ops.ceil(ops.cast(source_size, "float32") * self.length_factor)
        room = ops.maximum(1, ops.cast(length, "int32") + self.length_extra)
        return room if self.max_length is None else ops.minimum(room, self.max_length)
