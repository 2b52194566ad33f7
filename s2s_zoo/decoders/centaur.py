"""The decoder of OpenSeq2Seq's Centaur."""

from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.frames import MAX_REDUCTION, FrameDecoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.convolutional_attention import (
    Caches,
    ConvolutionalAttentionStack,
    Source,
)
from s2s_zoo.layers.masking import apply_mask, sequence_mask
from s2s_zoo.layers.prenet import Prenet
from s2s_zoo.layers.residual_convolution import ResidualStack
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)


class CentaurCaches(NamedTuple):
    """What a row has to know of the steps before.

    Attributes:
        blocks: of the blocks.
        mels: what each convolution behind them has read, (B, kernel - 1, W).
        magnitudes: the same of those behind these.
    """

    blocks: Caches
    mels: tuple[Tensor, ...]
    magnitudes: tuple[Tensor, ...]


@keras.saving.register_keras_serializable("s2s_zoo")
class CentaurDecoder(FrameDecoder):
    """Frames of a spectrogram by convolutions and attention, and when to stop.

    The frames of the step before, mel channels and magnitudes, pass a prenet and
    blocks that attend to the source; convolutions make mel channels of them, more
    convolutions magnitudes. Positions of frames and of the source are told by
    sinusoids.

    Args:
        frame_size: M, mel channels.
        units: W, width of the blocks and of the convolutions.
        blocks: how many.
        kernel: steps under a kernel.
        mel_layers: convolutions between the blocks and the mel channels.
        magnitude_layers: convolutions from there to the magnitudes.
        forced: blocks whose attention is to go ahead: their mean is the alignment,
            and they are held to what a search allows.
        prenet_units: width of both layers of the prenet.
        prenet_dropout: share that the prenet drops in training.
        prenet_always: whether it drops in use too.
        reduction: r, frames written in a step (Wang et al., 2017, section 3.4).
        convolution_dropout: share dropped behind the convolutions of blocks.
        attention_dropout: share of attention weights dropped.
        dropout: share dropped of other outputs.
        magnitude_size: F, frequencies whose magnitudes are told besides, 0 for none.

    Raises:
        ValueError: a number out of range, or a forced block that there is not.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import CentaurDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = CentaurDecoder(4, units=8, prenet_units=8, magnitude_size=9)
        >>> decoder.build(EncoderOutput((None, None, 6), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 6)), ops.ones((1, 5), "bool"))
        >>> found = decoder(ops.ones((1, 7, 13)), memory)
        >>> {name: ops.shape(found[name]) for name in ("frames", "magnitudes")}
        {'frames': (1, 7, 4), 'magnitudes': (1, 7, 9)}
    """

    def __init__(
        self,
        frame_size: int,
        units: int = 512,
        blocks: int = 4,
        kernel: int = 5,
        mel_layers: int = 4,
        magnitude_layers: int = 4,
        forced: Sequence[int] = (1, 3),
        prenet_units: int = 512,
        prenet_dropout: float = 0.5,
        prenet_always: bool = False,
        reduction: int = 2,
        convolution_dropout: float = 0.5,
        attention_dropout: float = 0.1,
        dropout: float = 0.1,
        magnitude_size: int = 0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("reduction", reduction, 1, MAX_REDUCTION)
        self.frame_size = frame_size
        self.units = units
        self.blocks = blocks
        self.kernel = kernel
        self.mel_layers = mel_layers
        self.magnitude_layers = magnitude_layers
        self.forced = forced
        self.prenet_units = prenet_units
        self.prenet_dropout = prenet_dropout
        self.prenet_always = prenet_always
        self.reduction = reduction
        self.convolution_dropout = convolution_dropout
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        self.magnitude_size = magnitude_size
        self._make_layers()

    @property
    def channels(self) -> int:
        return self.frame_size + self.magnitude_size

    def _make_layers(self) -> None:
        policy = self.dtype_policy
        self.prenet = Prenet(
            self.prenet_units,
            rate=self.prenet_dropout,
            always=self.prenet_always,
            dtype=policy,
            name="prenet",
        )
        self.entry = keras.layers.Dense(
            self.units, use_bias=False, dtype=policy, name="entry"
        )
        self.attention = ConvolutionalAttentionStack(
            self.blocks,
            self.forced,
            self.units,
            self.kernel,
            self.convolution_dropout,
            self.attention_dropout,
            self.dropout,
            dtype=policy,
            name="attention",
        )
        self.mel_stack = self._stack(self.mel_layers, "mel_stack")
        self.frame_dense, self.stop_dense = (
            self._dense(size, name)
            for size, name in ((self.frame_size, "frame"), (1, "stop"))
        )
        if self.magnitude_size:
            self.magnitude_stack = self._stack(self.magnitude_layers, "magnitude_stack")
            self.magnitude_dense = self._dense(self.magnitude_size, "magnitudes")

    def _stack(self, layers: int, name: str) -> ResidualStack:
        options = (self.kernel, True, self.dropout)
        return ResidualStack(layers, *options, dtype=self.dtype_policy, name=name)

    def _dense(self, size: int, name: str) -> keras.layers.Dense:
        units = size * self.reduction
        return keras.layers.Dense(units, dtype=self.dtype_policy, name=name)

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        self.prenet.build((None, None, self.reduction * self.channels))
        self.entry.build((None, None, self.prenet_units))
        shape = (None, None, self.units)
        self.attention.build(shape, memory_shape.sequence)
        layers = [self.mel_stack, self.frame_dense, self.stop_dense]
        if self.magnitude_size:
            layers += [self.magnitude_stack, self.magnitude_dense]
        for layer in layers:
            layer.build(shape)
        self.built = True

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
        target_lengths: Tensor | None = None,
    ) -> Tensors:
        """Write each frame of `targets` (B, U, C) from those of the steps before.

        Args:
            targets: mel channels, then the magnitudes where they are told.
            memory: of the sources.
            training: whether to drop.
            target_lengths: (B,) int32 real frames of each, None for all.

        Returns:
            `frames` and, the same, `refined` (B, U, M), `stop` (B, U) logits,
            `alignments` (B, U, T) and, where told, `magnitudes` (B, U, F); all
            float32. What lies past the end of a row holds no meaning.
        """
        assert targets is not None
        size = ops.shape(targets)[1]
        x = self.entry(self.prenet(self._before(targets), training=training))
        steps = ops.shape(x)[1]
        mask = ops.ones_like(x[..., 0], dtype="bool")
        if target_lengths is not None:
            mask = sequence_mask(-(-target_lengths // self.reduction), steps)
        x, weights = self.attention(x, mask, self.prepare(memory), training=training)
        x = y = self.mel_stack(x, mask, training=training)
        if self.magnitude_size:
            y = self.magnitude_stack(x, mask, training=training)
        found = self._told(x, y) | {
            "alignments": ops.repeat(weights, self.reduction, axis=1)
        }
        found = {name: part[:, :size] for name, part in found.items()}
        return found | {"refined": found["frames"]}

    def _before(self, targets: Tensor) -> Tensor:
        """(B, steps, r · C) frames of the step before each, silence at first."""
        frames = ops.cast(targets[..., : self.channels], self.compute_dtype)
        size = ops.shape(frames)[1]
        whole = size // self.reduction
        width = self.reduction * self.channels
        frames = ops.reshape(frames[:, : whole * self.reduction], (-1, whole, width))
        steps = -(-size // self.reduction)
        return ops.pad(frames, ((0, 0), (1, 0), (0, 0)))[:, :steps]

    def _told(self, x: Tensor, y: Tensor) -> Tensors:
        """Frames (B, steps · r, ·) of states (B, steps, W) for mels and magnitudes."""
        parts = {"frames": self.frame_dense(x), "stop": self.stop_dense(x)}
        if self.magnitude_size:
            parts["magnitudes"] = self.magnitude_dense(y)
        count = ops.shape(x)[1] * self.reduction
        found = {
            name: ops.reshape(
                ops.cast(part, "float32"), (-1, count, part.shape[-1] // self.reduction)
            )
            for name, part in parts.items()
        }
        return found | {"stop": found["stop"][..., 0]}

    def refine(
        self, frames: Tensor, lengths: Tensor, training: bool | None = None
    ) -> Tensors:
        frames = apply_mask(frames, sequence_mask(lengths, ops.shape(frames)[1]))
        mels = frames[..., : self.frame_size]
        found = {"frames": mels, "refined": mels}
        if self.magnitude_size:
            found["magnitudes"] = frames[..., self.frame_size :]
        return found

    def prepare(self, memory: EncoderOutput) -> Source:
        return self.attention.prepare(memory)

    def empty(self, source: Source) -> CentaurCaches:
        rows = ops.shape(source.mask)[0]
        magnitudes = self.magnitude_stack.empty(rows) if self.magnitude_size else ()
        blocks = self.attention.empty(source)
        return CentaurCaches(blocks, self.mel_stack.empty(rows), magnitudes)

    def step(
        self, written: Tensor, state: DecoderState
    ) -> tuple[Tensors, DecoderState]:
        memory, cache = state.memory, state.cache
        last = ops.reshape(written, (-1, 1, self.reduction * self.channels))
        x = self.prenet(last, first=state.position, seed=memory.seed)
        x, weights, blocks = self.attention.step(
            self.entry(x)[:, 0],
            memory.source,
            cache.blocks,
            state.position,
            memory.ahead,
        )
        x, mels = self.mel_stack.step(x, cache.mels)
        y, magnitudes = x, ()
        if self.magnitude_size:
            y, magnitudes = self.magnitude_stack.step(x, cache.magnitudes)
        found = self._told(x[:, None], y[:, None])
        if self.magnitude_size:
            both = [found["frames"], found.pop("magnitudes")]
            found["frames"] = ops.concatenate(both, axis=-1)
        cache = CentaurCaches(blocks, mels, magnitudes)
        state = DecoderState(cache, memory, state.position + 1)
        return found | {"alignments": weights}, state

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        sizes = {"units": 8, "prenet_units": 8, "blocks": 2, "forced": (1,)}
        return sizes | {"mel_layers": 1, "magnitude_layers": 2}
