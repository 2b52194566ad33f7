"""What training on several devices needs of a backend."""

from collections.abc import Callable
from typing import Any

import keras

from s2s_zoo.typing import Tensor


def replicated() -> bool:
    """Whether a step runs under a tf.distribute strategy, once per replica."""
    if keras.backend.backend() != "tensorflow":
        return False
    import tensorflow as tf

    return bool(tf.distribute.has_strategy())


def largest_of_replicas(value: Tensor) -> Tensor:
    """The elementwise maximum of `value` (N,), free of NaN, over the replicas."""
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    return tf.reduce_max(context.all_gather(value[None], axis=0), axis=0)


def merged(function: Callable[..., None], *args: Any) -> None:
    """Call `function` once for all replicas, in cross-replica context.

    Args:
        function: takes `each`, which runs a function on every replica, and `args`.
        args: per-replica values; those equal on all replicas are read with `any_of`.
    """
    import tensorflow as tf

    if tf.__internal__.distribute.strategy_supports_no_merge_call():
        function(lambda inner, *rest: inner(*rest), *args)
        return

    def in_cross_replica(strategy: Any, *rest: Any) -> None:
        function(
            lambda inner, *given: strategy.extended.call_for_each_replica(
                inner, args=given
            ),
            *rest,
        )

    tf.distribute.get_replica_context().merge_call(in_cross_replica, args=args)


def any_of(value: Any) -> Tensor:
    """The value of one replica, of a value that all replicas share."""
    import tensorflow as tf

    return tf.distribute.get_strategy().experimental_local_results(value)[0]
