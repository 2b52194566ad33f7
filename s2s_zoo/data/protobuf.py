"""The wire format of protocol buffers, as far as SentencePiece models use it.

https://protobuf.dev/programming-guides/encoding
"""

from collections.abc import Iterator

_LONGEST = 10
"""Bytes of an integer."""


def message_fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The numbers and values of the fields of a message, in their order.

    Integers come as they are; strings, messages inside and numbers of fixed size as
    their bytes.

    Raises:
        ValueError: it is cut.
    """
    place = 0
    while place < len(message):
        tag, place = _varint(message, place)
        wire, size = tag & 7, 0
        if wire == 0:
            value, place = _varint(message, place)
            yield tag >> 3, value
            continue
        if wire == 2:
            size, place = _varint(message, place)
        else:
            size = 8 if wire == 1 else 4
        if place + size > len(message):
            raise ValueError("a message is cut")
        yield tag >> 3, message[place : place + size]
        place += size


def _varint(message: bytes, place: int) -> tuple[int, int]:
    value = shift = 0
    for byte in message[place : place + _LONGEST]:
        value |= (byte & 0x7F) << shift
        shift, place = shift + 7, place + 1
        if not byte & 0x80:
            return value, place
    raise ValueError("a message is cut")
