"""What is compiled to a graph, and for which shapes."""

from collections.abc import Callable, Generator, Iterator
from typing import Any

import keras

from s2s_zoo.typing import Shape

Step = Callable[[Any], Any]
"""Takes inputs, a target and a weight, as `train_step` of Keras does."""
Steps = Callable[[Iterator[Any]], Any]
"""Takes what comes from an iterator, as `train_function` of Keras does."""

OPEN = 2
"""Dimensions that differ from batch to batch: examples and time."""


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function of trees of tensors as one graph; PyTorch runs it as it is.

    What differs from call to call is open; sizes it has to know must not.
    """
    if keras.backend.backend() == "jax":
        import jax

        return jax.jit(function)
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False, reduce_retracing=True)
    return function


def traced_once(step: Step, steps: Steps, source_shape: Shape) -> Steps:
    """A step whose graph does not know how many examples and steps of time there are.

    Left to itself, TensorFlow traces the first shape it meets for itself and all others
    together. The two round differently: a training would end in other bits where it
    went on with a batch of another shape than it began with.

    It is one graph: Keras has graphs inside of graphs, which take a fifth longer.

    Args:
        step: on inputs with a `source`, a target and a weight.
        steps: of Keras, for what is no generator and where nothing is traced.
        source_shape: of a source, None where it is open.
    """
    import tensorflow as tf

    traced = tf.function(step, autograph=False)
    known: set[Any] = set()

    def taken(batches: Iterator[Any]) -> Any:
        given = isinstance(batches, Generator)  # `fit` has an iterator of TensorFlow
        if not given or tf.config.functions_run_eagerly():
            return steps(batches)
        data = tf.nest.map_structure(_tensor, next(batches))
        specs = tf.nest.map_structure(_open, data)
        specs[0]["source"] = tf.TensorSpec(source_shape, data[0]["source"].dtype)
        kind = tuple(tf.nest.flatten(specs))
        if kind not in known:
            traced.get_concrete_function(specs)
            known.add(kind)
        return traced(data)

    return taken


def _tensor(value: Any) -> Any:
    import tensorflow as tf

    return None if value is None else tf.convert_to_tensor(value)


def _open(tensor: Any) -> Any:
    import tensorflow as tf

    if tensor is None:
        return None
    shape = [None if i < OPEN else size for i, size in enumerate(tensor.shape)]
    return tf.TensorSpec(shape, tensor.dtype)
