"""Deep Speech 2 (Amodei et al., 2016, https://arxiv.org/abs/1512.02595)."""

import math
from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.activation import clipped_relu
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE
from s2s_zoo.layers.convolution import (
    RowConvolution,
    SpectrogramConvolution,
    strided_lengths,
)
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.recurrent import Recurrence
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class DeepSpeech2Encoder(Encoder):
    """Convolutions over the spectrogram, recurrent layers, one dense layer.

    Each bidirectional layer reads both directions of the one below it. (B, T, D)
    becomes a sequence (B, ⌈T / stride⌉, projection).

    Args:
        kernels: (time, frequency) kernel of each convolution; empty for none.
        strides: (time, frequency) step of each convolution.
        filters: output channels of each convolution.
        cell: "gru" or "lstm".
        rnn_layers: recurrent layers.
        rnn_units: width of one direction.
        bidirectional: read each layer in both directions.
        row_convolution: frames under the row convolution, 0 for none.
        projection: width of the dense layer.
        ceiling: largest activation of the clipped ReLUs, None for no limit.
        dropout: share dropped between recurrent layers and after the dense layer.
        l2: λ of the penalty λ/2·‖w‖² on kernels and scales outside the recurrence.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import DeepSpeech2Encoder
        >>> sizes = {"rnn_layers": 1, "rnn_units": 4, "projection": 4}
        >>> encoder = DeepSpeech2Encoder(((3, 5),), ((2, 2),), (2,), **sizes)
        >>> memory = encoder(ops.ones((2, 9, 8)), ops.ones((2, 9), "bool"))
        >>> ops.shape(memory.sequence), encoder.time_stride
        ((2, 5, 4), 2)
    """

    def __init__(
        self,
        kernels: Sequence[tuple[int, int]],
        strides: Sequence[tuple[int, int]],
        filters: Sequence[int],
        rnn_layers: int,
        rnn_units: int,
        projection: int,
        cell: str = "gru",
        bidirectional: bool = True,
        row_convolution: int = 0,
        ceiling: float | None = None,
        dropout: float = 0.0,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        if not len(kernels) == len(strides) == len(filters):
            raise ValueError(
                "kernels, strides and filters name the same convolutions. Received: "
                f"{len(kernels)}, {len(strides)} and {len(filters)} of them"
            )
        check_range("convolutions", len(kernels), 0, MAX_LAYERS)
        check_range("rnn_layers", rnn_layers, 0, MAX_LAYERS)
        check_range("row_convolution", row_convolution, 0, MAX_SIZE)
        self.kernels = kernels
        self.strides = strides
        self.filters = filters
        self.rnn_layers = rnn_layers
        self.rnn_units = rnn_units
        self.projection = projection
        self.cell = cell
        self.bidirectional = bidirectional
        self.row_convolution = row_convolution
        self.ceiling = ceiling
        self.dropout = dropout
        self.l2 = l2
        self._make_layers()

    def _make_layers(self) -> None:
        policy = self.dtype_policy
        sizes = zip(self.filters, self.kernels, self.strides, strict=True)
        self.convolutions = [
            SpectrogramConvolution(
                *size, self.ceiling, self.l2, dtype=policy, name=f"conv_{i}"
            )
            for i, size in enumerate(sizes)
        ]
        self.recurrences = [
            Recurrence(
                self.rnn_units,
                self.cell,
                self.bidirectional,
                dtype=policy,
                name=f"rnn_{i}",
            )
            for i in range(self.rnn_layers)
        ]
        self.between = [
            keras.layers.Dropout(self.dropout, dtype=policy, name=f"rnn_dropout_{i}")
            for i in range(self.rnn_layers - 1)
        ]
        self.row = (
            RowConvolution(
                self.row_convolution, self.ceiling, self.l2, name="row_convolution"
            )
            if self.row_convolution
            else None
        )
        self.dense = keras.layers.Dense(
            self.projection,
            kernel_regularizer=l2_penalty(self.l2),
            dtype=policy,
            name="dense",
        )
        self.dense_dropout = keras.layers.Dropout(
            self.dropout, dtype=policy, name="dense_dropout"
        )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape = (*input_shape, 1)
        for convolution in self.convolutions:
            convolution.build(shape)
            shape = convolution.compute_output_shape(shape)
        batch, time, frequencies, channels = shape
        shape = (batch, time, frequencies * channels)
        for recurrence in self.recurrences:
            recurrence.build(shape)
            shape = recurrence.compute_output_shape(shape)
        if self.row:
            self.row.build(shape)
        self.dense.build(shape)

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        x, mask = self._convolve(inputs, mask, training)
        x = self._recur(x, mask, training)
        if self.row:
            x = self.row(x, mask, training=training)
        x = clipped_relu(self.dense(x), self.ceiling)
        return EncoderOutput(
            apply_mask(self.dense_dropout(x, training=training), mask), mask
        )

    def _convolve(
        self, inputs: Tensor, mask: Tensor, training: bool | None
    ) -> tuple[Tensor, Tensor]:
        x = apply_mask(ops.cast(inputs, self.compute_dtype), mask)[..., None]
        for convolution in self.convolutions:
            x, mask = convolution(x, mask, training=training)
        batch, time = ops.shape(x)[:2]
        return ops.reshape(x, (batch, time, x.shape[2] * x.shape[3])), mask

    def _recur(self, x: Tensor, mask: Tensor, training: bool | None) -> Tensor:
        for i, recurrence in enumerate(self.recurrences):
            x = recurrence(x, mask)
            if i < len(self.between):
                x = self.between[i](x, training=training)
        return x

    @property
    def time_stride(self) -> int:
        return math.prod(time for time, _ in self.strides)

    @property
    def context_frames(self) -> int | None:
        if self.rnn_layers:
            return None
        frames, stride = 0, 1
        for (kernel, _), (step, _) in zip(self.kernels, self.strides, strict=True):
            frames += kernel // 2 * stride
            stride *= step
        return frames + self.row_convolution // 2 * stride

    def output_lengths(self, lengths: Tensor) -> Tensor:
        for time, _ in self.strides:
            lengths = strided_lengths(lengths, time)
        return lengths

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        kernels = part.keywords["kernels"]
        return {
            "kernels": tuple((min(t, 5), min(f, 5)) for t, f in kernels),
            "filters": tuple(2 for _ in kernels),
            "rnn_layers": min(part.keywords["rnn_layers"], 2),
            "rnn_units": 8,
            "projection": 8,
        }

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        batch, time, _ = input_shape
        return (batch, time and self.output_lengths(time), self.projection)
