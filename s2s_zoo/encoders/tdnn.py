"""Time-delay networks of a table of convolutions: Wave2Letter, Jasper, QuartzNet."""

import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import Any, ClassVar, NamedTuple, Unpack

import keras
from keras import ops

from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import check_choice, check_range
from s2s_zoo.features.base import MAX_SEED
from s2s_zoo.layers.activation import clipped_relu
from s2s_zoo.layers.base import MAX_LAYERS
from s2s_zoo.layers.convolution import strided_lengths
from s2s_zoo.layers.masking import apply_mask
from s2s_zoo.layers.normalized_convolution import NormalizedConvolution, Normalizer
from s2s_zoo.typing import EncoderOutput, LayerKwargs, Shape, Tensor

RESIDUALS = ("none", "plain", "dense")


class Row(NamedTuple):
    """Blocks of one kind: a row of the table of a `TDNNEncoder`.

    Attributes:
        kind: "conv1d", "separable", "causal" or "conv2d".
        blocks: how many such blocks follow each other.
        repeats: convolutions of a block.
        kernel: frames under each.
        channels: of each.
        stride: frames from one output frame of a block to the next.
        dilation: frames from one element of the kernel to the next.
        dropout: share dropped after each convolution.
        residual: "none"; "plain", what the block reads is added; "dense", what each
            dense block up to this one reads is.
        bands: frequencies under the kernel of "conv2d".
    """

    kind: Any
    blocks: int
    repeats: int
    kernel: int
    channels: int
    stride: int
    dilation: int
    dropout: float
    residual: str
    bands: int


class Block(NamedTuple):
    """The layers of a block.

    Attributes:
        row: what it is of.
        convolutions: in their order.
        branches: of what a residual adds, a convolution of one frame for each summand.
        drop: dropout after each convolution.
    """

    row: Row
    convolutions: list[NormalizedConvolution]
    branches: list[NormalizedConvolution]
    drop: keras.layers.Dropout


