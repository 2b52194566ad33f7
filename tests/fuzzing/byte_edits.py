"""Files with something wrong in them, whatever they hold."""

import struct
from collections.abc import Callable
from random import Random

HEADER = 256
"""Bytes in which headers lie."""

SIZES = (0, 1, 127, 128, 255, 2**15, 2**16 - 1, 2**31 - 1, 2**31, 2**32 - 1, 2**63)


def mutate_bytes(content: bytes, random: Random) -> bytes:
    """The content with bits, bytes or sizes changed."""
    edits: tuple[Callable[[bytes, Random], bytes], ...]
    edits = (_flip, _truncate, _insert, _repeat, _blank, _size, _size)
    return random.choice(edits)(content, random)


def _place(content: bytes, random: Random) -> int:
    """Somewhere, more often in the header."""
    limit = len(content) if random.random() < 0.5 else min(HEADER, len(content))
    return random.randrange(limit + 1)


def _flip(content: bytes, random: Random) -> bytes:
    changed = bytearray(content or b"\0")
    for _ in range(random.choice((1, 1, 4, 30))):
        changed[min(_place(content, random), len(changed) - 1)] ^= (
            1 << random.randrange(8)
        )
    return bytes(changed)


def _truncate(content: bytes, random: Random) -> bytes:
    return content[: random.choice((0, 1, _place(content, random), len(content) - 1))]


def _insert(content: bytes, random: Random) -> bytes:
    place = _place(content, random)
    return (
        content[:place] + random.randbytes(random.choice((1, 4, 999))) + content[place:]
    )


def _repeat(content: bytes, random: Random) -> bytes:
    place = _place(content, random)
    return (
        content[:place]
        + content[place : place + 64] * random.choice((2, 500))
        + content[place:]
    )


def _blank(content: bytes, random: Random) -> bytes:
    place, size = _place(content, random), random.choice((1, 8, 500))
    return content[:place] + bytes(size) + content[place + size :]


def _size(content: bytes, random: Random) -> bytes:
    """Another number where one might stand that says how much follows."""
    place, code = _place(content, random), random.choice("BHIQ")
    number = struct.pack(
        random.choice("<>") + code,
        random.choice(SIZES) % (1 << 8 * struct.calcsize(f"<{code}")),
    )
    return content[:place] + number + content[place + len(number) :]
