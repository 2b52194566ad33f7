"""A text and the style it is spoken in (Wang et al., 2018)."""

from collections.abc import Sequence
from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.layers.reference_encoder import ReferenceEncoder
from s2s_zoo.layers.style_tokens import StyleTokens
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class StyledEncoder(Encoder):
    """What another encoder makes of a text, and beside each frame of it the style.

    (B, T, D) becomes (B, T, D' + W). A style is a mixture of tokens that are learned
    with the rest of the model (Wang et al., 2018, https://arxiv.org/abs/1803.09017).
    In training a recording says which: that of the text itself. In use it is the
    `style` of the batch, and the mean style where there is none.

    Args:
        text: the encoder of texts.
        frame_size: M, channels of a recording that are read, the first ones.
        filters: channels of the convolutions over a recording.
        units: width of what is known of a recording.
        tokens: N, styles that are mixed.
        heads: H mixtures side by side.
        width: W, of a style.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import StyledEncoder, Tacotron2Encoder
        >>> text = Tacotron2Encoder(units=3, filters=4)
        >>> sizes = {"tokens": 5, "heads": 2, "width": 4}
        >>> encoder = StyledEncoder(text, frame_size=8, **sizes)
        >>> encoder.build((None, None, 6))
        >>> x, mask = ops.ones((2, 5, 6)), ops.ones((2, 5), "bool")
        >>> weights = encoder.weigh(ops.ones((2, 40, 8)), ops.array([40, 20]))
        >>> ops.shape(weights), ops.shape(encoder(x, mask, style=weights).sequence)
        ((2, 2, 5), (2, 5, 10))
    """

    def __init__(
        self,
        text: Encoder,
        frame_size: int,
        filters: Sequence[int] = (32, 32, 64, 64, 128, 128),
        units: int = 128,
        tokens: int = 32,
        heads: int = 8,
        width: int = 512,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("frame_size", frame_size, 1, MAX_SIZE)
        self.text = text
        self.frame_size = frame_size
        self.filters = filters
        self.units = units
        self.tokens = tokens
        self.heads = heads
        self.width = width
        policy = self.dtype_policy
        self.reference = ReferenceEncoder(
            filters, units, dtype=policy, name="reference"
        )
        self.bank = StyleTokens(tokens, width, heads, dtype=policy, name="tokens")

    def build(self, input_shape: Shape, *_: Shape) -> None:
        self.text.build(input_shape)
        self.reference.build((None, None, self.frame_size))
        self.bank.build((None, self.units))
        self.built = True

    def call(
        self,
        inputs: Tensor,
        mask: Tensor,
        training: bool | None = None,
        target: Tensor | None = None,
        target_lengths: Tensor | None = None,
        style: Tensor | None = None,
    ) -> EncoderOutput:
        """Encode `inputs` (B, T, D) to a sequence (B, T, D' + W).

        Args:
            inputs: of texts.
            mask: (B, T) bool.
            training: as everywhere.
            target: (B, U, ≥ M) frames of a recording of each text, whose style is
                taken where there is no `style`.
            target_lengths: (B,) int32 real frames of each.
            style: (B, H, N) weights of the tokens from 0, whose sum does not count; a
                head that has none takes the mean's.
        """
        memory = self.text(inputs, mask, training=training)
        if style is not None or target is None:
            empty = ops.zeros((ops.shape(mask)[0], self.heads, self.tokens), "float32")
            weights = self.bank.filled(empty if style is None else style)
        else:
            weights = self.weigh(target, target_lengths, training)
        beside = self.bank(weights)[:, None] + ops.zeros_like(memory.sequence[..., :1])
        both = [memory.sequence, apply_mask(beside, memory.mask)]
        return memory._replace(sequence=ops.concatenate(both, axis=-1))

    def weigh(
        self, frames: Tensor, lengths: Tensor, training: bool | None = None
    ) -> Tensor:
        """(B, H, N) float32 weights of the tokens in recordings.

        Args:
            frames: (B, U, ≥ M).
            lengths: (B,) int32 real frames of each; of none it is the mean style.
            training: whether the mean style follows.
        """
        mask = sequence_mask(lengths, ops.shape(frames)[1])
        heard = self.reference(frames[..., : self.frame_size], mask, training=training)
        weights, real = self.bank.weigh(heard), ops.any(mask, axis=1)
        if training:
            self.bank.track(weights, real)
        return self.bank.filled(ops.where(real[:, None, None], weights, 0.0))

    @property
    def time_stride(self) -> int:
        return self.text.time_stride

    @property
    def context_frames(self) -> int | None:
        return self.text.context_frames

    @property
    def state_shape(self) -> Any:
        return self.text.state_shape

    def output_lengths(self, lengths: Tensor) -> Tensor:
        return self.text.output_lengths(lengths)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        sizes = {"units": 4, "tokens": 5, "heads": 2, "width": 6}
        return {**sizes, "filters": (2, 2)}

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        *others, width = self.text.compute_output_shape(input_shape)
        return (*others, width + self.width)
