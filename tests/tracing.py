"""Where TensorFlow makes no graphs."""

from collections.abc import Iterator
from contextlib import contextmanager

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
