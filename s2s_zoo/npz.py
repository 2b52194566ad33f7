"""Archives of NumPy arrays that others wrote: read without believing them.

`numpy.load` makes room for as much as a header claims, and lets every error of the
layers below through.
"""

import io
import lzma
import math
import struct
import tokenize
import zipfile
import zlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAX_BYTES = 1 << 30
"""Of an array that is compressed, which may be a thousandth of that in the file."""

_NUMBERS = "biuf"
_DAMAGE: tuple[type[Exception], ...] = (
    *(
        zipfile.BadZipFile,
        zlib.error,
        lzma.LZMAError,
        struct.error,
        tokenize.TokenError,
    ),
    *(OSError, EOFError, RuntimeError, ValueError, SyntaxError, TypeError, LookupError),
)
"""What the modules of the standard library and NumPy raise for it."""


def read_member(archive: zipfile.ZipFile, name: str) -> bytes:
    """The content of a file in an archive.

    Raises:
        ValueError: no such file, damaged, or of more than `MAX_BYTES` unpacked.
    """
    try:
        member = archive.getinfo(name)
        is_packed = member.compress_type != zipfile.ZIP_STORED
        if is_packed and member.file_size > MAX_BYTES:
            raise ValueError(f"claims {member.file_size} B")
        return archive.read(member)
    except _DAMAGE as error:
        raise ValueError(f"{name!r} is damaged: {error}") from error


def parse_array(content: bytes) -> NDArray[Any]:
    """The numbers of an .npy file, for which no more is allocated than it holds.

    Raises:
        ValueError: damaged, or it holds something else.
    """
    stream = io.BytesIO(content)
    try:
        shape, fortran, dtype = _header(stream)
    except _DAMAGE as error:
        raise ValueError(f"no header of an array: {error}") from error
    if dtype.kind not in _NUMBERS or not all(size >= 0 for size in shape):
        raise ValueError(f"want numbers, received {dtype} {shape}")
    data = stream.read()
    if len(data) != math.prod(shape) * dtype.itemsize:
        raise ValueError(f"{len(data)} bytes are not {dtype} {shape}")
    order: Any = "F" if fortran else "C"
    return np.frombuffer(data, dtype).reshape(shape, order=order)


def parse_archive(content: bytes) -> dict[str, NDArray[Any]]:
    """The arrays of an .npz file by name.

    Raises:
        ValueError: damaged, or one of them holds no numbers.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            contents = {n: read_member(archive, n) for n in archive.namelist()}
    except _DAMAGE as error:
        raise ValueError(str(error)) from error
    return {n.removesuffix(".npy"): parse_array(c) for n, c in contents.items()}


def _header(stream: io.BytesIO) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(stream)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(stream)
    return np.lib.format.read_array_header_2_0(stream)