@keras.saving.register_keras_serializable("s2s_zoo")
class TDNNEncoder(Encoder):
    """Blocks of convolutions over time, described by the columns of a table.

    A block is `repeats` times mask, convolution, normalization, clipped ReLU and
    dropout. What a residual adds goes through a convolution of one frame and a
    normalization, and is added before the last activation (Li et al., 2019,
    https://arxiv.org/abs/1904.03288, 2.1 and figure 3). The stride of a block is that
    of its first convolution. (B, T, D) becomes (B, ⌈T / stride⌉, channels[-1]).

    Args:
        kinds: column of kinds of convolution; see `Row` for each column.
        blocks: column of numbers of equal blocks.
        repeats: column of convolutions in a block.
        kernels: column of frames under the kernel.
        channels: column of output channels.
        strides: column of strides.
        dilations: column of dilations.
        dropouts: column of shares dropped.
        residuals: column of residuals.
        bands: column of frequencies under the kernel; empty for 1 everywhere. Blocks
            of "conv2d" come first and read the features as one channel.
        ceiling: largest activation, None for no limit.
        normalization: "batch", "layer", "instance" or "none".
        momentum: share of the running statistics kept at each step.
        epsilon: added to the variance.
        l2: λ of the penalty λ/2·‖w‖² on kernels and scales; the convolutions of
            residuals have none.
        drop_block: chance in training that of a residual block only what it adds
            is left, drawn for each example.
        without_block: number of a residual block of which nothing but what it adds is
            ever computed, -1 for none: what the others can do without it.
        seed: of the blocks dropped.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import TDNNEncoder
        >>> encoder = TDNNEncoder(
        ...     kinds=("conv1d", "separable"), blocks=(1, 2), repeats=(1, 2),
        ...     kernels=(11, 5), channels=(4, 6), strides=(2, 1), dilations=(1, 1),
        ...     dropouts=(0.0, 0.0), residuals=("none", "plain"))
        >>> memory = encoder(ops.ones((2, 9, 8)), ops.ones((2, 9), "bool"))
        >>> ops.shape(memory.sequence), encoder.time_stride
        ((2, 5, 6), 2)
    """

    TABLE: ClassVar[tuple[str, ...]] = (
        *("kinds", "blocks", "repeats", "kernels", "channels"),
        *("strides", "dilations", "dropouts", "residuals", "bands"),
    )

    def __init__(
        self,
        kinds: Sequence[str],
        blocks: Sequence[int],
        repeats: Sequence[int],
        kernels: Sequence[int],
        channels: Sequence[int],
        strides: Sequence[int],
        dilations: Sequence[int],
        dropouts: Sequence[float],
        residuals: Sequence[str],
        bands: Sequence[int] = (),
        ceiling: float | None = None,
        normalization: Normalizer = "batch",
        momentum: float = 0.9,
        epsilon: float = 1e-3,
        l2: float = 0.0,
        drop_block: float = 0.0,
        without_block: int = -1,
        seed: int = 0,
        **kwargs: Unpack[LayerKwargs],
    ) -> None:
        super().__init__(**kwargs)
        self.kinds, self.blocks, self.repeats = kinds, blocks, repeats
        self.kernels, self.channels = kernels, channels
        self.strides, self.dilations = strides, dilations
        self.dropouts, self.residuals, self.bands = dropouts, residuals, bands
        self.ceiling = ceiling
        self.normalization = normalization
        self.momentum = momentum
        self.epsilon = epsilon
        self.l2 = l2
        self.drop_block = drop_block
        self.without_block = without_block
        self.seed = seed
        check_range("drop_block", drop_block, 0, 1)
        check_range("seed", seed, 0, MAX_SEED)
        self.rows = self._rows()
        if drop_block:
            self.seed_generator = keras.random.SeedGenerator(seed)
        self._make_layers()

    def _rows(self) -> list[Row]:
        columns = [getattr(self, name) for name in self.TABLE[:-1]]
        columns.append(self.bands or (1,) * len(self.kinds))
        sizes = [len(column) for column in columns]
        if len(set(sizes)) != 1 or not self.kinds:
            named = zip(self.TABLE, sizes, strict=True)
            found = ", ".join(f"{size} {name}" for name, size in named)
            raise ValueError(f"the columns of the table are as long. Received: {found}")
        rows = [Row(*row) for row in zip(*columns, strict=True)]
        for row in rows:
            check_range("blocks", row.blocks, 1, MAX_LAYERS)
            check_range("repeats", row.repeats, 1, MAX_LAYERS)
        total = sum(row.blocks * row.repeats for row in rows)
        check_range("convolutions", total, 1, MAX_LAYERS)
        _check_residuals(rows)
        return rows

    def _make_layers(self) -> None:
        self.convolutions: list[NormalizedConvolution] = []
        self.branches: list[NormalizedConvolution] = []
        self.drops = [
            keras.layers.Dropout(row.dropout, dtype=self.dtype_policy, name=f"drop_{i}")
            for i, row in enumerate(self.rows)
        ]
        for number, (_, row, summands) in enumerate(self._each_block()):
            make = self._maker(row)
            self.convolutions += [
                make(
                    row.kernel,
                    stride=row.stride if i == 0 else 1,
                    dilation=row.dilation,
                    bands=row.bands,
                    l2=self.l2,
                    name=f"block_{number}_{i}",
                )
                for i in range(row.repeats)
            ]
            self.branches += [
                make(1, stride=row.stride, name=f"block_{number}_residual_{i}")
                for i in range(summands)
            ]

    def _maker(self, row: Row) -> Callable[..., NormalizedConvolution]:
        """Makes a convolution of a row by its kernel and what else it is told."""
        return partial(
            NormalizedConvolution,
            row.channels,
            kind=row.kind,
            normalization=self.normalization,
            momentum=self.momentum,
            epsilon=self.epsilon,
            scale_l2=self.l2,
            dtype=self.dtype_policy,
        )

    def _each_block(self) -> Iterator[tuple[int, Row, int]]:
        """Of each block the number of its row, the row, and how much is added."""
        dense = 0
        for number, row in enumerate(self.rows):
            for _ in range(row.blocks):
                dense += row.residual == "dense"
                yield number, row, {"none": 0, "plain": 1, "dense": dense}[row.residual]

    def _blocks(self) -> Iterator[Block]:
        convolutions, branches = iter(self.convolutions), iter(self.branches)
        for number, row, summands in self._each_block():
            yield Block(
                row,
                list(islice(convolutions, row.repeats)),
                list(islice(branches, summands)),
                self.drops[number],
            )

    def build(self, input_shape: Shape, *_: Shape) -> None:
        shape, dense = input_shape, list[Shape]()
        for block in self._blocks():
            shape = _shape_for(block.row, shape)
            added = _added(block.row, shape, dense)
            for branch, source in zip(block.branches, added, strict=True):
                branch.build(source)
            for convolution in block.convolutions:
                convolution.build(shape)
                shape = convolution.compute_output_shape(shape)

    def call(
        self, inputs: Tensor, mask: Tensor, training: bool | None = None
    ) -> EncoderOutput:
        x, dense = ops.cast(inputs, self.compute_dtype), list[Tensor]()
        for number, block in enumerate(self._blocks()):
            x = _as_read(block.row, x)
            added = _added(block.row, x, dense)
            shortcut = self._sum(block, added, mask, training)
            x, mask = self._convolve(block, x, mask, shortcut, number, training)
        x = _flat(x)
        return EncoderOutput(apply_mask(x, mask), mask)

    def _sum(
        self, block: Block, added: list[Tensor], mask: Tensor, training: bool | None
    ) -> Tensor | None:
        """What a residual adds, None for nothing."""
        pairs = zip(block.branches, added, strict=True)
        terms = [branch(x, mask, training=training)[0] for branch, x in pairs]
        return sum(terms[1:], start=terms[0]) if terms else None

    def _convolve(
        self,
        block: Block,
        x: Tensor,
        mask: Tensor,
        shortcut: Tensor | None,
        number: int,
        training: bool | None,
    ) -> tuple[Tensor, Tensor]:
        last = len(block.convolutions) - 1
        for i, convolution in enumerate(block.convolutions):
            x, mask = convolution(x, mask, training=training)
            if i == last and shortcut is not None:
                x = self._joined(x, shortcut, number, training)
            x = block.drop(clipped_relu(x, self.ceiling), training=training)
        return x, mask

    def _joined(
        self, x: Tensor, shortcut: Tensor, number: int, training: bool | None
    ) -> Tensor:
        """The sum of a block and its shortcut, or the shortcut alone."""
        if number == self.without_block:
            return shortcut
        if training and self.drop_block:
            drawn = keras.random.uniform(
                (ops.shape(x)[0], *(1 for _ in x.shape[1:])), seed=self.seed_generator
            )
            x = ops.where(drawn < self.drop_block, ops.zeros_like(x), x)
        return x + shortcut

    @property
    def time_stride(self) -> int:
        return math.prod(row.stride**row.blocks for row in self.rows)

    @property
    def context_frames(self) -> int | None:
        if self.normalization == "instance":
            return None
        frames, stride = 0, 1
        for _, row, _ in self._each_block():
            reach = (row.kernel - 1) * row.dilation
            side = reach if row.kind == "causal" else -(-reach // 2)
            frames += side * stride * (1 + (row.repeats - 1) * row.stride)
            stride *= row.stride
        return frames

    def output_lengths(self, lengths: Tensor) -> Tensor:
        for _, row, _ in self._each_block():
            lengths = strided_lengths(lengths, row.stride)
        return lengths

    @staticmethod
    def scaled_settings(part: partial[Any]) -> dict[str, Any]:
        """Narrow, and of rows that differ in sizes alone the first two."""
        table = {name: part.keywords.get(name, ()) for name in TDNNEncoder.TABLE}
        alike = ("kinds", "residuals", "strides", "dilations")
        seen: Counter[tuple[Any, ...]] = Counter()
        kept = []
        for place, kind in enumerate(zip(*(table[n] for n in alike), strict=True)):
            seen[kind] += 1
            kept += [place] if seen[kind] <= 2 else []
        small = {n: tuple(c[i] for i in kept) for n, c in table.items() if c}
        wide = sorted(set(small["channels"]))
        return small | {
            "channels": tuple(4 + 2 * wide.index(width) for width in small["channels"]),
            "blocks": tuple(1 for _ in kept),
            "repeats": tuple(min(count, 2) for count in small["repeats"]),
            "kernels": tuple(min(size, 5) for size in small["kernels"]),
        }

    def compute_output_shape(self, input_shape: Shape, *_: Shape) -> Shape:
        batch, time, *bands = input_shape
        width = self.channels[-1]
        if self.kinds[-1] == "conv2d":
            width *= bands[0]
        return (batch, time and self.output_lengths(time), width)


def _check_residuals(rows: Sequence[Row]) -> None:
    for row in rows:
        check_choice("residuals", row.residual, RESIDUALS)
    kinds = [row.kind == "conv2d" for row in rows]
    if kinds != sorted(kinds, reverse=True):
        raise ValueError("blocks of conv2d come first. Received: some after others")
    dense = [i for i, row in enumerate(rows) if row.residual == "dense"]
    if any(row.stride > 1 for row in rows[min(dense, default=len(rows)) :]):
        raise ValueError(
            "dense residuals add frames of one rate. Received: strides of "
            f"{[row.stride for row in rows]} with dense residuals in rows {dense}"
        )


def _added(row: Row, x: Any, dense: list[Any]) -> list[Any]:
    """What a residual of a block that reads `x` adds; keeps it for later ones."""
    if row.residual == "dense":
        dense.append(x)
        return list(dense)
    return [x] if row.residual == "plain" else []


def _as_read(row: Row, x: Tensor) -> Tensor:
    """`x` as the blocks of a row read it: (B, T, F, C) of "conv2d", (B, T, D) else."""
    if row.kind == "conv2d":
        return x if len(x.shape) == 4 else x[..., None]
    return _flat(x)


def _flat(x: Tensor) -> Tensor:
    """(B, T, F, C) as (B, T, F·C); anything else as it is."""
    if len(x.shape) == 3:
        return x
    batch, time = ops.shape(x)[:2]
    return ops.reshape(x, (batch, time, x.shape[2] * x.shape[3]))


def _shape_for(row: Row, shape: Shape) -> Shape:
    """The shape of `_as_read`."""
    if row.kind == "conv2d":
        return shape if len(shape) == 4 else (*shape, 1)
    return shape if len(shape) == 3 else (*shape[:2], shape[2] * shape[3])
