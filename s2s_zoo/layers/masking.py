"""Masks over time: which frames of a padded batch are real."""

from keras import ops

from s2s_zoo.typing import Tensor


def sequence_mask(lengths: Tensor, size: Tensor | int) -> Tensor:
    """(B, size) bool, True on the first `lengths` (B,) positions of each row.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import sequence_mask
        >>> print(ops.convert_to_numpy(sequence_mask(ops.array([3, 1]), 4)).astype(int))
        [[1 1 1 0]
         [1 0 0 0]]
    """
    return (
        ops.arange(size, dtype="int32")[None, :] < ops.cast(lengths, "int32")[:, None]
    )


def mask_lengths(mask: Tensor) -> Tensor:
    """(B,) int32 lengths of a right-padded (B, T) mask.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import mask_lengths, sequence_mask
        >>> mask = sequence_mask(ops.array([3, 1]), 4)
        >>> print(ops.convert_to_numpy(mask_lengths(mask)))
        [3 1]
    """
    return ops.sum(ops.cast(mask, "int32"), axis=1)


def apply_mask(inputs: Tensor, mask: Tensor) -> Tensor:
    """`inputs` (B, T, ...) with zeros where `mask` (B, T) is False.

    Example:
        >>> from keras import ops
        >>> from s2s_zoo.layers import apply_mask, sequence_mask
        >>> y = apply_mask(ops.ones((2, 4, 1)), sequence_mask(ops.array([3, 1]), 4))
        >>> print(ops.convert_to_numpy(y[..., 0]))
        [[1. 1. 1. 0.]
         [1. 0. 0. 0.]]
    """
    axes = (1,) * (len(inputs.shape) - 2)
    shape = (-1, ops.shape(mask)[1], *axes)
    return inputs * ops.cast(ops.reshape(mask, shape), inputs.dtype)


def reached(mask: Tensor, place: Tensor, ahead: Tensor) -> Tensor:
    """(B, T) entries of `mask` (B, T) that attention may go to from `place` (B,).

    Args:
        mask: real entries of the sources.
        place: int32 entries attended to in the step before.
        ahead: int32 scalar, how far it may move; 0 for anywhere.
    """
    entry = ops.arange(ops.shape(mask)[1], dtype="int32")[None]
    distance = entry - place[:, None]
    near = ops.logical_and(distance >= 0, distance <= ahead)
    return ops.logical_and(mask, ops.logical_or(ahead == 0, near))
