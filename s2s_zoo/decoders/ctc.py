"""The CTC head: one dense layer over the encoder's frames."""

from typing import Unpack

import keras

from s2s_zoo.decoders.base import Decoder
from s2s_zoo.precision import l2_penalty
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor, Tensors


@keras.saving.register_keras_serializable("s2s_zoo")
class CTCDecoder(Decoder):
    """Token scores (B, T, V+1) of every frame; the last class is CTC's blank.

    Args:
        vocabulary_size: V, tokens without the blank.
        l2: λ of the penalty λ/2·‖W‖².

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import CTCDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = CTCDecoder(vocabulary_size=8)
        >>> decoder.build(EncoderOutput((None, None, 4), (None, None)))
        >>> memory = EncoderOutput(ops.ones((2, 5, 4)), ops.ones((2, 5), "bool"))
        >>> ops.shape(decoder(None, memory)["ctc_logits"])
        (2, 5, 9)
    """

    def __init__(
        self,
        vocabulary_size: int,
        l2: float = 0.0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.vocabulary_size = vocabulary_size
        self.l2 = l2
        self.dense = keras.layers.Dense(
            vocabulary_size + 1,
            kernel_regularizer=l2_penalty(l2),
            dtype=self.dtype_policy,
            name="dense",
        )

    def build(self, memory_shape: tuple[Shape, ...], *_: Shape) -> None:
        self.dense.build(memory_shape[0])

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
    ) -> Tensors:
        """`ctc_logits` (B, T, V+1) float32 of `memory`; `targets` are not read."""
        return {"ctc_logits": keras.ops.cast(self.dense(memory.sequence), "float32")}
