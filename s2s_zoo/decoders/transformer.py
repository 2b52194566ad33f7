"""The Transformer's decoder (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762)."""

from functools import partial
from typing import Any, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.base import TokenDecoder, shifted_right
from s2s_zoo.errors import check_range
from s2s_zoo.layers.attention import CrossAttention, KeysValues, SelfAttention, times
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.transformer import (
    TransformerBlock,
    normalization,
    sinusoids,
)
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)
from s2s_zoo.vocabulary import PAD

NOBODY = -1
"""The writer of a position that is not written yet."""


class Memory(NamedTuple):
    """What the blocks attend to: projected once per source, and its mask (B, T)."""

    projected: tuple[KeysValues, ...]
    mask: Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TransformerDecoder(TokenDecoder):
    """Causal self-attention, attention to the memory, and feed-forward blocks.

    Targets (B, U) become `logits` (B, U, V) float32.

    Args:
        vocabulary_size: V.
        width: of the model and of the embeddings.
        layers: blocks.
        heads: of each attention.
        hidden: width inside the feed-forward layers.
        dropout: of the sublayers' outputs and of the embedded target.
        attention_dropout: of attention weights.
        relu_dropout: inside the feed-forward layers.
        norm: "layer", "layer_l1" or "batch".
        epsilon: of the normalization.
        tie_source: the table of the source's tokens is the target's too.
        tie_output: the table of the target's tokens scores them too.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import TransformerDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> sizes = {"width": 4, "layers": 2, "heads": 2, "hidden": 8}
        >>> decoder = TransformerDecoder(vocabulary_size=9, tie_source=False, **sizes)
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> ops.shape(decoder(ops.array([[4, 5, 1]]), memory)["logits"])
        (1, 3, 9)
    """

    def __init__(
        self,
        vocabulary_size: int,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        norm: str = "layer",
        epsilon: float = 1e-6,
        tie_source: bool = True,
        tie_output: bool = True,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        self.vocabulary_size = vocabulary_size
        self.width = width
        self.layers = layers
        self.heads = heads
        self.hidden = hidden
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.relu_dropout = relu_dropout
        self.norm = norm
        self.epsilon = epsilon
        self.tie_source = tie_source
        self.tie_output = tie_output
        policy = self.dtype_policy
        if not tie_source:
            self.embedding = TokenEmbedding(
                vocabulary_size, width, scaled=True, name="embedding"
            )
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.blocks = [
            DecoderBlock(
                width=width,
                heads=heads,
                hidden=hidden,
                dropout=dropout,
                attention_dropout=attention_dropout,
                relu_dropout=relu_dropout,
                norm=norm,
                epsilon=epsilon,
                dtype=policy,
                name=f"block_{i}",
            )
            for i in range(layers)
        ]
        self.normalization = normalization(norm, epsilon, policy)

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        if not self.tie_source:
            self.embedding.build()
        shape = (None, None, self.width)
        for block in self.blocks:
            block.build(shape, memory_shape[0])
        self.normalization.build(shape)
        if not self.tie_output:
            self.output_kernel = self.add_weight(
                shape=(self.width, self.vocabulary_size), name="output_kernel"
            )

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        return {"logits": self._score(self._read(targets, memory, training)[0])}

    def alignment(self, targets: Tensor, memory: EncoderOutput) -> Tensor:
        """Mean over the heads of the last block but one.

        It aligns best (Garg et al., 2019, https://arxiv.org/abs/1909.02074, 3.1).
        """
        weights = self._read(targets, memory)[1]
        return ops.mean(weights[max(0, self.layers - 2)], axis=1)

    def _read(
        self, targets: Tensor, memory: EncoderOutput, training: bool | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """States (B, U, D) after the blocks, and the attention weights of each."""
        mask = ops.not_equal(targets, PAD)
        x = self._embed(shifted_right(targets), ops.arange(ops.shape(targets)[1]))
        x = self.drop(x, training=training)
        prepared = self._prepare(memory)
        weights = []
        for block, projected in zip(self.blocks, prepared.projected, strict=True):
            x, attended = block(x, mask, projected, prepared.mask, training=training)
            weights.append(attended)
        return self.normalization(x, mask, training=training), weights

    def _embed(self, tokens: Tensor, positions: Tensor) -> Tensor:
        x = self.embedding(tokens) + sinusoids(positions, self.width)
        return ops.cast(x, self.compute_dtype)

    def _prepare(self, memory: EncoderOutput) -> Memory:
        values = ops.cast(memory.sequence, self.compute_dtype)
        keys = values if memory.keys is None else memory.keys
        keys = ops.cast(keys, self.compute_dtype)
        projected = (block.attention.project(keys, values) for block in self.blocks)
        return Memory(tuple(projected), memory.mask)

    def _score(self, x: Tensor) -> Tensor:
        if self.tie_output:
            return self.embedding.logits(x)
        return ops.cast(times(x, self.output_kernel), "float32")

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        prepared = self._prepare(memory)
        rows = ops.shape(memory.mask)[0] * beams
        relatives = beams if reordered else 1
        writers = ops.full((rows, length), NOBODY, dtype="int32")
        history = tuple(
            block.self_attention.empty(rows // relatives, length * relatives)
            for block in self.blocks
        )
        position = ops.convert_to_tensor(0, "int32")
        return DecoderState(writers, prepared, position, history)

    def step(self, tokens: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        x = self._embed(tokens, state.position)
        memory = state.memory
        families = ops.shape(state.history[0].keys)[0]
        writers, seen = _descent(state.cache, state.position, families)
        slot = state.position * ops.shape(seen)[1]
        history = []
        for block, past, projected in zip(
            self.blocks, state.history, memory.projected, strict=True
        ):
            x, past = block.step(x, past, slot, seen, projected, memory.mask)
            history.append(past)
        x = self.normalization(x, None)
        return self._score(x), DecoderState(
            writers, memory, state.position + 1, tuple(history)
        )

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"width": 8, "layers": 2, "heads": 2, "hidden": 12}


def _descent(
    writers: Tensor, position: Tensor, families: Tensor | int
) -> tuple[Tensor, Tensor]:
    """What each of R = F·K rows descends from, once all have written at `position`.

    A family is the K rows that reordering may put in each other's place: those of a
    source, or each row by itself. Position u of its row k lies in slot u·K + k of its
    history. Rows that have an ancestor in common share what it wrote, and none of it
    is moved when rows are reordered.

    Args:
        writers: (R, U) int32 row of the family that wrote each position.
        position: int32 scalar.
        families: F.

    Returns:
        The writers after, and the slots each row sees, (F, K, U·K) bool.
    """
    length = ops.shape(writers)[1]
    size = ops.shape(writers)[0] // families
    row = ops.arange(size, dtype="int32")
    here = ops.arange(length, dtype="int32")[None] == position
    writers = ops.where(here, ops.tile(row, (families,))[:, None], writers)
    seen = ops.reshape(writers[..., None] == row, (families, size, length * size))
    return writers, seen


@keras.saving.register_keras_serializable("s2s_zoo")
class DecoderBlock(TransformerBlock):
    """Causal self-attention, attention to the memory, then feed-forward."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        sizes = (self.width, self.heads, self.attention_dropout)
        policy = self.dtype_policy
        self.around_self_attention = self.frame("around_self_attention")
        self.self_attention = SelfAttention(
            *sizes, causal=True, dtype=policy, name="self_attention"
        )
        self.around_attention = self.frame("around_attention")
        self.attention = CrossAttention(*sizes, dtype=policy, name="attention")

    def build(self, input_shape: Shape, memory_shape: Shape, *_: Shape) -> None:
        for layer in (
            *(self.around_self_attention, self.self_attention, self.around_attention),
            *(self.around_feed_forward, self.feed_forward),
        ):
            layer.build(input_shape)
        self.attention.build(input_shape, memory_shape)

    def call(
        self,
        x: Tensor,
        mask: Tensor,
        memory: KeysValues,
        memory_mask: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """(B, U, W) from `x` (B, U, W), and the weights (B, N, U, T) given `memory`.

        Later positions are never read, so that `mask` (B, U) matters to batch
        normalization alone.
        """
        y = self.around_self_attention.before(x, mask, training)
        everywhere = ops.ones_like(mask)
        y = self.self_attention(y, everywhere, training=training)
        x = self.around_self_attention.after(x, y, training)
        y = self.around_attention.before(x, mask, training)
        y, weights = self.attention(y, memory, memory_mask, training=training)
        x = self.around_attention.after(x, y, training)
        return self.fed_forward(x, mask, training), weights

    def step(
        self,
        x: Tensor,
        history: KeysValues,
        slot: Tensor,
        seen: Tensor,
        memory: KeysValues,
        memory_mask: Tensor,
    ) -> tuple[Tensor, KeysValues]:
        """(R, W) after one position `x` (R, W), and the history after it.

        Args:
            x: of R rows.
            history: as `SelfAttention.step` takes it, `slot` and `seen` too.
            slot: int32 scalar.
            seen: (F, K, P) bool.
            memory: of B sources, as `CrossAttention.project` gives it.
            memory_mask: (B, T) bool.
        """
        y = self.around_self_attention.before(x, None)
        y, history = self.self_attention.step(y, history, slot, seen)
        x = self.around_self_attention.after(x, y)
        y = self.around_attention.before(x, None)
        x = self.around_attention.after(x, self.attention.step(y, memory, memory_mask))
        return self.fed_forward(x, None), history
