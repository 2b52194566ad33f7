"""WaveNet (van den Oord et al., 2016, https://arxiv.org/abs/1609.03499)."""

from functools import partial
from typing import Any, Unpack

import keras
from keras import ops

from s2s_zoo.decoders.base import Decoder
from s2s_zoo.errors import check_range
from s2s_zoo.layers.base import MAX_LAYERS, MAX_SIZE
from s2s_zoo.layers.dilated_layer import (
    EPSILON,
    GATES,
    MOMENTUM,
    Conditions,
    DilatedLayer,
)
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution
from s2s_zoo.typing import (
    DecoderState,
    EncoderOutput,
    LayerKwargs,
    Shape,
    Tensor,
    Tensors,
)


@keras.saving.register_keras_serializable("s2s_zoo")
class WaveNetDecoder(Decoder):
    """Each sample from those before it and from the frame of a spectrogram.

    Blocks of dilated layers, whose dilation doubles from layer to layer and starts
    anew in each block; the sum of their skips and the last output pass two dense layers
    to the logits of the sample's class (section 2). Frames are projected once for all
    layers, as in OpenSeq2Seq; its batch normalization in use as in training, and its
    zeros behind convolutions instead of before, are not kept.

    Args:
        classes: V of a sample.
        channels: of all layers.
        blocks: of layers.
        layers: of a block.
        kernel: samples under a kernel.
        stride: samples of a frame.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders.wavenet import WaveNetDecoder
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> decoder = WaveNetDecoder(16, channels=4, blocks=1, layers=3, stride=5)
        >>> decoder.build(EncoderOutput((None, None, 6), (None, None)))
        >>> memory = EncoderOutput(ops.ones((1, 2, 6)), ops.ones((1, 2), "bool"))
        >>> logits = decoder(ops.ones((1, 10), "int32"), memory)["logits"]
        >>> ops.shape(logits), decoder.receptive_field
        ((1, 10, 16), 15)
    """

    reads_target = True

    def __init__(
        self,
        classes: int = 256,
        channels: int = 64,
        blocks: int = 3,
        layers: int = 10,
        kernel: int = 3,
        stride: int = 256,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("classes", classes, 2, MAX_SIZE)
        check_range("blocks", blocks, 1, MAX_LAYERS)
        check_range("layers", layers, 1, 24)
        check_range("stride", stride, 1, MAX_SIZE)
        self.classes = classes
        self.channels = channels
        self.blocks = blocks
        self.layers = layers
        self.kernel = kernel
        self.stride = stride
        self._make_layers()

    def _make_layers(self) -> None:
        policy = self.dtype_policy
        self.entry = NormalizedConvolution(
            self.channels,
            self.kernel,
            kind="causal",
            momentum=MOMENTUM,
            epsilon=EPSILON,
            dtype=policy,
            name="entry",
        )
        self.conditioners = [self._dense(self.channels, name) for name in GATES]
        self.stack = [
            DilatedLayer(
                self.channels,
                self.kernel,
                2**layer,
                dtype=policy,
                name=f"layer_{block}_{layer}",
            )
            for block in range(self.blocks)
            for layer in range(self.layers)
        ]
        self.exits = [
            self._dense(size, f"exit_{i}")
            for i, size in enumerate((self.channels, self.classes))
        ]

    def _dense(self, size: int, name: str) -> keras.layers.Dense:
        return keras.layers.Dense(
            size, use_bias=False, dtype=self.dtype_policy, name=name
        )

    @property
    def receptive_field(self) -> int:
        """Samples that a layer of the last block sees, the present one among them."""
        return 1 + sum(layer.reach for layer in self.stack)

    def build(self, memory_shape: EncoderOutput, *_: Shape) -> None:
        self.entry.build((None, None, self.classes))
        width = memory_shape.sequence[-1]
        self.split = width // 2
        for size, dense in zip(
            (self.split, width - self.split), self.conditioners, strict=True
        ):
            dense.build((None, None, size))
        for layer in (*self.stack, *self.exits):
            layer.build((None, None, self.channels))
        self.built = True

    def call(
        self,
        targets: Tensor | None,
        memory: EncoderOutput,
        training: bool | None = None,
        target_lengths: Tensor | None = None,
    ) -> Tensors:
        """Score each of `targets` (B, S) int32 classes from those before it.

        Args:
            targets: the first frame of the memory belongs to the first sample.
            memory: frames, `stride` samples each.
            training: whether to normalize by the batch.
            target_lengths: (B,) int32 real samples of each, None for all.

        Returns:
            `logits` (B, S, V) float32.
        """
        assert targets is not None
        size = ops.shape(targets)[1]
        if target_lengths is None:
            target_lengths = ops.zeros_like(targets[:, 0], dtype="int32") + size
        mask = sequence_mask(target_lengths, size)
        before = ops.pad(targets[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
        x, _ = self.entry(self._one_hot(before), mask, training=training)
        conditions = Conditions(
            *(
                ops.repeat(part, self.stride, axis=1)[:, :size]
                for part in self._conditions(memory)
            )
        )
        total = 0.0
        for layer in self.stack:
            x, skip = layer(x, conditions, mask, training=training)
            total = total + skip
        return {"logits": self._score(total + x)}

    def _one_hot(self, classes: Tensor) -> Tensor:
        """(..., V) of classes (...); all zero below 0, before the first sample."""
        every = ops.arange(self.classes, dtype="int32")
        return ops.cast(classes[..., None] == every, self.compute_dtype)

    def _conditions(self, memory: EncoderOutput) -> Conditions:
        """(B, T, C) each, of the halves of the channels of the frames."""
        frames = ops.cast(memory.sequence, self.compute_dtype)
        halves = frames[..., : self.split], frames[..., self.split :]
        pairs = zip(self.conditioners, halves, strict=True)
        return Conditions(*(dense(half) for dense, half in pairs))

    def _score(self, x: Tensor) -> Tensor:
        for dense in self.exits:
            x = dense(ops.relu(x))
        return ops.cast(x, "float32")

    def start(
        self, memory: EncoderOutput, beams: int, length: int, reordered: bool = True
    ) -> DecoderState:
        """The state before the first sample; one row is written for each source.

        Args:
            memory: frames.
            beams: 1.
            length: not read: queues are as long as the layers see.
            reordered: likewise.
        """
        if beams != 1:
            raise ValueError(f"One row of samples for each source. Received: {beams}")
        rows = ops.shape(memory.mask)[0]
        size = (rows, self.kernel - 1)
        entry = ops.full(size, -1, dtype="int32")
        queues = tuple(layer.queue(rows) for layer in self.stack)
        zero = ops.convert_to_tensor(0, "int32")
        return DecoderState((entry, queues), self._conditions(memory), zero)

    def step(self, written: Tensor, state: DecoderState) -> tuple[Tensor, DecoderState]:
        """Read the sample `written` last (B,), -1 at first.

        Returns:
            (B, V) float32 logits of the sample after, and the state after.
        """
        (entry, queues), position = state.cache, state.position
        heard = ops.concatenate([entry, written[:, None]], axis=1)
        real = ops.ones_like(heard, dtype="bool")
        x = self.entry(self._one_hot(heard), real, training=False)[0][:, -1]
        frame = position // self.stride
        conditions = Conditions(*(ops.take(c, frame, axis=1) for c in state.memory))
        total, after = 0.0, []
        for layer, queue in zip(self.stack, queues, strict=True):
            x, skip, queue = layer.step(x, conditions, queue, position)
            total = total + skip
            after.append(queue)
        cache = (heard[:, 1:], tuple(after))
        found = self._score(total + x)
        return found, DecoderState(cache, state.memory, position + 1)

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        return {"channels": 4, "blocks": 2, "layers": 3}
