"""Recurrent decoders with attention: GNMT (Wu et al., 2016), Luong, Bahdanau."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.base import TokenDecoder, shifted_right
from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.attention_recurrence import AttentionRecurrence
from s2s_zoo.layers.base import MAX_LAYERS, ZooLayer
from s2s_zoo.layers.content_attention import AttentionMemory, uniform_or_glorot
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.recurrent import PARTS, Recurrence, State
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)

SCORES = {
    "gnmt_v2": "normalized",
    "gnmt": "normalized",
    "bahdanau": "additive",
    "luong": "dot",
}
BRIDGES = ("state", "mean", "zeros")


@keras.saving.register_keras_serializable("s2s_zoo")
class AttentionRNNDecoder(TokenDecoder):
    """Recurrent layers; the lowest one attends to the source, all read the context.

    The lowest layer reads the embedded token and the context of the step before; its
    output is the query of the step's context. Each layer above reads the output below
    and the context. The output of the highest layer and the context are scored
    together (Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 3). Targets
    (B, U) become `logits` (B, U, V) float32.

    Args:
        vocabulary_size: V.
        width: of the embeddings.
        units: width H of a layer.
        layers: recurrent layers.
        cell: "gru" or "lstm".
        attention: "gnmt_v2" (normalized additive scores), "gnmt" (the same, and the
            layers above the lowest read the context of the step before), "bahdanau"
            (additive) or "luong" (scaled dot products).
        attention_units: depth of additive scores, None for `units`; "luong" takes None.
        residual: add to the output of each layer but the lowest what is below it.
        dropout: share of the inputs of each layer that is dropped, contexts too; what
            residuals add is whole.
        bridge: where the layers start. "state": at the final state of the encoder's
            layer of the same number (of its highest for layers above it), through a
            dense layer where widths differ; the same as "mean" if the encoder has no
            states. "mean": at a dense layer of the mean of the memory. "zeros".
        tie_source: the table of the source's tokens is the target's too.
        tie_output: the table of the target's tokens scores them too, after a
            projection to `width`.
        initial_range: weights start uniform in ± this, tables with the same deviation;
            None for Glorot's range and orthogonal recurrent kernels.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import AttentionRNNDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = AttentionRNNDecoder(9, width=4, units=4, layers=1, cell="gru")
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> ops.shape(decoder(ops.array([[4, 5, 1]]), memory)["logits"])
        (1, 3, 9)
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        units: int,
        layers: int,
        cell: str = "lstm",
        attention: str = "gnmt_v2",
        attention_units: int | None = None,
        residual: bool = False,
        dropout: float = 0.0,
        bridge: str = "state",
        tie_source: bool = False,
        tie_output: bool = False,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_choice("attention", attention, SCORES)
        check_choice("bridge", bridge, BRIDGES)
        check_range("layers", layers, 1, MAX_LAYERS)
        self.vocabulary_size = vocabulary_size
        self.width = width
        self.units = units
        self.layers = layers
        self.cell = cell
        self.attention = attention
        self.attention_units = attention_units
        self.residual = residual
        self.dropout = dropout
        self.bridge = bridge
        self.tie_source = tie_source
        self.tie_output = tie_output
        self.initial_range = initial_range
        self._make_layers()

    def _make_layers(self) -> None:
        policy, limit = self.dtype_policy, self.initial_range
        if not self.tie_source:
            deviation = limit and limit / 3**0.5
            self.embedding = TokenEmbedding(
                self.vocabulary_size, self.width, deviation, name="embedding"
            )
        self.lowest = AttentionRecurrence(
            self.units,
            self.cell,
            SCORES[self.attention],
            self.attention_units,
            limit,
            dtype=policy,
            name="rnn_0",
        )
        self.upper = [
            Recurrence(
                self.units,
                self.cell,
                initial_range=limit,
                dtype=policy,
                name=f"rnn_{i}",
            )
            for i in range(1, self.layers)
        ]
        self._make_joints()

    def _make_joints(self) -> None:
        """What stands before, between and after the recurrent layers."""
        policy, limit = self.dtype_policy, self.initial_range
        self.drops = [
            keras.layers.Dropout(self.dropout, dtype=policy, name=f"dropout_{i}")
            for i in range(self.layers)
        ]
        self.context_drop = keras.layers.Dropout(
            self.dropout, dtype=policy, name="context_dropout"
        )
        self.starts = StartBridge(
            self.units, self.layers, self.cell, limit, dtype=policy, name="bridge"
        )
        size = self.width if self.tie_output else self.vocabulary_size
        self.output_dense = keras.layers.Dense(
            size,
            use_bias=False,
            kernel_initializer=uniform_or_glorot(limit),
            dtype=policy,
            name="projection" if self.tie_output else "output",
        )

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        if not self.tie_source:
            self.embedding.build()
        values = memory_shape.sequence
        self.lowest.build((None, None, self.width), memory_shape.keys or values, values)
        for recurrence in self.upper:
            recurrence.build((None, None, self.units + values[-1]))
        self.output_dense.build((None, None, self.units + values[-1]))
        self.bridges_states = self.bridge == "state" and bool(memory_shape.state)
        if self.bridges_states:
            self.starts.build(memory_shape.state)
        elif self.bridge != "zeros":
            self.starts.build((((None, values[-1]),),), hands_on=False)
        self.built = True

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        tokens = shifted_right(targets)
        starts, read = self._starts(memory), self.lowest.attention.prepare(memory)
        x = self.drops[0](self._embed(tokens), training=training)
        x, contexts = self.lowest.read(
            x, read, starts[0], self._kept(x, read, training)
        )
        fed = shifted(contexts) if self.attention == "gnmt" else contexts
        mask = ops.ones_like(tokens, dtype="bool")
        for i, recurrence in enumerate(self.upper, start=1):
            both = ops.concatenate([x, fed], axis=-1)
            both = self.drops[i](both, training=training)
            above = recurrence.read(both, mask, starts[i])[0]
            x = above + x if self.residual else above
        return {"logits": self._score(x, contexts)}

    def _kept(
        self, x: Tensor, memory: AttentionMemory, training: bool | None
    ) -> Tensor | None:
        """(B, U, C) factors of the contexts that the lowest layer reads back."""
        if not (training and self.dropout):
            return None
        size = (*ops.shape(x)[:2], memory.values.shape[-1])
        return self.context_drop(ops.ones(size, x.dtype), training=training)

    def _embed(self, tokens: Tensor) -> Tensor:
        return ops.cast(self.embedding(tokens), self.compute_dtype)

    def _score(self, x: Tensor, contexts: Tensor) -> Tensor:
        x = self.output_dense(ops.concatenate([x, contexts], axis=-1))
        return self.embedding.logits(x) if self.tie_output else ops.cast(x, "float32")

    def _starts(self, memory: EncoderOutput) -> tuple[State, ...]:
        """(B, H) float32 states of each layer before the first token."""
        if self.bridge == "zeros":
            zero = ops.zeros((ops.shape(memory.mask)[0], self.units), "float32")
            return ((zero,) * PARTS[self.cell],) * self.layers
        return self.starts.read(
            memory.state if self.bridges_states else ((masked_mean(memory),),)
        )

    def alignment(self, targets: Tensor, memory: EncoderOutput) -> Tensor:
        read = self.lowest.attention.prepare(memory)
        x = self._embed(shifted_right(targets))
        queries, _ = self.lowest.read(x, read, self._starts(memory)[0])
        return self.lowest.attention.align(queries, read)

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        read = self.lowest.attention.prepare(memory)
        states = tuple(
            tuple(ops.repeat(part, beams, axis=0) for part in state)
            for state in self._starts(memory)
        )
        size = (ops.shape(memory.mask)[0] * beams, read.values.shape[-1])
        cache = (ops.zeros(size, self.compute_dtype), states)
        return DecoderState(cache, read, ops.convert_to_tensor(0, "int32"))

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        before, (lowest, *upper) = state.cache
        x, context, after = self.lowest.step(
            self._embed(tokens), state.memory, lowest, before
        )
        fed, states = before if self.attention == "gnmt" else context, [after]
        for recurrence, one in zip(self.upper, upper, strict=True):
            above, after = recurrence.step(ops.concatenate([x, fed], axis=-1), one)
            x = above + x if self.residual else above
            states.append(after)
        return self._score(x, context), DecoderState(
            (context, tuple(states)), state.memory, state.position + 1
        )

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        layers = min(part.keywords["layers"], 2)
        units = {"attention_units": 8} if part.keywords.get("attention_units") else {}
        return {"width": 8, "units": 8, "layers": layers, **units}


