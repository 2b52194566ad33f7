"""Two LSTMs that read a source by location-sensitive attention, fast on every backend.

Step t of the lower layer reads the input x_t next to the context of step t-1, the upper
layer reads the lower one, and its output is the query of the context of step t (Shen et
al., 2017, https://arxiv.org/abs/1712.05884, section 2.2). The loop holds only what
waits for the step before, and its backward pass is written out.
"""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.content_attention import HIDDEN, AttentionMemory
from s2s_zoo.layers.location_attention import LocationSensitiveAttention
from s2s_zoo.layers.location_loop import location_loop
from s2s_zoo.layers.recurrent import Recurrence, State
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class LocationRecurrence(ZooLayer):
    """Two LSTMs of one width over a memory they attend to.

    States, contexts and softmaxes are float32; products run in the compute dtype.

    Args:
        units: width H.
        attention_units: depth A of the attention.
        filters: as of `LocationSensitiveAttention`.
        kernel: likewise.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> from s2s_zoo.layers.location_recurrence import LocationRecurrence
        >>> layer = LocationRecurrence(units=4, attention_units=3)
        >>> layer.build((1, 3, 2), (1, 5, 6))
        >>> source = EncoderOutput(ops.ones((1, 5, 6)), ops.ones((1, 5), "bool"))
        >>> found = layer.read(ops.ones((1, 3, 2)), layer.attention.prepare(source))
        >>> [ops.shape(part) for part in found]
        [(1, 3, 4), (1, 3, 6), (1, 3, 5)]
    """

    def __init__(
        self,
        units: int,
        attention_units: int = 128,
        filters: int = 32,
        kernel: int = 31,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.attention_units = attention_units
        self.filters = filters
        self.kernel = kernel
        policy = self.dtype_policy
        self.lower, self.upper = (
            Recurrence(units, "lstm", dtype=policy, name=name)
            for name in ("lower", "upper")
        )
        self.attention = LocationSensitiveAttention(
            attention_units, filters, kernel, dtype=policy, name="attention"
        )

    def build(self, input_shape: Shape, memory_shape: Shape) -> None:
        self.input_width, self.context_width = input_shape[-1], memory_shape[-1]
        width = self.input_width + self.context_width
        self.lower.build((None, None, width))
        self.upper.build((None, None, self.units))
        self.attention.build((None, self.units), memory_shape)
        self.built = True

    def read(
        self, inputs: Tensor, memory: AttentionMemory, kept: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read all steps, from states, context and weights of zero.

        No `__call__`, which would round weights to the compute dtype.

        Args:
            inputs: (B, U, D).
            memory: of the sources.
            kept: (B, U, 2H) factors of the outputs of both layers, for dropout.

        Returns:
            Outputs (B, U, H) and contexts (B, U, C) in the compute dtype, and weights
            (B, U, T) float32.
        """
        kernel, bias, recurrent = self.lower.weights_of_products()
        x = ops.cast(inputs, self.compute_dtype)
        x = ops.matmul(x, kernel[: self.input_width]) + bias
        kept = x[..., :0] if kept is None else ops.cast(kept, self.compute_dtype)
        upper_kernel, upper_bias, upper_recurrent = self.upper.weights_of_products()
        found = location_loop(
            ops.transpose(x, (1, 0, 2)),
            ops.transpose(kept, (1, 0, 2)),
            ops.concatenate([kernel[self.input_width :], recurrent], axis=0),
            ops.concatenate([upper_kernel, upper_recurrent], axis=0),
            upper_bias,
            memory.keys,
            memory.values,
            ops.cast(ops.where(memory.mask, 0.0, HIDDEN), "float32"),
            *self.attention.weights_of_scores(),
        )
        found = ops.transpose(found, (1, 0, 2))
        end = self.units + self.context_width
        both = ops.cast(found[..., :end], self.compute_dtype)
        return both[..., : self.units], both[..., self.units :], found[..., end:]

    def start(self, memory: AttentionMemory) -> State:
        """The state before the first step: that of `step`, all zero."""
        rows = ops.shape(memory.mask)[0]
        widths = (*(self.units,) * 4, self.context_width)
        zeros = (ops.zeros((rows, width), "float32") for width in widths)
        return (*zeros, ops.zeros_like(memory.keys[..., 0], dtype="float32"))

    def step(
        self, inputs: Tensor, memory: AttentionMemory, state: State
    ) -> tuple[Tensor, Tensor, Tensor, State]:
        """Read one step.

        Args:
            inputs: (B, D).
            memory: of the sources.
            state: hidden and cell state of both layers (B, H), context (B, C) and the
                sum of the weights so far (B, T), float32.

        Returns:
            Output (B, H) and context (B, C) in the compute dtype, weights (B, T)
            float32, and the state after.
        """
        h, c, top, top_c, context, before = state
        fed = [ops.cast(x, self.compute_dtype) for x in (inputs, context)]
        x, (h, c) = self.lower.step(ops.concatenate(fed, axis=-1), (h, c))
        x, (top, top_c) = self.upper.step(x, (top, top_c))
        context, weights = self.attention(x, memory, before)
        kept = ops.cast(context, "float32")
        return x, context, weights, (h, c, top, top_c, kept, before + weights)
