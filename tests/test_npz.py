"""Archives of arrays: what NumPy wrote is read, what is damaged is named."""

import io
import zipfile

import numpy as np
import pytest

from s2s_zoo import npz
from s2s_zoo.npz import parse_archive, parse_array, read_member

HEADER = b"{'descr': '<f4', 'fortran_order': False, 'shape': (2, 2), }"


def npy(header: bytes, data: bytes = bytes(16)) -> bytes:
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


def packed(content: bytes, method: int = zipfile.ZIP_STORED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", method) as archive:
        archive.writestr("a.npy", content)
    return stream.getvalue()


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float16", ">f8", "int8", "uint32", "bool"])
def test_arrays_are_those_of_numpy(dtype: str, order: str):
    array = np.asarray(np.arange(12).reshape(4, 3), dtype, order=order)
    stream = io.BytesIO()
    np.savez_compressed(stream, **{"a/b": array, "none": np.zeros((0, 3))})
    found = parse_archive(stream.getvalue())
    assert found["a/b"].dtype == array.dtype
    np.testing.assert_array_equal(found["a/b"], array)
    assert found["none"].shape == (0, 3)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        npy(b"{"),
        npy(b"'x\n"),
        npy(b"(" * 50),
        npy(b"{}"),
        npy(HEADER, bytes(15)),
        npy(HEADER.replace(b"(2, 2)", b"(-1, -4)")),
        npy(HEADER.replace(b"(2, 2)", b"(10**12, 4)")),
        npy(HEADER.replace(b"(2, 2)", b"(1000000000000, 4)")),
        npy(HEADER.replace(b"<f4", b"|O")),
        npy(HEADER.replace(b"<f4", b"<U1")),
        npy(HEADER.replace(b"<f4", b"nonsense")),
        npy(HEADER)[:30],
    ],
)
def test_what_is_no_array_is_refused(content: bytes):
    with pytest.raises(ValueError, match=r"\S"):
        parse_array(content)
    with pytest.raises(ValueError, match=r"\S"):
        parse_archive(packed(content))


@pytest.mark.parametrize("place", range(0, 240, 3))
def test_a_damaged_archive_is_refused_or_gives_the_numbers(place: int):
    content = bytearray(packed(npy(HEADER)))
    content[place % len(content)] ^= 0xFF
    try:
        found = parse_archive(bytes(content))
    except ValueError:
        return
    assert all(np.array_equal(a, np.zeros((2, 2))) for a in found.values())


def test_what_unpacks_to_more_than_is_read(monkeypatch: pytest.MonkeyPatch):
    content = packed(npy(HEADER, bytes(4000)), zipfile.ZIP_DEFLATED)
    monkeypatch.setattr(npz, "MAX_BYTES", 1000)
    with (
        zipfile.ZipFile(io.BytesIO(content)) as archive,
        pytest.raises(ValueError, match=r"'a\.npy' is damaged: claims 4\d\d\d B"),
    ):
        read_member(archive, "a.npy")
