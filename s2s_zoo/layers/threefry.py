"""Random numbers that are a function of what they are for, on every backend the same.

Threefry-2x32 with 20 rounds (Salmon et al., "Parallel random numbers: as easy as 1, 2,
3", SC 2011), in int32, whose overflow wraps on all backends.
"""

from keras import ops

from s2s_zoo.typing import Tensor

ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA


def threefry(
    key: tuple[Tensor, Tensor], counter: tuple[Tensor, Tensor]
) -> tuple[Tensor, Tensor]:
    """Two words of 32 random bits, as int32, from two words of key and of counter.

    Args:
        key: int32 tensors of shapes that broadcast with those of `counter`.
        counter: int32 tensors.
    """
    third = ops.bitwise_xor(ops.bitwise_xor(*key), ops.cast(PARITY, "int32"))
    keys = (*key, third)
    left, right = counter[0] + keys[0], counter[1] + keys[1]
    for block in range(5):
        for rotation in ROTATIONS[4 * (block % 2) :][:4]:
            left = left + right
            right = ops.bitwise_xor(_rotate(right, rotation), left)
        left = left + keys[(block + 1) % 3]
        right = right + keys[(block + 2) % 3] + (block + 1)
    return left, right


def uniform(word: Tensor) -> Tensor:
    """Float32 numbers in (0, 1], multiples of 2⁻²⁴, from int32 words."""
    bits = ops.bitwise_and(ops.right_shift(word, 8), 0xFFFFFF)
    return (ops.cast(bits, "float32") + 1.0) * 2.0**-24


def _rotate(word: Tensor, places: int) -> Tensor:
    """`word` with its bits rotated to the left."""
    high = ops.left_shift(word, places)
    low = ops.bitwise_and(ops.right_shift(word, 32 - places), 2**places - 1)
    return ops.bitwise_or(high, low)
