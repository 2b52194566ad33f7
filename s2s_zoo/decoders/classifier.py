"""The head of a classifier: pooled memory to scores of classes."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.base import Decoder
from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor, Tensors

POOLINGS = ("mean", "max", "last", "flatten", "state")


@keras.saving.register_keras_serializable("s2s_zoo")
class ClassifierDecoder(Decoder):
    """Scores (B, C) of classes from the memory pooled over its real frames.

    Args:
        classes: C.
        pooling: "mean" or "max" of the frames, the "last" of them, "flatten": all
            of them in a row, of which there is the same number in every memory, or
            "state": the final state of the highest layer, [h; c] of an LSTM.
        dropout: share dropped of what the last layer reads, and of what each hidden
            layer gives.
        l2: λ of the penalty λ/2·‖W‖².
        hidden: widths of layers in between, each with a ReLU.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import ClassifierDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = ClassifierDecoder(classes=3, pooling="max")
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(decoder(None, memory)["logits"])
        (2, 3)
    """

    def __init__(
        self,
        classes: int,
        pooling: Literal["mean", "max", "last", "flatten", "state"] = "mean",
        dropout: float = 0.0,
        l2: float = 0.0,
        hidden: Sequence[int] = (),
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("classes", classes, 1, MAX_SIZE)
        check_choice("pooling", pooling, POOLINGS)
        self.classes = classes
        self.pooling = pooling
        self.dropout = dropout
        self.l2 = l2
        self.hidden = hidden
        self.layers = [
            self._dense(size, f"hidden_{i}", activation="relu")
            for i, size in enumerate(hidden)
        ]
        self.drop = keras.layers.Dropout(
            dropout, dtype=self.dtype_policy, name="dropout"
        )
        self.output_layer = self._dense(classes, "dense")

    def _dense(self, size: int, name: str, **options: Any) -> keras.layers.Dense:
        return keras.layers.Dense(
            size,
            kernel_regularizer=l2_penalty(self.l2),
            dtype=self.dtype_policy,
            name=name,
            **options,
        )

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        _, frames, width = memory_shape.sequence
        if self.pooling == "state":
            if not memory_shape.state:
                raise ValueError(
                    "pooling='state' reads the final state of a recurrent encoder. "
                    "Received an encoder without one"
                )
            width = sum(shape[-1] for shape in memory_shape.state[-1])
        if self.pooling == "flatten":
            if frames is None:
                raise ValueError(
                    "pooling='flatten' reads as many frames of every memory. Received "
                    "an encoder whose number of frames follows its source"
                )
            width *= frames
        for size, layer in zip((width, *self.hidden), self._each(), strict=True):
            layer.build((None, size))

    def _each(self) -> list[keras.layers.Dense]:
        return [*self.layers, self.output_layer]

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        """`logits` (B, C) float32 of `memory`; `targets` are not read."""
        x = ops.cast(self._pooled(memory), self.compute_dtype)
        if not self.layers:
            x = self.drop(x, training=training)
        for layer in self.layers:
            x = self.drop(layer(x), training=training)
        return {"logits": ops.cast(self.output_layer(x), "float32")}

    def _pooled(self, memory: EncoderOutput) -> Tensor:
        """(B, D) float32 of the real frames, 0 where there are none."""
        if self.pooling == "state":
            parts = [ops.cast(part, "float32") for part in memory.state[-1]]
            return ops.concatenate(parts, axis=-1)
        x, real = ops.cast(memory.sequence, "float32"), memory.mask[..., None]
        if self.pooling == "last":
            last = ops.maximum(mask_lengths(memory.mask) - 1, 0)
            x = ops.take_along_axis(ops.where(real, x, 0.0), last[:, None, None], 1)
            return x[:, 0]
        if self.pooling == "max":
            lowest = ops.where(real, x, float("-inf"))
            is_empty = ops.logical_not(ops.any(memory.mask, axis=1, keepdims=True))
            return ops.where(is_empty, 0.0, ops.max(lowest, axis=1))
        x = ops.where(real, x, 0.0)
        if self.pooling == "flatten":
            return ops.reshape(x, (-1, x.shape[1] * x.shape[2]))
        count = ops.sum(ops.cast(real, "float32"), axis=1)
        return ops.sum(x, axis=1) / ops.maximum(count, 1.0)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        hidden = part.keywords.get("hidden", ())
        return {"hidden": tuple(min(size, 8) for size in hidden)} if hidden else {}
