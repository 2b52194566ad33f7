"""Convolutions added to what they read, over all frames at once or one by one."""

from collections.abc import Sequence
from typing import Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE, ZooLayer
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MOMENTUM, EPSILON = 0.95, 1e-5
"""Of batch normalization, as OpenSeq2Seq's Centaur had it in effect."""


@keras.saving.register_keras_serializable("s2s_zoo")
class ResidualConvolution(ZooLayer):
    """x + dropout(relu(batch normalization(convolution(x)))), as wide as x.

    Args:
        kernel: frames under the kernel, the same number on both sides.
        causal: the frame and those before it are under the kernel instead.
        dropout: share dropped in training.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.residual_convolution import ResidualConvolution
        >>> layer = ResidualConvolution(kernel=3, causal=True)
        >>> ops.shape(layer(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool")))
        (2, 5, 4)
    """

    def __init__(
        self,
        kernel: int = 3,
        causal: bool = False,
        dropout: float = 0.1,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("kernel", kernel, 1, MAX_SIZE)
        self.kernel = kernel
        self.causal = causal
        self.dropout = dropout
        self.drop = keras.layers.Dropout(dropout, dtype=self.dtype_policy, name="drop")

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.channels = input_shape[-1]
        self.convolution = NormalizedConvolution(
            self.channels,
            self.kernel,
            kind="causal" if self.causal else "conv1d",
            momentum=MOMENTUM,
            epsilon=EPSILON,
            dtype=self.dtype_policy,
            name="convolution",
        )
        self.convolution.build(input_shape)
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, T, C) of `inputs` (B, T, C), read as zero where `mask` is False."""
        x, _ = self.convolution(inputs, mask, training=training)
        return inputs + self.drop(ops.relu(x), training=training)

    def empty(self, rows: Tensor | int) -> Tensor:
        """(B, kernel - 1, C) frames before the first one."""
        return ops.zeros((rows, self.kernel - 1, self.channels), self.compute_dtype)

    def step(self, inputs: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
        """Read one frame more, where it is causal.

        Args:
            inputs: (B, C).
            before: (B, kernel - 1, C) the frames before.

        Returns:
            (B, C), and the frames before the next.
        """
        window = ops.concatenate([before, inputs[:, None]], axis=1)
        size = self.kernel * self.channels
        kernel = ops.reshape(self.convolution.convolution.weight, (size, -1))
        x = ops.matmul(ops.reshape(window, (-1, size)), ops.cast(kernel, window.dtype))
        assert self.convolution.normalizer is not None
        real = ops.ones_like(x[:, :1], dtype="bool")
        x = self.convolution.normalizer(x[:, None], real, training=False)[:, 0]
        return inputs + ops.relu(x), window[:, 1:]

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape


@keras.saving.register_keras_serializable("s2s_zoo")
class ResidualStack(ZooLayer):
    """Residual convolutions on top of each other.

    Args:
        layers: how many.
        kernel: frames under a kernel.
        causal: whether no later frame is under it.
        dropout: share dropped behind each in training.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.residual_convolution import ResidualStack
        >>> stack = ResidualStack(layers=2, kernel=3)
        >>> ops.shape(stack(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool")))
        (2, 5, 4)
    """

    def __init__(
        self,
        layers: int,
        kernel: int = 3,
        causal: bool = False,
        dropout: float = 0.1,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("layers", layers, 1, MAX_LAYERS)
        self.layers = layers
        self.kernel = kernel
        self.causal = causal
        self.dropout = dropout
        self.convolutions = [
            ResidualConvolution(
                kernel, causal, dropout, dtype=self.dtype_policy, name=f"layer_{i}"
            )
            for i in range(layers)
        ]

    def build(self, input_shape: Shape, *_: Shape) -> None:
        for convolution in self.convolutions:
            convolution.build(input_shape)
        self.built = True

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, T, C) of `inputs` (B, T, C), read as zero where `mask` is False."""
        x = inputs
        for convolution in self.convolutions:
            x = convolution(x, mask, training=training)
        return x

    def empty(self, rows: Tensor | int) -> tuple[Tensor, ...]:
        """What each has read before the first frame, (B, kernel - 1, C)."""
        return tuple(convolution.empty(rows) for convolution in self.convolutions)

    def step(
        self, inputs: Tensor, before: Sequence[Tensor]
    ) -> tuple[Tensor, tuple[Tensor, ...]]:
        """Read one frame more (B, C): (B, C), and what each has read."""
        x, after = inputs, []
        for convolution, seen in zip(self.convolutions, before, strict=True):
            x, seen = convolution.step(x, seen)
            after.append(seen)
        return x, tuple(after)

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        return input_shape
