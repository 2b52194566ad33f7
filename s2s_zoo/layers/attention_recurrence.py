"""A recurrent layer that reads its attention's context back, fast on every backend.

Step t reads the input x_t next to the context of step t-1; its state is the query of
the context of step t (Wu et al., 2016, https://arxiv.org/abs/1609.08144, section 3).
The loop holds only what waits for the step before. The backward pass is written out:
weight gradients are one product over all steps, and the (B, T, A) sums under the tanh
of additive scores are computed again rather than kept for every step.
"""

from typing import Unpack

import keras
from keras import ops

from s2s_zoo.layers.attention_loop import LOOPS
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.content_attention import (
    HIDDEN,
    AttentionMemory,
    ContentAttention,
)
from s2s_zoo.layers.recurrent import Recurrence, State
from s2s_zoo.typing import LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class AttentionRecurrence(ZooLayer):
    """One recurrent layer with attention over a memory.

    States, contexts and softmaxes are float32; products run in the compute dtype.

    Args:
        units: width H.
        cell: "gru" or "lstm".
        score: of the attention, as in `ContentAttention`.
        attention_units: depth A of the attention, None for H.
        initial_range: as in `Recurrence` and `ContentAttention`.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> from s2s_zoo.layers import AttentionRecurrence
        >>> layer = AttentionRecurrence(units=4, cell="gru")
        >>> layer.build((1, 3, 4), (1, 5, 4), (1, 5, 4))
        >>> source = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> memory, start = layer.attention.prepare(source), (ops.zeros((1, 4)),)
        >>> outputs, contexts = layer.read(ops.ones((1, 3, 4)), memory, start)
        >>> ops.shape(outputs), ops.shape(contexts)
        ((1, 3, 4), (1, 3, 4))
    """

    def __init__(
        self,
        units: int,
        cell: str = "lstm",
        score: str = "normalized",
        attention_units: int | None = None,
        initial_range: float | None = None,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.cell = cell
        self.score = score
        self.attention_units = attention_units
        self.initial_range = initial_range
        self.recurrence = Recurrence(
            units,
            cell,
            initial_range=initial_range,
            dtype=self.dtype_policy,
            name="recurrence",
        )
        self.attention = ContentAttention(
            score,
            attention_units,
            initial_range,
            dtype=self.dtype_policy,
            name="attention",
        )

    def build(self, input_shape: Shape, key_shape: Shape, value_shape: Shape) -> None:
        self.input_width, self.context_width = input_shape[-1], value_shape[-1]
        width = self.input_width + self.context_width
        self.recurrence.build((*input_shape[:-1], width))
        self.attention.build((*input_shape[:-1], self.units), key_shape)
        self.built = True

    def read(
        self,
        inputs: Tensor,
        memory: AttentionMemory,
        initial: State,
        kept: Tensor | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Read all steps; the context before the first is zero.

        No `__call__`, which would round the states to the compute dtype.

        Args:
            inputs: (B, U, D).
            memory: of the sources.
            initial: state before the first step, (B, H) float32 each.
            kept: (B, U, C) factors of the context each step reads, for dropout.

        Returns:
            Outputs (B, U, H) and contexts (B, U, C) in the compute dtype.
        """
        kernel, bias, *recurrent = self.recurrence.weights_of_products()
        of_inputs, of_contexts = kernel[: self.input_width], kernel[self.input_width :]
        x = ops.matmul(ops.cast(inputs, self.compute_dtype), of_inputs) + bias
        kept = x[..., :0] if kept is None else ops.cast(kept, self.compute_dtype)
        both = LOOPS[self.cell](
            ops.transpose(x, (1, 0, 2)),
            ops.transpose(kept, (1, 0, 2)),
            ops.cast(ops.concatenate(initial, axis=-1), "float32"),
            of_contexts,
            memory.keys,
            memory.values,
            ops.cast(ops.where(memory.mask, 0.0, HIDDEN), "float32"),
            *recurrent,
            *self.attention.weights_of_scores(),
        )
        both = ops.cast(ops.transpose(both, (1, 0, 2)), self.compute_dtype)
        return both[..., : self.units], both[..., self.units :]

    def step(
        self, inputs: Tensor, memory: AttentionMemory, state: State, context: Tensor
    ) -> tuple[Tensor, Tensor, State]:
        """Read one step of K rows next to each other for each source.

        Args:
            inputs: (R, D), R = B·K.
            memory: of B sources.
            state: (R, H) float32 each.
            context: (R, C) of the step before.

        Returns:
            Output (R, H) and context (R, C) in the compute dtype, and the state.
        """
        fed = [ops.cast(x, self.compute_dtype) for x in (inputs, context)]
        output, state = self.recurrence.step(ops.concatenate(fed, axis=-1), state)
        queries = ops.reshape(output, (ops.shape(memory.values)[0], -1, self.units))
        context = self.attention(queries, memory)
        return output, ops.reshape(context, (-1, self.context_width)), state
