"""States that a training hands on."""

import numpy as np
from keras import ops
from keras.src.backend import AutocastScope

from s2s_zoo.layers.carry import Carry

EXAMPLES = {Carry: {"streams": 2, "width": 3}}
STATE = np.array([[1, 2, 3], [4, 5, 6]], "float32")


def carried(training, write=True):
    """What is read after a step has handed `STATE` on; the second stream is fresh."""
    layer = Carry(2, 3)
    layer.build()
    layer.write(STATE, training=write)
    return ops.convert_to_numpy(layer(np.array([False, True]), training=training))


def test_training_goes_on_from_what_was_written_where_no_stream_begins():
    np.testing.assert_array_equal(carried(training=True), [[1, 2, 3], [0, 0, 0]])


def test_elsewhere_every_row_starts_anew_and_nothing_is_written():
    np.testing.assert_array_equal(carried(training=False), np.zeros((2, 3)))
    np.testing.assert_array_equal(carried(training=True, write=False), np.zeros((2, 3)))


def test_a_layer_around_it_may_compute_in_float16():
    layer = Carry(2, 3)
    layer.build()
    fine = STATE + 2.0**-14
    with AutocastScope("float16"):
        layer.write(fine, training=True)
        found = layer(np.array([False, False]), training=True)
    np.testing.assert_array_equal(ops.convert_to_numpy(found), fine)
