"""The largest of many values, faster than sorting them."""

from keras import ops

from s2s_zoo.typing import Tensor

SIZES = (64, 48, 80, 50, 100, 40, 128, 96)
"""Values of a block, best first; the first that divides a vocabulary is taken."""


def largest(values: Tensor, count: int) -> tuple[Tensor, Tensor]:
    """The `count` largest of each row, as `ops.top_k` finds them.

    They lie in the `count` blocks whose own largest values are largest, so that only
    these blocks are sorted.

    Args:
        values: (R, V) float, V known.
        count: at most V.

    Returns:
        (R, count) values, largest first, and their int32 places in [0, V).
    """
    size = values.shape[-1]
    block = next((s for s in SIZES if size % s == 0), SIZES[0])
    if size <= 2 * count * block:
        best, places = ops.top_k(values, count)
        return best, ops.cast(places, "int32")
    missing = -size % block
    if missing:
        values = ops.pad(values, [(0, 0), (0, missing)], constant_values=-float("inf"))
    blocks = (size + missing) // block
    first = ops.arange(ops.shape(values)[0], dtype="int32")[:, None]
    values = ops.reshape(values, (-1, blocks, block))
    _, chosen = ops.top_k(ops.max(values, axis=2), count)
    chosen = ops.sort(ops.cast(chosen, "int32"), axis=1)
    found = ops.take(ops.reshape(values, (-1, block)), chosen + first * blocks, axis=0)
    best, places = ops.top_k(ops.reshape(found, (-1, count * block)), count)
    places = ops.cast(places, "int32")
    chosen = ops.take(
        ops.reshape(chosen, (-1,)), places // block + first * count, axis=0
    )
    return best, chosen * block + places % block
