"""Walks along links, all at once."""

import tensorflow as tf


def followed(first: tf.Tensor, jump: tf.Tensor, longest: tf.Tensor) -> tf.Tensor:
    """Which places are met on the way, in a logarithmic number of rounds.

    Each round goes twice as far as the one before (Wyllie, 1979).

    Args:
        first: where walks begin (M,) bool.
        jump: the place after each place (M,) int64; an end follows itself.
        longest: links of the longest walk at most.

    Returns:
        (M,) bool.
    """
    count = tf.size(jump)

    def double(
        reach: tf.Tensor, met: tf.Tensor, jump: tf.Tensor
    ) -> tuple[tf.Tensor, ...]:
        further = tf.math.unsorted_segment_max(tf.cast(met, tf.int32), jump, count)
        return reach * 2, met | (further > 0), tf.gather(jump, jump)

    state = (tf.constant(1, tf.int64), first, jump)
    longest = tf.cast(longest, tf.int64)
    return tf.while_loop(lambda reach, *_: reach <= longest, double, state)[1]
