"""The Transformer's encoder (Vaswani et al., 2017, https://arxiv.org/abs/1706.03762)."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.attention import SelfAttention
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.transformer import (
    TransformerBlock,
    normalization,
    sinusoids,
)
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class TransformerEncoder(Encoder):
    """Self-attention and feed-forward blocks with the normalization before each.

    (B, T, D) becomes a sequence (B, T, width).

    Args:
        width: of the model; sources of another width pass a dense layer first.
        layers: blocks.
        heads: of each attention.
        hidden: width inside the feed-forward layers.
        dropout: of the sublayers' outputs and of the embedded source.
        attention_dropout: of attention weights.
        relu_dropout: inside the feed-forward layers.
        norm: "layer", "layer_l1" or "batch".
        epsilon: of the normalization.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import TransformerEncoder
        >>> encoder = TransformerEncoder(width=4, layers=2, heads=2, hidden=8)
        >>> memory = encoder(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(memory.sequence)
        (2, 5, 4)
    """

    def __init__(
        self,
        width: int,
        layers: int,
        heads: int,
        hidden: int,
        dropout: float = 0.1,
        attention_dropout: float = 0.1,
        relu_dropout: float = 0.1,
        norm: str = "layer",
        epsilon: float = 1e-6,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        self.width = width
        self.layers = layers
        self.heads = heads
        self.hidden = hidden
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.relu_dropout = relu_dropout
        self.norm = norm
        self.epsilon = epsilon
        policy = self.dtype_policy
        self.entry: keras.layers.Dense | None = None
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.blocks = [
            EncoderBlock(
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

    def build(self, input_shape: Shape, *_: Shape) -> None:
        if input_shape[-1] != self.width:
            options = {"dtype": self.dtype_policy, "name": "entry"}
            self.entry = keras.layers.Dense(self.width, **options)
            self.entry.build(input_shape)
        shape = (*input_shape[:-1], self.width)
        for block in self.blocks:
            block.build(shape)
        self.normalization.build(shape)

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        x = inputs if self.entry is None else self.entry(inputs)
        positions = sinusoids(ops.arange(ops.shape(inputs)[1]), self.width)
        x = ops.cast(x, "float32") + positions
        x = self.drop(ops.cast(x, self.compute_dtype), training=training)
        for block in self.blocks:
            x = block(x, mask, training=training)
        x = self.normalization(x, mask, training=training)
        return EncoderOutput(apply_mask(x, mask), mask)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"width": 8, "layers": 2, "heads": 2, "hidden": 12}

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return (*input_shape[:-1], self.width)


@keras.saving.register_keras_serializable("s2s_zoo")
class EncoderBlock(TransformerBlock):
    """Self-attention, then feed-forward."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.around_attention = self.frame("around_attention")
        self.attention = SelfAttention(
            self.width,
            self.heads,
            self.attention_dropout,
            dtype=self.dtype_policy,
            name="attention",
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        for layer in (
            *(self.around_attention, self.attention),
            *(self.around_feed_forward, self.feed_forward),
        ):
            layer.build(input_shape)

    def call(self, x: Tensor, mask: Tensor, training: bool | None = None) -> Tensor:
        """(B, T, W) from `x` (B, T, W), real where `mask` (B, T) is True."""
        y = self.around_attention.before(x, mask, training)
        y = self.attention(y, mask, training=training)
        x = self.around_attention.after(x, y, training)
        return self.fed_forward(x, mask, training)
