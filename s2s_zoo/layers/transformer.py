"""What the blocks of a Transformer are made of besides attention."""

import math
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_choice
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.normalization import LayerNormalization, MaskedBatchNormalization
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

NORMS = ("layer", "layer_l1", "batch")


@keras.saving.register_keras_serializable("s2s_zoo")
class FeedForward(ZooLayer):
    """relu(x·W₁ + b₁)·W₂ + b₂ (Vaswani et al., 2017, 3.3).

    Args:
        width: of the output.
        hidden: width between the two.
        dropout: share of hidden activations dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import FeedForward
        >>> ops.shape(FeedForward(width=4, hidden=8)(ops.ones((2, 5, 4))))
        (2, 5, 4)
    """

    def __init__(
        self,
        width: int,
        hidden: int,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.width = width
        self.hidden = hidden
        self.dropout = dropout
        policy = self.dtype_policy
        self.rise = keras.layers.Dense(
            hidden, activation="relu", dtype=policy, name="rise"
        )
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.fall = keras.layers.Dense(width, dtype=policy, name="fall")

    def build(self, input_shape: Shape) -> None:
        self.rise.build(input_shape)
        self.fall.build((*input_shape[:-1], self.hidden))

    def call(self, inputs: Tensor, training: bool | None = None) -> Tensor:
        """(..., width) from `inputs` (..., D)."""
        return self.fall(self.drop(self.rise(inputs), training=training))


@keras.saving.register_keras_serializable("s2s_zoo")
class Sublayer(ZooLayer):
    """The pre-norm frame of a sublayer f: x + dropout(f(norm(x))).

    Args:
        norm: "layer", "layer_l1" (mean absolute deviation) or "batch".
        epsilon: of the normalization.
        dropout: share of the sublayer's output dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import FeedForward, Sublayer
        >>> frame, inner = Sublayer(dropout=0.1), FeedForward(width=4, hidden=8)
        >>> x, mask = ops.ones((2, 5, 4)), ops.ones((2, 5), "bool")
        >>> ops.shape(frame.after(x, inner(frame.before(x, mask))))
        (2, 5, 4)
    """

    def __init__(
        self,
        norm: str = "layer",
        epsilon: float = 1e-6,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.norm = norm
        self.epsilon = epsilon
        self.dropout = dropout
        self.normalization = normalization(norm, epsilon, self.dtype_policy)
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="drop")

    def build(self, input_shape: Shape) -> None:
        self.normalization.build(input_shape)

    def before(
        self, x: Tensor, mask: Tensor | None, training: bool | None = None
    ) -> Tensor:
        """norm(x) of (B, T, D) where `mask` (B, T) is True."""
        return self.normalization(x, mask, training=training)

    def after(self, x: Tensor, output: Tensor, training: bool | None = None) -> Tensor:
        """`x` plus the sublayer's `output`, partly dropped."""
        return x + self.drop(output, training=training)


class TransformerBlock(ZooLayer):
    """What the blocks of encoder and decoder share: their feed-forward sublayer.

    Args:
        width: W, of the model.
        heads: of each attention.
        hidden: width inside the feed-forward layer.
        dropout: share of each sublayer's output dropped.
        attention_dropout: share of attention weights dropped.
        relu_dropout: share dropped inside the feed-forward layer.
        norm: "layer", "layer_l1" or "batch".
        epsilon: of the normalization.
    """

    def __init__(
        self,
        width: int,
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
        self.width = width
        self.heads = heads
        self.hidden = hidden
        self.dropout = dropout
        self.attention_dropout = attention_dropout
        self.relu_dropout = relu_dropout
        self.norm = norm
        self.epsilon = epsilon
        self.around_feed_forward = self.frame("around_feed_forward")
        self.feed_forward = FeedForward(
            width, hidden, relu_dropout, dtype=self.dtype_policy, name="feed_forward"
        )

    def frame(self, name: str) -> Sublayer:
        """The frame of a sublayer."""
        options = (self.norm, self.epsilon, self.dropout)
        return Sublayer(*options, dtype=self.dtype_policy, name=name)

    def fed_forward(
        self, x: Tensor, mask: Tensor | None, training: bool | None = None
    ) -> Tensor:
        """(..., W) from `x` (..., W), through the last sublayer."""
        y = self.around_feed_forward.before(x, mask, training)
        y = self.feed_forward(y, training=training)
        return self.around_feed_forward.after(x, y, training)


def normalization(norm: str, epsilon: float, policy: keras.DTypePolicy) -> ZooLayer:
    """A normalization by its name.

    Batch normalization is that of OpenSeq2Seq's Transformer: momentum 0.95, no scale
    and no shift.

    Raises:
        ValueError: no such name.
    """
    check_choice("norm", norm, NORMS)
    options = {"epsilon": epsilon, "dtype": policy, "name": "normalization"}
    if norm == "batch":
        return MaskedBatchNormalization(momentum=0.95, affine=False, **options)
    return LayerNormalization(norm="l1" if norm == "layer_l1" else "l2", **options)


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """(..., width) float32 codes of `positions` (...).

    Sines of width/2 wavelengths from 2π to 10000·2π, then their cosines (Vaswani et
    al., 2017, 3.5, in tensor2tensor's order).

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import sinusoids
        >>> print(ops.convert_to_numpy(sinusoids(ops.array([0]), width=4)))
        [[0. 0. 1. 1.]]
    """
    half = width // 2
    exponents = ops.arange(half, dtype="float32") / max(half - 1, 1)
    rates = ops.exp(-exponents * math.log(10000.0))
    angles = ops.cast(positions, "float32")[..., None] * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
