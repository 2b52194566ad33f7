"""The largest of many against a sort."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.search.selection import largest


@pytest.mark.parametrize("size", [7, 640, 1000, 1237, 10_000])
@pytest.mark.parametrize("kind", ["distinct", "few values", "mostly impossible"])
def test_largest_is_the_head_of_a_sort(size, kind):
    rng = np.random.default_rng(size)
    values = rng.normal(size=(5, size)).astype("float32")
    if kind == "few values":
        values = np.round(values)
    elif kind == "mostly impossible":
        values[:, rng.permutation(size)[3:]] = -np.inf
    count = min(6, size)
    best, places = map(
        ops.convert_to_numpy, largest(ops.convert_to_tensor(values), count)
    )
    np.testing.assert_array_equal(best, -np.sort(-values, axis=1)[:, :count])
    np.testing.assert_array_equal(np.take_along_axis(values, places, axis=1), best)
    assert all(len(set(row)) == count for row in places)
