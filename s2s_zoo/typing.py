"""Types and the dimension letters every docstring uses.

B batch · S audio samples · T source time · U target time · D features · V vocabulary
"""

from typing import Any, NamedTuple, TypeAlias, TypedDict

from numpy.typing import NDArray

Tensor: TypeAlias = Any
"""A tensor of whichever backend runs; Keras has no public static type for it."""

Tensors: TypeAlias = dict[str, Tensor]
"""Tensors by name, such as the inputs of a batch or what a decoder gives."""

Arrays: TypeAlias = dict[str, NDArray[Any]]
"""Arrays by name, such as a batch on its way to a model."""

Shape: TypeAlias = tuple[Any, ...]
"""Sizes of a tensor; None where a size is not known before it runs."""


class EncoderOutput(NamedTuple):
    """What an encoder gives a decoder: the memory it reads.

    Attributes:
        sequence: (B, T, D) encoded source; zero wherever `mask` is False.
        mask: (B, T) bool, True on real frames.
        state: final states of a recurrent encoder, lowest layer first, None for the
            others.
        keys: (B, T, D) what attention compares with, where it is not `sequence`.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.encoders import EncoderOutput
        >>> memory = EncoderOutput(ops.ones((1, 5, 4)), ops.ones((1, 5), "bool"))
        >>> ops.shape(memory.sequence), memory.state, memory.keys
        ((1, 5, 4), None, None)
    """

    sequence: Tensor
    mask: Tensor
    state: Any = None
    keys: Tensor | None = None


class DecoderState(NamedTuple):
    """Where a decoder that writes step by step stands.

    R = B·K rows are being written, K next to each other for each source.

    Attributes:
        cache: tensors (R, ...) that follow a row when the rows of a source are
            reordered.
        memory: tensors (B, ...) of the sources, the same from start to end.
        position: int32 scalar, tokens read so far.
        history: tensors that every step writes to and no search reorders: the cache
            says what in them a row descends from.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.decoders import DecoderState
        >>> state = DecoderState(ops.zeros((6, 4)), memory=(), position=ops.array(0))
        >>> int(state._replace(position=state.position + 1).position)
        1
    """

    cache: Any
    memory: Any
    position: Tensor
    history: Any = ()


class LayerKwargs(TypedDict, total=False):
    """Keyword arguments every layer passes on to `keras.layers.Layer`."""

    name: str
    dtype: Any
    trainable: bool
    autocast: bool
