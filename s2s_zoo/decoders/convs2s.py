"""The decoder of ConvS2S (Gehring et al., 2017, https://arxiv.org/abs/1705.03122)."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.base import TokenDecoder, shifted_right
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.gated_convolution import (
    GatedConvolution,
    balanced_sum,
    check_stack,
    scaled_stack,
)
from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.layers.positions import LearnedPositions
from s2s_zoo.layers.weight_normalization import WeightNormalizedDense
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)

MASKED = -1e9


class Memory(NamedTuple):
    """What the attentions read: keys and values (B, T, W), and the mask (B, T)."""

    keys: Tensor
    values: Tensor
    mask: Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvS2SDecoder(TokenDecoder):
    """Causal gated convolutions, each followed by an attention of its own.

    Targets (B, U) become `logits` (B, U, V) float32. A memory of another width passes
    a linear layer first.

    Args:
        vocabulary_size: V.
        width: W, of the embeddings and of attention.
        channels: of each convolution.
        kernels: tokens under each convolution.
        out_width: width of the last layer but the output.
        max_length: tokens with a learned position of their own, those beyond share
            the last; 0 for no positions.
        dropout: share dropped of the embedded target, of the convolutions' inputs and
            of what the output layer reads.
        tie_source: the table of the source's tokens is the target's too.
        tie_output: the table of the target's tokens scores them too.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import ConvS2SDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = ConvS2SDecoder(9, 4, channels=(4, 4), kernels=(3, 3), out_width=4)
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> ops.shape(decoder(ops.array([[4, 5, 1]]), memory)["logits"])
        (1, 3, 9)
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        channels: Sequence[int],
        kernels: Sequence[int],
        out_width: int,
        max_length: int = 0,
        dropout: float = 0.0,
        tie_source: bool = False,
        tie_output: bool = False,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_stack(channels, kernels)
        check_range("max_length", max_length, 0, MAX_SIZE)
        if tie_output and out_width != width:
            raise ValueError(
                "a table that scores tokens needs out_width = width. Received: "
                f"{out_width} and {width}"
            )
        self.vocabulary_size = vocabulary_size
        self.width = width
        self.channels = channels
        self.kernels = kernels
        self.out_width = out_width
        self.max_length = max_length
        self.dropout = dropout
        self.tie_source = tie_source
        self.tie_output = tie_output
        if not tie_source:
            self.embedding = TokenEmbedding(
                vocabulary_size, width, deviation=0.1, name="embedding"
            )
        self._make_layers()

    def _make_layers(self) -> None:
        policy, dropout = self.dtype_policy, self.dropout
        dense = partial(WeightNormalizedDense, dtype=policy)
        self.positions = (
            LearnedPositions(self.max_length, self.width, name="positions")
            if self.max_length
            else None
        )
        self.embedded_drop = keras.layers.Dropout(
            dropout, dtype=policy, name="embedded_drop"
        )
        self.bridge: WeightNormalizedDense | None = None
        self.entry = dense(self.channels[0], 1 - dropout, name="entry")
        sizes = enumerate(zip(self.channels, self.kernels, strict=True))
        self.convolutions = [
            GatedConvolution(*size, True, dropout, dtype=policy, name=f"conv_{i}")
            for i, size in sizes
        ]
        self.attentions = [
            ConvS2SAttention(self.width, dtype=policy, name=f"attention_{i}")
            for i in range(len(self.channels))
        ]
        self.exit = dense(self.out_width, name="exit")
        self.exit_drop = keras.layers.Dropout(dropout, dtype=policy, name="exit_drop")
        self.output_layer = (
            None
            if self.tie_output
            else dense(self.vocabulary_size, 1 - dropout, name="output")
        )

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        if not self.tie_source:
            self.embedding.build()
        if self.positions:
            self.positions.build()
        if memory_shape[0][-1] != self.width:
            self.bridge = WeightNormalizedDense(
                self.width, dtype=self.dtype_policy, name="bridge"
            )
            self.bridge.build(memory_shape[0])
        self.entry.build((None, None, self.width))
        self._build_blocks()
        self.exit.build((None, None, self.channels[-1]))
        if self.output_layer:
            self.output_layer.build((None, None, self.out_width))

    def _build_blocks(self) -> None:
        before = (self.channels[0], *self.channels)
        for i, channels in enumerate(self.channels):
            self.convolutions[i].build((None, None, before[i]))
            self.attentions[i].build((None, None, channels))

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        x, _ = self._read(targets, memory, training)
        return {"logits": self._score(x, training)}

    def alignment(self, targets: Tensor, memory: EncoderOutput) -> Tensor:
        """Mean over the layers; all zero for a source without frames."""
        _, weights = self._read(targets, memory)
        mean = sum(weights) / len(weights)
        return mean * ops.cast(memory.mask, "float32")[:, None]

    def _read(
        self, targets: Tensor, memory: EncoderOutput, training: bool | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """States (B, U, C) after the blocks, and the attention weights of each."""
        steps = ops.arange(ops.shape(targets)[1], dtype="int32")
        embedded = self._embed(shifted_right(targets), steps, training)
        prepared = self._prepare(memory)
        x, weights = self.entry(embedded), []
        for i, convolution in enumerate(self.convolutions):
            gated, shortcut = convolution(x, training=training)
            attended, shares = self.attentions[i](gated, embedded, prepared)
            x = balanced_sum(attended, shortcut)
            weights.append(shares)
        return x, weights

    def _embed(
        self, tokens: Tensor, positions: Tensor, training: bool | None = None
    ) -> Tensor:
        """(..., W) of `tokens` (...) at `positions`, in the compute dtype."""
        rows = self.embedding(tokens)
        if self.positions:
            rows = rows + self.positions(positions)
        return self.embedded_drop(rows, training=training)

    def _prepare(self, memory: EncoderOutput) -> Memory:
        """Keys, and values times √length for sources of `length` real frames.

        A weighted mean over more frames varies less: the factor makes up for it (3.5).
        """
        values = ops.cast(memory.sequence, self.compute_dtype)
        keys = None if memory.keys is None else ops.cast(memory.keys, values.dtype)
        if self.bridge:
            values = self.bridge(values)
            keys = None if keys is None else self.bridge(keys)
        roots = ops.sqrt(ops.cast(mask_lengths(memory.mask), "float32"))
        scaled = values * ops.cast(roots, values.dtype)[:, None, None]
        return Memory(values if keys is None else keys, scaled, memory.mask)

    def _score(self, x: Tensor, training: bool | None = None) -> Tensor:
        """(..., V) float32 logits of states `x` (..., C)."""
        x = self.exit_drop(self.exit(x), training=training)
        if self.output_layer:
            return ops.cast(self.output_layer(x), "float32")
        return self.embedding.logits(x)

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        rows = ops.shape(memory.mask)[0] * beams
        cache = {c.name: c.empty(rows) for c in self.convolutions if c.kernel > 1}
        position = ops.convert_to_tensor(0, "int32")
        return DecoderState(cache, self._prepare(memory), position)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        sources = ops.shape(state.memory.mask)[0]
        grouped = ops.reshape(tokens, (sources, -1))
        embedded = self._embed(grouped, state.position)
        x, cache = self.entry(embedded), {}
        for i, convolution in enumerate(self.convolutions):
            before = state.cache.get(convolution.name)
            gated, shortcut, after = convolution.step(x, before)
            attended, _ = self.attentions[i](gated, embedded, state.memory)
            x = balanced_sum(attended, shortcut)
            if after is not None:
                cache[convolution.name] = after
        logits = ops.reshape(self._score(x), (-1, self.vocabulary_size))
        return logits, DecoderState(cache, state.memory, state.position + 1)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"width": 8, "out_width": 8, **scaled_stack(part)}


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvS2SAttention(ZooLayer):
    """Attention to the memory from a block of the decoder (3.3), added to the block.

    Queries are the block's states and the embedded target, (x·W + b + g)·√½; scores
    are products with the keys, not scaled, and their softmax is float32.

    Args:
        width: of queries, keys and values.
    """

    def __init__(self, width: int, **kwargs: Unpack[LayerKwargs]) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.query = WeightNormalizedDense(width, dtype=self.dtype_policy, name="query")

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.query.build(input_shape)
        self.exit = WeightNormalizedDense(
            input_shape[-1], dtype=self.dtype_policy, name="exit"
        )
        self.exit.build((*input_shape[:-1], self.width))

    def call(
        self, inputs: Tensor, embedded: Tensor, memory: Memory
    ) -> tuple[Tensor, Tensor]:
        """Attend from `inputs` (B, U, C), where the target is `embedded` (B, U, W).

        Returns:
            (B, U, C), and the shares (B, U, T) float32 of each frame.
        """
        queries = balanced_sum(self.query(inputs), embedded)
        scores = ops.matmul(queries, ops.transpose(memory.keys, (0, 2, 1)))
        scores = ops.cast(scores, "float32")
        scores = ops.where(memory.mask[:, None], scores, MASKED)
        shares = ops.softmax(scores, axis=-1)
        context = ops.matmul(ops.cast(shares, memory.values.dtype), memory.values)
        return balanced_sum(inputs, self.exit(context)), shares
