"""The layer of WaveNet (van den Oord et al., 2016, https://arxiv.org/abs/1609.03499)."""

from typing import NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE, ZooLayer
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
from s2s_zoo.typing import LayerKwargs, Shape, Tensor

MOMENTUM, EPSILON = 0.9, 1e-5
"""Of batch normalization; OpenSeq2Seq kept a tenth of the running statistics."""
GATES = ("filter", "gate")


class Conditions(NamedTuple):
    """What every layer adds under the tanh and under the sigmoid: (..., C) each."""

    filter: Tensor
    gate: Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class DilatedLayer(ZooLayer):
    """A dilated causal convolution with a gate, a residual and a skip.

    The lower half of the channels is read by the filter, the upper one by the gate,
    each with batch normalization: tanh(filter + condition) · σ(gate + condition). One
    dense layer of it is added to the input, another is for the output of the stack
    (section 2.3).

    Args:
        channels: C, even.
        kernel: samples under a kernel.
        dilation: samples from one of them to the next.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.dilated_layer import Conditions, DilatedLayer
        >>> layer, x = DilatedLayer(channels=4, dilation=2), ops.ones((1, 9, 4))
        >>> layer.build((None, None, 4))
        >>> x, skip = layer(x, Conditions(x, x), ops.ones((1, 9), "bool"))
        >>> ops.shape(x), ops.shape(skip)
        ((1, 9, 4), (1, 9, 4))
    """

    def __init__(
        self,
        channels: int,
        kernel: int = 3,
        dilation: int = 1,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("channels", channels, 2, MAX_SIZE)
        check_range("kernel", kernel, 2, MAX_SIZE)
        if channels % 2:
            raise ValueError(f"channels is even. Received: {channels}")
        self.channels = channels
        self.kernel = kernel
        self.dilation = dilation
        policy = self.dtype_policy
        self.convolutions = [
            NormalizedConvolution(
                channels,
                kernel,
                kind="causal",
                dilation=dilation,
                momentum=MOMENTUM,
                epsilon=EPSILON,
                dtype=policy,
                name=name,
            )
            for name in GATES
        ]
        self.residual, self.skip = (
            keras.layers.Dense(channels, use_bias=False, dtype=policy, name=name)
            for name in ("residual", "skip")
        )

    @property
    def reach(self) -> int:
        """Samples before the present one that it sees."""
        return (self.kernel - 1) * self.dilation

    def build(self, input_shape: Shape, *_: Shape) -> None:
        for convolution in self.convolutions:
            convolution.build((None, None, self.channels // 2))
        for dense in (self.residual, self.skip):
            dense.build((None, None, self.channels))
        self.built = True

    def call(
        self,
        inputs: Tensor,
        conditions: Conditions,
        mask: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Read all samples.

        Args:
            inputs: (B, S, C).
            conditions: (B, S, C) each.
            mask: (B, S) real samples.
            training: whether to normalize by the batch.

        Returns:
            What the next layer reads, and what is summed over layers: (B, S, C) each.
        """
        inputs = apply_mask(ops.cast(inputs, self.compute_dtype), mask)
        halves = ops.split(inputs, 2, axis=-1)
        found = [
            convolution(half, mask, training=training)[0]
            for convolution, half in zip(self.convolutions, halves, strict=True)
        ]
        return self._gated(inputs, found, conditions)

    def _gated(
        self, inputs: Tensor, found: list[Tensor], conditions: Conditions
    ) -> tuple[Tensor, Tensor]:
        x = ops.tanh(found[0] + ops.cast(conditions.filter, found[0].dtype))
        x = x * ops.sigmoid(found[1] + ops.cast(conditions.gate, found[1].dtype))
        return inputs + self.residual(x), self.skip(x)

    def queue(self, rows: Tensor | int) -> Tensor:
        """(B, reach, C) the silence before the first sample."""
        return ops.zeros((rows, self.reach, self.channels), self.compute_dtype)

    def step(
        self,
        inputs: Tensor,
        conditions: Conditions,
        queue: Tensor,
        position: Tensor,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read one sample at a cost that does not depend on how many came before.

        Args:
            inputs: (B, C).
            conditions: (B, C) each.
            queue: (B, reach, C) inputs before, where their numbers say, modulo reach.
            position: int32 number of the sample.

        Returns:
            As of `call`, (B, C) each, and the queue after.
        """
        inputs = ops.cast(inputs, self.compute_dtype)
        back = self.dilation * (self.kernel - 1 - ops.arange(self.kernel - 1))
        slots = ops.mod(position - ops.cast(back, "int32"), self.reach)
        taps = ops.concatenate(
            [ops.take(queue, slots, axis=1), inputs[:, None]], axis=1
        )
        found = [
            self._tapped(convolution, half)
            for convolution, half in zip(
                self.convolutions, ops.split(taps, 2, axis=-1), strict=True
            )
        ]
        slot = ops.mod(position, self.reach)
        queue = ops.slice_update(queue, (0, slot, 0), inputs[:, None])
        return *self._gated(inputs, found, conditions), queue

    def _tapped(self, convolution: NormalizedConvolution, taps: Tensor) -> Tensor:
        """(B, C) output of a convolution for `taps` (B, kernel, C/2) under it."""
        size = self.kernel * self.channels // 2
        kernel = ops.reshape(convolution.convolution.weight, (size, self.channels))
        x = ops.matmul(ops.reshape(taps, (-1, size)), ops.cast(kernel, taps.dtype))
        assert convolution.normalizer is not None
        real = ops.ones_like(x[:, :1], dtype="bool")
        return convolution.normalizer(x[:, None], real, training=False)[:, 0]

    def compute_output_shape(
        self, input_shape: Shape, *_: Shape
    ) -> tuple[Shape, Shape]:
        return input_shape, input_shape
