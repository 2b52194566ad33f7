"""The IDX format of MNIST: arrays of bytes behind a header of their shape."""

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError

UNSIGNED_BYTE = 8
MAX_BYTES = 1 << 30


def read_idx(path: Path) -> NDArray[np.uint8]:
    """The array of a file, plain or in gzip (.gz).

    Raises:
        UserError: it cannot be read, or is no array of bytes of the stated shape.
    """
    content = read_content(path)
    try:
        zeros, kind, dimensions = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
    except struct.error as error:
        raise UserError(f"{path}: no header of IDX: {error}") from error
    data = content[4 + 4 * dimensions :]
    if (zeros, kind) != (0, UNSIGNED_BYTE) or not shape:
        begin = content[:4].hex()
        raise UserError(f"{path}: want IDX of unsigned bytes. It begins with {begin}")
    if len(data) != math.prod(shape):
        raise UserError(f"{path}: {len(data)} bytes are not an array {shape}")
    return np.frombuffer(data, np.uint8).reshape(shape)


def read_content(path: Path) -> bytes:
    """The bytes of a file, unpacked where it ends in .gz; up to 1 GiB.

    Raises:
        UserError: it cannot be read, is damaged, or too large.
    """
    try:
        with path.open("rb") as packed, _unpacked(packed, path) as file:
            content: bytes = file.read(MAX_BYTES + 1)
    except (OSError, EOFError, zlib.error) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from error
    if len(content) > MAX_BYTES:
        raise UserError(f"{path}: more than {MAX_BYTES} bytes")
    return content


def _unpacked(file: BinaryIO, path: Path) -> BinaryIO:
    is_packed = path.suffix == ".gz"
    return cast(BinaryIO, gzip.GzipFile(fileobj=file)) if is_packed else file
