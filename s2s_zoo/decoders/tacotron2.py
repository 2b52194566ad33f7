"""The decoder of Tacotron 2 (Shen et al., 2017, https://arxiv.org/abs/1712.05884)."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.frames import MAX_REDUCTION, FrameDecoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.content_attention import AttentionMemory
from s2s_zoo.layers.location_recurrence import LocationRecurrence
from s2s_zoo.layers.masking import apply_mask, reached, sequence_mask
from s2s_zoo.layers.postnet import MagnitudeHead, Postnet
from s2s_zoo.layers.prenet import Prenet
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)


@keras.saving.register_keras_serializable("s2s_zoo")
class Tacotron2Decoder(FrameDecoder):
    """Frames of a spectrogram, a few at a time, and when to stop.

    The frame before passes a prenet, two LSTMs attend to the source by content and
    place, and a postnet mends what was written (section 2.2). The frame and the stop
    are read from the top state and the context; OpenSeq2Seq's stop was read from the
    frame that had just been predicted, which says little of it.

    Args:
        frame_size: M, mel channels.
        units: width of the LSTMs.
        prenet_units: width of both layers of the prenet.
        attention_units: depth of the attention.
        attention_filters: features of the place.
        attention_kernel: source frames under a filter.
        reduction: frames written in a step (Wang et al., 2017, section 3.4).
        dropout: share of the outputs of both LSTMs that is dropped in training.
        prenet_dropout: share that the prenet drops, always.
        postnet_layers: convolutions of the postnet.
        postnet_filters: their channels.
        postnet_kernel: frames under a kernel.
        postnet_dropout: share dropped after each in training.
        magnitude_size: frequencies whose magnitudes are told besides, 0 for none.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import Tacotron2Decoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = Tacotron2Decoder(4, units=8, postnet_filters=8, reduction=2)
        >>> decoder.build(EncoderOutput((None, None, 6), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 5, 6)), ops.ones((1, 5), "bool"))
        >>> found = decoder(ops.ones((1, 7, 4)), memory)
        >>> {name: ops.shape(found[name]) for name in ("refined", "alignments")}
        {'refined': (1, 7, 4), 'alignments': (1, 7, 5)}
    """

    def __init__(
        self,
        frame_size: int,
        units: int = 1024,
        prenet_units: int = 256,
        attention_units: int = 128,
        attention_filters: int = 32,
        attention_kernel: int = 31,
        reduction: int = 1,
        dropout: float = 0.1,
        prenet_dropout: float = 0.5,
        postnet_layers: int = 5,
        postnet_filters: int = 512,
        postnet_kernel: int = 5,
        postnet_dropout: float = 0.5,
        magnitude_size: int = 0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("reduction", reduction, 1, MAX_REDUCTION)
        self.frame_size = frame_size
        self.units = units
        self.prenet_units = prenet_units
        self.attention_units = attention_units
        self.attention_filters = attention_filters
        self.attention_kernel = attention_kernel
        self.reduction = reduction
        self.dropout = dropout
        self.prenet_dropout = prenet_dropout
        self.postnet_layers = postnet_layers
        self.postnet_filters = postnet_filters
        self.postnet_kernel = postnet_kernel
        self.postnet_dropout = postnet_dropout
        self.magnitude_size = magnitude_size
        self._make_layers()

    def _make_layers(self) -> None:
        policy = self.dtype_policy
        self.prenet = Prenet(
            self.prenet_units, rate=self.prenet_dropout, dtype=policy, name="prenet"
        )
        self.recurrence = LocationRecurrence(
            self.units,
            self.attention_units,
            self.attention_filters,
            self.attention_kernel,
            dtype=policy,
            name="recurrence",
        )
        self.drop = keras.layers.Dropout(self.dropout, dtype=policy, name="dropout")
        self.frame_dense, self.stop_dense = (
            keras.layers.Dense(size * self.reduction, dtype=policy, name=name)
            for size, name in ((self.frame_size, "frame"), (1, "stop"))
        )
        self.postnet = Postnet(
            self.postnet_layers,
            self.postnet_filters,
            self.postnet_kernel,
            self.postnet_dropout,
            dtype=policy,
            name="postnet",
        )
        if self.magnitude_size:
            self.head = MagnitudeHead(
                self.magnitude_size, dtype=policy, name="magnitudes"
            )

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        memory = memory_shape.sequence
        self.prenet.build((None, None, self.frame_size))
        self.recurrence.build((None, None, self.prenet_units), memory)
        for dense in (self.frame_dense, self.stop_dense):
            dense.build((None, None, self.units + memory[-1]))
        self.postnet.build((None, None, self.frame_size))
        if self.magnitude_size:
            self.head.build((None, None, self.frame_size))
        self.built = True

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
        target_lengths: Tensor | None = None,
    ) -> Tensors:
        """Write each frame of `targets` (B, U, ≥ M) from those before it.

        Args:
            targets: the mel channels come first; what follows is not read.
            memory: of the sources.
            training: whether to drop.
            target_lengths: (B,) int32 real frames of each, None for all.

        Returns:
            `frames` and, mended by the postnet, `refined` (B, U, M), `stop` (B, U)
            logits, `alignments` (B, U, T) and, where told, `magnitudes` (B, U, F); all
            float32. What lies past the end of a row holds no meaning.
        """
        assert targets is not None
        size = ops.shape(targets)[1]
        x = self.prenet(self._last_frames(targets), training=training)
        read = self.recurrence.attention.prepare(memory)
        kept = self._kept(x, training)
        *both, weights = self.recurrence.read(x, read, kept)
        found = self._read(ops.concatenate(both, axis=-1))
        found["alignments"] = ops.repeat(weights, self.reduction, axis=1)
        found = {name: part[:, :size] for name, part in found.items()}
        if target_lengths is None:
            target_lengths = ops.zeros_like(targets[:, 0, 0], dtype="int32") + size
        return found | self.refine(found["frames"], target_lengths, training)

    def _last_frames(self, targets: Tensor) -> Tensor:
        """(B, steps, M) the last frame before each step, silence before the first."""
        frames = ops.cast(targets[..., : self.frame_size], self.compute_dtype)
        steps = -(-ops.shape(frames)[1] // self.reduction)
        last = frames[:, self.reduction - 1 :: self.reduction]
        return ops.pad(last, ((0, 0), (1, 0), (0, 0)))[:, :steps]

    def _kept(self, x: Tensor, training: bool | None) -> Tensor | None:
        """(B, steps, 2H) factors of the outputs of both LSTMs."""
        if not (training and self.dropout):
            return None
        ones = ops.ones((*ops.shape(x)[:2], 2 * self.units), x.dtype)
        return self.drop(ones, training=True)

    def _read(self, states: Tensor) -> Tensors:
        """Frames (B, steps · r, M) and stops (B, steps · r) of states (B, steps, ·)."""
        frames = ops.cast(self.frame_dense(states), "float32")
        stops = ops.cast(self.stop_dense(states), "float32")
        count = ops.shape(states)[1] * self.reduction
        return {
            "frames": ops.reshape(frames, (-1, count, self.frame_size)),
            "stop": ops.reshape(stops, (-1, count)),
        }

    def refine(
        self, frames: Tensor, lengths: Tensor, training: bool | None = None
    ) -> Tensors:
        """What the postnet, and where there is one the head, make of written frames.

        Args:
            frames: (B, U, M).
            lengths: (B,) int32 real frames of each.
            training: whether to drop.

        Returns:
            `refined` (B, U, M) and maybe `magnitudes` (B, U, F), zero past the end.
        """
        mask = sequence_mask(lengths, ops.shape(frames)[1])
        frames = apply_mask(frames, mask)
        added = self.postnet(frames, mask, training=training)
        refined = frames + ops.cast(added, "float32")
        if not self.magnitude_size:
            return {"refined": refined}
        found = ops.cast(self.head(refined, mask, training=training), "float32")
        return {"refined": refined, "magnitudes": found}

    def prepare(self, memory: EncoderOutput) -> AttentionMemory:
        return self.recurrence.attention.prepare(memory)

    def empty(self, source: AttentionMemory) -> tuple[Any, Tensor]:
        place = ops.zeros_like(source.mask[:, 0], dtype="int32")
        return self.recurrence.start(source), place

    def step(
        self, written: Tensor, state: DecoderState
    ) -> tuple[Tensors, DecoderState]:
        memory, (cache, place) = state.memory, state.cache
        last = written[:, -1:]
        x = self.prenet(last, first=state.position, seed=memory.seed)
        mask = reached(memory.source.mask, place, memory.ahead)
        *both, weights, cache = self.recurrence.step(
            x[:, 0], memory.source._replace(mask=mask), cache
        )
        found = self._read(ops.concatenate(both, axis=-1)[:, None])
        found["alignments"] = weights
        place = ops.cast(ops.argmax(weights, axis=-1), "int32")
        return found, DecoderState((cache, place), memory, state.position + 1)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        sizes = {"units": 8, "prenet_units": 8, "attention_units": 4}
        sizes |= {"attention_filters": 2, "attention_kernel": 5}
        return sizes | {"postnet_layers": 2, "postnet_filters": 8}
