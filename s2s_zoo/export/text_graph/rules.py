"""Rules of normalization, found in many places of a text at once."""

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

LABEL = 1 << 31 | 0xFF
LEAF = 1 << 8
VALUE = (1 << 31) - 1


def longest_rules(
    data: tf.Tensor, units: NDArray[np.uint32]
) -> tuple[tf.Tensor, tf.Tensor]:
    """The longest rule that begins at each byte.

    Args:
        data: bytes (M,) int64, a zero at the end.
        units: double array (Yata et al., 2007) of the texts there are rules for, in
            the layout of darts-clone (https://github.com/s-yata/darts-clone); empty
            for none.

    Returns:
        Sizes of the texts found (M,) int64, 0 where none begins, and the values of
        their rules (M,) int64.
    """
    none = tf.zeros_like(data)
    if not len(units):
        return none, none
    array = tf.constant(units.astype(np.int64))

    def descend(
        depth: tf.Tensor, at: tf.Tensor, node: tf.Tensor, *found: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        """One byte further, from all bytes `at` which something may begin."""
        byte = tf.gather(data, at + depth)
        node = tf.bitwise.bitwise_xor(node, byte)
        unit = tf.gather(array, node)
        fits = unit & LABEL == byte
        at, node, unit = (tf.boolean_mask(x, fits) for x in (at, node, unit))
        node = tf.bitwise.bitwise_xor(node, _offset(unit))
        leaf = unit & LEAF > 0
        values = tf.gather(array, tf.boolean_mask(node, leaf)) & VALUE
        depth += 1
        new = (tf.zeros_like(values) + depth, values)
        ends = tf.boolean_mask(at, leaf)[:, None]
        update = tf.tensor_scatter_nd_update
        return (
            depth,
            at,
            node,
            update(found[0], ends, new[0]),
            update(found[1], ends, new[1]),
        )

    at = tf.range(tf.size(data, tf.int64))
    state = (tf.constant(0, tf.int64), at, none + _offset(array[0]), none, none)
    shapes = (tf.TensorShape([]), *[tf.TensorShape([None])] * 4)
    *_, sizes, values = tf.while_loop(
        lambda _, at, *__: tf.size(at) > 0, descend, state, shapes
    )
    return sizes, values


def _offset(unit: tf.Tensor) -> tf.Tensor:
    """Where the units after a unit lie, to be combined with its own place."""
    shift = tf.bitwise.right_shift(unit & 1 << 9, tf.constant(6, tf.int64))
    return tf.bitwise.left_shift(
        tf.bitwise.right_shift(unit, tf.constant(10, tf.int64)), shift
    )
