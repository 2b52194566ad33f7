"""What tells one source from another when outputs are drawn."""

from keras import ops

from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.layers.threefry import threefry
from s2s_zoo.typing import Tensor

STEPS = 2.0**15
"""Real numbers are told apart in steps of a 16-bit sample."""


def content_keys(source: Tensor, lengths: Tensor) -> Tensor:
    """(B,) int32 hashes of what sources hold, whatever their place and padding.

    Args:
        source: (B, S) int32 tokens or float samples, or (B, S, D).
        lengths: (B,) int32 real entries of each.
    """
    source = ops.convert_to_tensor(source)
    if "int" not in str(source.dtype):
        source = ops.round(ops.cast(source, "float32") * STEPS)
    entries = ops.cast(source, "int32")
    size = ops.shape(entries)[1]
    while len(entries.shape) > 2:
        entries = _summed(entries)
    place = ops.arange(size, dtype="int32")[None]
    mixed, _ = threefry((entries, place), (place, ops.zeros_like(entries)))
    real = sequence_mask(lengths, size)
    return ops.sum(ops.where(real, mixed, 0), axis=1)


def _summed(entries: Tensor) -> Tensor:
    """(B, S, ...) with the last dimension hashed away."""
    place = ops.arange(entries.shape[-1], dtype="int32")
    mixed, _ = threefry((entries, place), (place, ops.zeros_like(entries)))
    return ops.sum(mixed, axis=-1)
