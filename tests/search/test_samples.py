"""Samples drawn by Gumbel's noise."""

import numpy as np
from keras import ops

from s2s_zoo.layers.threefry import threefry, uniform
from s2s_zoo.search.samples import _chosen

SAMPLE, CLASS = 102_026, 245
"""Of whose number the noise of seed 0 is the largest there is."""


def test_the_largest_noise_does_not_make_a_click():
    position = ops.convert_to_tensor(np.int32(SAMPLE))
    entry = ops.arange(256, dtype="int32")
    key = (ops.zeros_like(position), ops.zeros_like(position))
    drawn = ops.convert_to_numpy(uniform(threefry(key, (position, entry))[0]))
    assert drawn[CLASS] == 1.0
    logits = np.full((1, 256), -60.0, "float32")
    logits[0, 7] = 0.0
    fixed = {"temperature": 1.0, "seed": 0}
    found = _chosen(ops.convert_to_tensor(logits), fixed, position)
    assert ops.convert_to_numpy(found).tolist() == [7]
