"""Masks over time: which frames of a padded batch are real."""

from keras import ops

from s2s_zoo.typing import Tensor


def sequence_mask(lengths: Tensor, size: Tensor | int) -> Tensor:
    """(B, size) bool, True on the first `lengths` (B,) positions of each row."""
    return (
        ops.arange(size, dtype="int32")[None, :] < ops.cast(lengths, "int32")[:, None]
    )


def mask_lengths(mask: Tensor) -> Tensor:
    """(B,) int32 lengths of a right-padded (B, T) mask."""
    return ops.sum(ops.cast(mask, "int32"), axis=1)


def apply_mask(inputs: Tensor, mask: Tensor) -> Tensor:
    """`inputs` (B, T, ...) with zeros where `mask` (B, T) is False."""
    axes = (1,) * (len(inputs.shape) - 2)
    shape = (-1, ops.shape(mask)[1], *axes)
    return inputs * ops.cast(ops.reshape(mask, shape), inputs.dtype)
