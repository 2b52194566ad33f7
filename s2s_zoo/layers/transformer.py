"""What the blocks of a Transformer are made of besides attention."""

import math
from typing import Unpack

import keras
from keras import ops

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


def normalization(norm: str, epsilon: float, policy: keras.DTypePolicy) -> ZooLayer:
    """A normalization by its name.

    Batch normalization is that of OpenSeq2Seq's Transformer: momentum 0.95, no scale
    and no shift.

    Raises:
        ValueError: no such name.
    """
    if norm not in NORMS:
        raise ValueError(f"norm is one of {', '.join(NORMS)}. Received: {norm!r}")
    options = {"epsilon": epsilon, "dtype": policy, "name": "normalization"}
    if norm == "batch":
        return MaskedBatchNormalization(momentum=0.95, affine=False, **options)
    return LayerNormalization(norm="l1" if norm == "layer_l1" else "l2", **options)


def sinusoids(positions: Tensor, width: int) -> Tensor:
    """(..., width) float32 codes of `positions` (...).

    Sines of width/2 wavelengths from 2π to 10000·2π, then their cosines (Vaswani et
    al., 2017, 3.5, in tensor2tensor's order).
    """
    half = width // 2
    exponents = ops.arange(half, dtype="float32") / max(half - 1, 1)
    rates = ops.exp(-exponents * math.log(10000.0))
    angles = ops.cast(positions, "float32")[..., None] * rates
    return ops.concatenate([ops.sin(angles), ops.cos(angles)], axis=-1)
