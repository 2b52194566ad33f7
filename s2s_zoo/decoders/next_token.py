"""Language models: what comes next after each token that an encoder has read."""

from collections.abc import Callable
from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.adaptive_softmax import AdaptiveSoftmax
from s2s_zoo.decoders.base import Decoder
from s2s_zoo.features.base import Features
from s2s_zoo.layers.carry import packed_state
from s2s_zoo.layers.content_attention import uniform_or_glorot
from s2s_zoo.losses.cross_entropy import smoothed_cross_entropy
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)
from s2s_zoo.vocabulary import PAD

SCALED_CUTOFFS = (10, 20)


@keras.saving.register_keras_serializable("s2s_zoo")
class NextTokenDecoder(Decoder):
    """A softmax over what follows each token of the source.

    The target is the source one token on: target u follows the source up to token u.
    A target that is searched for goes on where the source ends: each of its tokens is
    read by the features and the encoder, one step at a time.

    Args:
        vocabulary_size: V.
        tie_source: the table of the source's tokens scores the target's (Press and
            Wolf, 2017); the memory has its width.
        bias: whether each token has one; an adaptive softmax has none.
        cutoffs: first token of each cluster of an adaptive softmax, () for a full one.
        division: by which the width falls from cluster to cluster.
        initial_range: kernels start uniform in ± this, None for Glorot's range.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import NextTokenDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = NextTokenDecoder(vocabulary_size=9)
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 3, 4)), ops.ones((1, 3), "bool"))
        >>> found = decoder(ops.array([[4, 5, 1]]), memory)
        >>> ops.shape(found["log_probabilities"])
        (1, 3)
    """

    reads_target = True

    def __init__(
        self,
        vocabulary_size: int,
        tie_source: bool = False,
        bias: bool = True,
        cutoffs: tuple[int, ...] = (),
        division: float = 4.0,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.tie_source = tie_source
        self.bias = bias
        self.cutoffs = tuple(cutoffs)
        self.division = division
        self.initial_range = initial_range
        self._read_on: Callable[..., tuple[Tensor, Any]] | None = None
        if self.cutoffs:
            self.softmax = AdaptiveSoftmax(
                vocabulary_size,
                self.cutoffs,
                division,
                dtype=self.dtype_policy,
                name="softmax",
            )
        elif not tie_source:
            self.dense = keras.layers.Dense(
                vocabulary_size,
                use_bias=bias,
                kernel_initializer=uniform_or_glorot(initial_range),
                dtype=self.dtype_policy,
                name="dense",
            )

    def follow(self, features: Features, encoder: Any) -> None:
        """Read on through the table of the features and the `step` of the encoder.

        Raises:
            ValueError: they have none.
        """
        table = features.table
        if table is None or not hasattr(encoder, "step"):
            kinds = f"{type(features).__name__} and {type(encoder).__name__}"
            raise ValueError(
                "A NextTokenDecoder reads on through features with a table of tokens "
                f"and an encoder with a step. Received: {kinds}"
            )

        def read_on(tokens: Tensor, states: Any) -> tuple[Tensor, Any]:
            rows = ops.cast(table(tokens), encoder.compute_dtype)
            return encoder.step(rows, states)

        self._read_on = read_on

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        width = memory_shape.sequence[-1]
        if self.tie_source and self.embedding.width != width:
            raise ValueError(
                f"tie_source scores tokens by rows of {self.embedding.width}: the "
                f"encoder gives as many numbers. Received: {width}"
            )
        if self.cutoffs:
            if self.tie_source:
                self.softmax.tie(self.embedding)
            self.softmax.build((None, None, width))
        elif not self.tie_source:
            self.dense.build((None, None, width))
        elif self.bias:
            self.biases = self.add_weight(
                shape=(self.vocabulary_size,), initializer="zeros", name="bias"
            )
        self.built = True

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        """Score `targets` (B, T), each after the token of the source at its place.

        Returns:
            `log_probabilities` (B, T) float32, 0 where there is `PAD`; and the
            `state` (B, S) float32 of the memory where it has one.
        """
        targets = ops.cast(targets, "int32")
        mask = ops.not_equal(targets, PAD)
        if self.cutoffs:
            scores = self.softmax(memory.sequence, targets, mask)
        else:
            logits = self._logits(memory.sequence)
            scores = -smoothed_cross_entropy(logits, targets, mask)
        found = {"log_probabilities": scores}
        if memory.state is not None:
            found["state"] = packed_state(memory.state)
        return found

    def _logits(self, x: Tensor) -> Tensor:
        """(..., V) float32 of what follows after `x` (..., D)."""
        if self.cutoffs:
            return self.softmax.logits(x)
        if not self.tie_source:
            return ops.cast(self.dense(x), "float32")
        logits = self.embedding.logits(ops.cast(x, self.compute_dtype))
        return logits + ops.cast(self.biases, "float32") if self.bias else logits

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        """The state after the source; see `s2s_zoo.search.base.Stepping`."""
        x = ops.cast(memory.sequence, "float32")
        after = ops.pad(memory.mask[:, 1:], ((0, 0), (0, 1)))
        last = ops.logical_and(memory.mask, ops.logical_not(after))
        last = ops.sum(x * ops.cast(last, "float32")[..., None], axis=1)
        cache = keras.tree.map_structure(
            lambda part: ops.repeat(part, beams, axis=0),
            (ops.cast(last, self.compute_dtype), memory.state),
        )
        return DecoderState(cache, (), ops.convert_to_tensor(0, "int32"))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """What follows the source, then each of `tokens` (R,).

        The start token, which comes first, stands for nothing that is read.
        """
        assert self._read_on is not None
        is_start = ops.equal(state.position, 0)
        cache = keras.tree.map_structure(
            lambda old, new: ops.where(is_start, old, new),
            state.cache,
            self._read_on(tokens, state.cache[1]),
        )
        return self._logits(cache[0]), state._replace(
            cache=cache, position=state.position + 1
        )

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        cutoffs = part.keywords.get("cutoffs", ())
        return {"cutoffs": SCALED_CUTOFFS[: len(cutoffs)]} if cutoffs else {}
