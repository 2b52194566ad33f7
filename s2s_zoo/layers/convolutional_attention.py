"""The blocks of OpenSeq2Seq's Centaur: convolutions in place of self-attention."""

from collections.abc import Sequence
from typing import NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.errors import check_range
from s2s_zoo.layers.attention import CrossAttention, KeysValues
from s2s_zoo.layers.base import MAX_LAYERS, ZooLayer
from s2s_zoo.layers.masking import reached
from s2s_zoo.layers.normalization import LayerNormalization
from s2s_zoo.layers.residual_convolution import ResidualConvolution
from s2s_zoo.layers.transformer import Sublayer, sinusoids
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor


class Source(NamedTuple):
    """What blocks attend to: projected once per source, and its mask (B, T)."""

    projected: tuple[KeysValues, ...]
    mask: Tensor


class Caches(NamedTuple):
    """What a row has to know of the steps before.

    Attributes:
        read: what the convolution of each block has read, (B, kernel - 1, W).
        places: (B, N) int32 entries that the N forced blocks attended to last.
    """

    read: tuple[Tensor, ...]
    places: Tensor


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvolutionalAttention(ZooLayer):
    """A causal convolution, attention of one head to the source, a linear layer.

    Each is added to what it reads; attention and linear layer have layer normalization
    before them.

    Args:
        units: W, of the block and of the attention.
        kernel: frames under the kernel.
        convolution_dropout: share dropped behind the convolution.
        attention_dropout: share of attention weights dropped.
        dropout: share of the output of attention and linear layer dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers.convolutional_attention import ConvolutionalAttention
        >>> block, source = ConvolutionalAttention(units=4), ops.ones((1, 5, 6))
        >>> block.build((None, None, 4), (None, None, 6))
        >>> memory = block.attention.project(source, source)
        >>> masks = [ops.ones((1, size), "bool") for size in (3, 5)]
        >>> y, weights = block(ops.ones((1, 3, 4)), masks[0], memory, masks[1])
        >>> ops.shape(y), ops.shape(weights)
        ((1, 3, 4), (1, 3, 5))
    """

    def __init__(
        self,
        units: int = 512,
        kernel: int = 5,
        convolution_dropout: float = 0.5,
        attention_dropout: float = 0.1,
        dropout: float = 0.1,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.units = units
        self.kernel = kernel
        self.convolution_dropout = convolution_dropout
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        policy = self.dtype_policy
        self.convolution = ResidualConvolution(
            kernel, True, convolution_dropout, dtype=policy, name="convolution"
        )
        self.around_attention, self.around_dense = (
            Sublayer(dropout=dropout, dtype=policy, name=f"around_{name}")
            for name in ("attention", "dense")
        )
        self.attention = CrossAttention(
            units, 1, attention_dropout, dtype=policy, name="attention"
        )
        self.dense = keras.layers.Dense(units, dtype=policy, name="dense")

    def build(self, input_shape: Shape, memory_shape: Shape, *_: Shape) -> None:
        shape = (*input_shape[:-1], self.units)
        for layer in (
            *(self.convolution, self.around_attention),
            *(self.around_dense, self.dense),
        ):
            layer.build(shape)
        self.attention.build(shape, memory_shape)
        self.built = True

    def call(
        self,
        x: Tensor,
        mask: Tensor,
        memory: KeysValues,
        memory_mask: Tensor,
        training: bool | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Read all frames.

        Args:
            x: (B, U, W).
            mask: (B, U) real frames.
            memory: of the sources, as `attention.project` gives it.
            memory_mask: (B, T) what may be attended to.
            training: whether to drop.

        Returns:
            (B, U, W), and the weights (B, U, T).
        """
        x = self.convolution(x, mask, training=training)
        return self._attended(x, memory, memory_mask, training)

    def step(
        self, x: Tensor, before: Tensor, memory: KeysValues, memory_mask: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Read one frame more.

        Args:
            x: (B, W).
            before: (B, kernel - 1, W) what the convolution has read.
            memory: as of `call`.
            memory_mask: likewise.

        Returns:
            (B, W), the weights (B, T), and what the convolution has read.
        """
        x, before = self.convolution.step(x, before)
        x, weights = self._attended(x[:, None], memory, memory_mask, False)
        return x[:, 0], weights[:, 0], before

    def _attended(
        self,
        x: Tensor,
        memory: KeysValues,
        memory_mask: Tensor,
        training: bool | None,
    ) -> tuple[Tensor, Tensor]:
        y = self.around_attention.before(x, None, training)
        y, weights = self.attention(y, memory, memory_mask, training=training)
        x = self.around_attention.after(x, y, training)
        y = self.dense(self.around_dense.before(x, None, training))
        return self.around_dense.after(x, y, training), weights[:, 0]


@keras.saving.register_keras_serializable("s2s_zoo")
class ConvolutionalAttentionStack(ZooLayer):
    """Blocks on top of each other, positions before and layer normalization behind.

    Sinusoids tell the positions of what is read and of the source.

    Args:
        blocks: how many.
        forced: those whose attention is to go ahead: the mean of their weights is the
            alignment, and step by step they can be held to it.
        units: as of a block, and so are the others.
        kernel: likewise.
        convolution_dropout: likewise.
        attention_dropout: likewise.
        dropout: likewise.

    Raises:
        ValueError: a forced block that there is not, or none.
    """

    def __init__(
        self,
        blocks: int,
        forced: Sequence[int],
        units: int = 512,
        kernel: int = 5,
        convolution_dropout: float = 0.5,
        attention_dropout: float = 0.1,
        dropout: float = 0.1,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        check_range("blocks", blocks, 1, MAX_LAYERS)
        if not forced or not set(forced) <= set(range(blocks)):
            raise ValueError(
                f"forced names blocks from 0 to {blocks - 1}. Received: {forced}"
            )
        self.blocks = blocks
        self.forced = forced
        self.units = units
        self.kernel = kernel
        self.convolution_dropout = convolution_dropout
        self.attention_dropout = attention_dropout
        self.dropout = dropout
        options = (convolution_dropout, attention_dropout, dropout)
        self.stack = [
            ConvolutionalAttention(
                units, kernel, *options, dtype=self.dtype_policy, name=f"block_{i}"
            )
            for i in range(blocks)
        ]
        self.normalization = LayerNormalization(
            dtype=self.dtype_policy, name="normalization"
        )

    def build(self, input_shape: Shape, memory_shape: Shape, *_: Shape) -> None:
        for block in self.stack:
            block.build(input_shape, memory_shape)
        self.normalization.build(input_shape)
        self.built = True

    def prepare(self, memory: EncoderOutput) -> Source:
        """What the blocks attend to of a memory."""
        sequence = ops.cast(memory.sequence, self.compute_dtype)
        sequence = self._placed(sequence, ops.arange(ops.shape(sequence)[1]))
        projected = (
            block.attention.project(sequence, sequence) for block in self.stack
        )
        return Source(tuple(projected), memory.mask)

    def _placed(self, x: Tensor, positions: Tensor) -> Tensor:
        width = x.shape[-1]
        codes = sinusoids(positions, width + width % 2)[..., :width]
        return x + ops.cast(codes, self.compute_dtype)

    def call(
        self, x: Tensor, mask: Tensor, source: Source, training: bool | None = None
    ) -> tuple[Tensor, Tensor]:
        """Read all frames.

        Args:
            x: (B, U, W).
            mask: (B, U) real frames.
            source: as `prepare` gives it.
            training: whether to drop.

        Returns:
            (B, U, W), and the alignment (B, U, T) float32.
        """
        x, weights = self._placed(x, ops.arange(ops.shape(x)[1])), []
        for block, projected in zip(self.stack, source.projected, strict=True):
            x, found = block(x, mask, projected, source.mask, training=training)
            weights.append(found)
        return self.normalization(x), self._alignment(weights)

    def _alignment(self, weights: Sequence[Tensor]) -> Tensor:
        return sum(weights[i] for i in self.forced) / len(self.forced)

    def empty(self, source: Source) -> Caches:
        """The caches before the first frame."""
        rows = ops.shape(source.mask)[0]
        read = (block.convolution.empty(rows) for block in self.stack)
        return Caches(tuple(read), ops.zeros((rows, len(self.forced)), "int32"))

    def step(
        self, x: Tensor, source: Source, caches: Caches, position: Tensor, ahead: Tensor
    ) -> tuple[Tensor, Tensor, Caches]:
        """Read one frame more.

        Args:
            x: (B, W).
            source: as of `call`.
            caches: of the frames before.
            position: int32 number of the frame.
            ahead: int32, how far forced blocks may go on; 0 for anywhere.

        Returns:
            (B, W), the alignment (B, T), and the caches after.
        """
        x, weights, read = self._placed(x, position), [], []
        masks = self._masks(source, caches, ahead)
        every = zip(self.stack, caches.read, source.projected, masks, strict=True)
        for block, before, projected, mask in every:
            x, found, after = block.step(x, before, projected, mask)
            weights.append(found)
            read.append(after)
        places = [ops.argmax(weights[i], axis=-1) for i in self.forced]
        after = Caches(tuple(read), ops.cast(ops.stack(places, axis=1), "int32"))
        return self.normalization(x), self._alignment(weights), after

    def _masks(self, source: Source, caches: Caches, ahead: Tensor) -> list[Tensor]:
        """(B, T) what each block may attend to."""
        masks = [source.mask] * self.blocks
        for column, block in enumerate(self.forced):
            masks[block] = reached(source.mask, caches.places[:, column], ahead)
        return masks
