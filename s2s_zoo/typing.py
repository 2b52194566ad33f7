"""Types and the dimension letters every docstring uses.

B batch · S audio samples · T source time · U target time · D features · V vocabulary
"""

from typing import Any, NamedTuple, TypeAlias, TypedDict

Tensor: TypeAlias = Any
"""A tensor of whichever backend runs; Keras has no public static type for it."""

Shape: TypeAlias = tuple[Any, ...]
"""Sizes of a tensor; None where a size is not known before it runs."""


class EncoderOutput(NamedTuple):
    """What an encoder gives a decoder: the memory it reads.

    Attributes:
        sequence: (B, T, D) encoded source; zero wherever `mask` is False.
        mask: (B, T) bool, True on real frames.
        state: final state of a recurrent encoder, None for the others.
    """

    sequence: Tensor
    mask: Tensor
    state: Tensor | None = None


class LayerKwargs(TypedDict, total=False):
    """Keyword arguments every layer passes on to `keras.layers.Layer`."""

    name: str
    dtype: Any
    trainable: bool
    autocast: bool
