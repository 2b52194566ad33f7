"""Where TensorFlow makes no graphs, and how it makes them sooner."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial

import keras


@contextmanager
def untraced() -> Iterator[None]:
    """TensorFlow computes step by step, where tracing takes longer than what is run."""
    if keras.backend.backend() != "tensorflow":
        yield
        return
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    try:
        yield
    finally:
        tf.config.run_functions_eagerly(False)


def as_written() -> None:
    """TensorFlow keeps no stack of each operation and runs graphs as they are traced.

    Stacks and optimizing take a seventh of a test of short trainings. What the command
    line starts in a process of its own keeps both.
    """
    if keras.backend.backend() != "tensorflow":
        return
    import tensorflow as tf
    from tensorflow.python.framework import ops

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    ops._create_c_op = partial(ops._create_c_op, extract_traceback=False)