@keras.saving.register_keras_serializable("s2s_zoo")
class StartBridge(ZooLayer):
    """States that the layers of a decoder start from, made of others.

    Layer i reads the given state of the same number, or the last one. Tensors of
    width H are handed on, others go through a dense layer. A cell state without a
    counterpart is made of the hidden state.

    Args:
        units: width H of the decoder's layers.
        layers: of the decoder.
        cell: "gru" or "lstm".
        initial_range: kernels start uniform in ± this, None for Glorot's range.
    """

    def __init__(
        self,
        units: int,
        layers: int,
        cell: str,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.layers = layers
        self.cell = cell
        self.initial_range = initial_range

    def build(
        self, state_shape: tuple[tuple[Shape, ...], ...], hands_on: bool = True
    ) -> None:
        """For states of `state_shape`: per layer, per tensor of its state.

        Args:
            state_shape: (B, width) of each tensor.
            hands_on: hand on what is of width H; False for dense layers everywhere.
        """
        self.denses: dict[str, keras.layers.Dense] = {}
        for layer in range(self.layers):
            shapes = state_shape[min(layer, len(state_shape) - 1)]
            for part in range(PARTS[self.cell]):
                given = shapes[min(part, len(shapes) - 1)]
                fits = part < len(shapes) and given[-1] == self.units
                if not (hands_on and fits):
                    self._add_dense(layer, part, given)
        self.built = True

    def _add_dense(self, layer: int, part: int, given: Shape) -> None:
        dense = keras.layers.Dense(
            self.units,
            kernel_initializer=uniform_or_glorot(self.initial_range),
            dtype=self.dtype_policy,
            name=f"{_PARTS[part]}_{layer}",
        )
        dense.build(given)
        self.denses[dense.name] = dense

    def read(self, states: tuple[State, ...]) -> tuple[State, ...]:
        """(B, H) float32 states of each layer.

        No `__call__`, which would round the states to the compute dtype.

        Args:
            states: (B, width) of the shapes built for.
        """
        return tuple(
            tuple(
                self._part(states[min(layer, len(states) - 1)], layer, part)
                for part in range(PARTS[self.cell])
            )
            for layer in range(self.layers)
        )

    def _part(self, state: State, layer: int, part: int) -> Tensor:
        given = state[min(part, len(state) - 1)]
        dense = self.denses.get(f"{_PARTS[part]}_{layer}")
        return ops.cast(dense(given) if dense else given, "float32")


_PARTS = ("hidden", "cell")


def shifted(contexts: Tensor) -> Tensor:
    """Contexts (B, U, C) of the step before each, zero before the first."""
    return ops.concatenate([ops.zeros_like(contexts[:, :1]), contexts[:, :-1]], axis=1)


def masked_mean(memory: EncoderOutput) -> Tensor:
    """(B, D) float32 mean over real frames, zero for rows without any."""
    frames = apply_mask(ops.cast(memory.sequence, "float32"), memory.mask)
    count = ops.sum(ops.cast(memory.mask, "float32"), axis=1, keepdims=True)
    return ops.sum(frames, axis=1) / ops.maximum(count, 1.0)
