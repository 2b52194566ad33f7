"""Threefry against the known answers of its authors."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.threefry import threefry, uniform


def words(*values):
    return tuple(
        ops.convert_to_tensor(np.array([v], "uint32").view("int32")) for v in values
    )


# kat_vectors of Random123: threefry2x32 with 20 rounds
@pytest.mark.parametrize(
    ("counter", "key", "answer"),
    [
        ((0, 0), (0, 0), (0x6B200159, 0x99BA4EFE)),
        ((2**32 - 1,) * 2, (2**32 - 1,) * 2, (0x1CB996FC, 0xBB002BE7)),
        (
            (0x243F6A88, 0x85A308D3),
            (0x13198A2E, 0x03707344),
            (0xC4923A9C, 0x483DF7A0),
        ),
    ],
)
def test_known_answers(counter, key, answer):
    found = threefry(words(*key), words(*counter))
    found = [int(ops.convert_to_numpy(word).view("uint32")[0]) for word in found]
    assert found == list(answer)


def test_uniform_takes_the_upper_bits_and_is_never_zero():
    word = np.array([0, 0xFF, 0x100, 0x80000000, 0xFFFFFFFF], "uint32").view("int32")
    found = ops.convert_to_numpy(uniform(ops.convert_to_tensor(word)))
    expected = np.array([1, 1, 2, 2**23 + 1, 2**24]) / 2**24
    np.testing.assert_array_equal(found, expected)
