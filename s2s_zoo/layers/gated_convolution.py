"""Gated convolutions (Dauphin et al., 2017, https://arxiv.org/abs/1612.08083)."""

import math
from collections.abc import Sequence
from functools import partial
from itertools import groupby
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.layers.base import MAX_LAYERS, ZooLayer
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.weight_normalization import (
    WeightNormalizedConvolution,
    WeightNormalizedDense,
)
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


def balanced_sum(first: Tensor, second: Tensor) -> Tensor:
    """(first + second)·√½ of one shape; of their variance if they are independent.

    Example:
        >>> from s2s_zoo.layers import balanced_sum
        >>> round(balanced_sum(1.0, 1.0) ** 2, 6)
        2.0
    """
    return (first + second) * math.sqrt(0.5)


@keras.saving.register_keras_serializable("s2s_zoo")
class GatedConvolution(ZooLayer):
    """Dropout, weight-normalized convolution over time, gated linear unit a·σ(b).

    The convolution of a block of Gehring et al., 2017
    (https://arxiv.org/abs/1705.03122, 3.2), and the shortcut around the block: what
    the block reads, through a linear layer where the width changes.

    Args:
        filters: C, channels of the result.
        kernel: frames under the kernel, the same number on both sides.
        causal: the frame and those before it are under the kernel instead.
        dropout: share of the input dropped; the shortcut keeps all.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import GatedConvolution, balanced_sum
        >>> convolution = GatedConvolution(filters=4, kernel=3, causal=True)
        >>> gated, shortcut = convolution(ops.ones((2, 5, 4)))
        >>> ops.shape(balanced_sum(gated, shortcut))
        (2, 5, 4)
    """

    def __init__(
        self,
        filters: int,
        kernel: int,
        causal: bool = False,
        dropout: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.filters = filters
        self.kernel = kernel
        self.causal = causal
        self.dropout = dropout
        policy = self.dtype_policy
        self.drop = keras.layers.Dropout(dropout, dtype=policy, name="drop")
        self.convolution = WeightNormalizedConvolution(
            2 * filters, kernel, 4 * (1 - dropout), dtype=policy, name="convolution"
        )
        self.shortcut: WeightNormalizedDense | None = None

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.channels = input_shape[-1]
        self.convolution.build(input_shape)
        if self.channels != self.filters:
            self.shortcut = WeightNormalizedDense(
                self.filters, dtype=self.dtype_policy, name="shortcut"
            )
            self.shortcut.build(input_shape)

    def call(
        self,
        inputs: Tensor,
        mask: Tensor | None = None,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Convolve `inputs` (B, T, D), read as zero where `mask` (B, T) is False.

        Returns:
            (B, T, C) after the gates, and the shortcut (B, T, C).
        """
        x = self.drop(inputs, training=training)
        if mask is not None:
            x = apply_mask(x, mask)
        before = self.kernel - 1 if self.causal else (self.kernel - 1) // 2
        if self.kernel > 1:
            sides = (before, self.kernel - 1 - before)
            x = ops.pad(x, [(0, 0), sides, (0, 0)])
        return _gate(self.convolution(x)), self._around(inputs)

    def _around(self, inputs: Tensor) -> Tensor:
        return inputs if self.shortcut is None else self.shortcut(inputs)

    def empty(self, rows: Tensor | int) -> Tensor:
        """(rows, kernel - 1, D) frames before the first one."""
        return ops.zeros((rows, self.kernel - 1, self.channels), self.compute_dtype)

    def step(
        self, inputs: Tensor, cache: Tensor | None
    ) -> tuple[Tensor, Tensor, Tensor | None]:
        """Convolve one frame more of each of R = B·K rows.

        Args:
            inputs: (B, K, D) the frames.
            cache: (R, kernel - 1, D) the frames before, None for a kernel of 1.

        Returns:
            (B, K, C) after the gates, the shortcut (B, K, C) and the cache after.
        """
        window = ops.reshape(inputs, (-1, 1, self.channels))
        if cache is not None:
            window = ops.concatenate([cache, window], axis=1)
            cache = window[:, 1:]
        gated = _gate(self.convolution(window))
        shape = (-1, ops.shape(inputs)[1], self.filters)
        return ops.reshape(gated, shape), self._around(inputs), cache


def _gate(x: Tensor) -> Tensor:
    values, gates = ops.split(x, 2, axis=-1)
    return values * ops.sigmoid(gates)


def check_stack(channels: Sequence[int], kernels: Sequence[int]) -> None:
    """Raise a ValueError unless these are the sizes of 1 to `MAX_LAYERS` layers."""
    if len(channels) != len(kernels) or not 1 <= len(channels) <= MAX_LAYERS:
        raise ValueError(
            f"channels and kernels name the same 1 to {MAX_LAYERS:,} convolutions. "
            f"Received: {len(channels)} and {len(kernels)} of them"
        )


def scaled_stack(part: partial[Any]) -> dict[str, Any]:
    """Settings of `part` with one narrow convolution of each kind."""
    sizes = zip(part.keywords["channels"], part.keywords["kernels"], strict=True)
    kinds = [size for size, _ in groupby(sizes)]
    narrowest = min(channels for channels, _ in kinds)
    return {
        "channels": tuple(8 * channels // narrowest for channels, _ in kinds),
        "kernels": tuple(kernel for _, kernel in kinds),
    }
