"""Training on devices: the one place that knows how a backend does it.

TensorFlow runs a step once per replica under `tf.distribute.MirroredStrategy`; JAX
runs one step on arrays that are split over the devices, and needs no more than that.
"""

import contextlib
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError
from s2s_zoo.typing import Tensor

Order: TypeAlias = Literal["channels_last", "channels_first"]
"""Of the dimensions of images."""


@contextlib.contextmanager
def devices(count: int) -> Iterator[None]:
    """Build and train models on the first `count` devices.

    Raises:
        UserError: fewer devices, or a backend that trains on one.
    """
    if count == 1:
        yield
        return
    names = _names(count)
    scope = _split_arrays if keras.backend.backend() == "jax" else _mirrored
    with scope(tuple(names)):
        yield


@contextlib.contextmanager
def _split_arrays(names: tuple[str, ...]) -> Iterator[None]:
    before = keras.distribution.distribution()
    split = keras.distribution.DataParallel(
        devices=list(names), auto_shard_dataset=False
    )
    keras.distribution.set_distribution(split)
    try:
        yield
    finally:
        keras.distribution.set_distribution(before)


def _mirrored(names: tuple[str, ...]) -> Any:
    return _strategy(names).scope()


@functools.cache
def _strategy(names: tuple[str, ...]) -> Any:
    """One strategy a process: the collectives of two get in each other's way."""
    import tensorflow as tf

    return tf.distribute.MirroredStrategy(names)


def _names(count: int) -> list[str]:
    backend = keras.backend.backend()
    found: list[str] = []
    if backend == "jax":
        found = keras.distribution.list_devices()
    elif backend == "tensorflow":
        import tensorflow as tf

        listed = (tf.config.list_logical_devices(kind) for kind in ("GPU", "CPU"))
        found = [device.name for device in next(filter(None, listed))]
    else:
        raise UserError(
            "Several devices need --backend tensorflow or jax. "
            f"Received: {count} devices with {backend}"
        )
    if count > len(found):
        raise UserError(
            f"{count} devices are more than there are: {', '.join(found)}. "
            f"Take --devices {len(found)} or fewer"
        )
    return found[:count]


@functools.cache
def image_order() -> Order:
    """The order of dimensions that convolutions of images are computed in here.

    PyTorch and, on a GPU, TensorFlow's float32 kernels take (B, C, H, W); from another
    order they copy. TensorFlow on a CPU takes (B, H, W, C) alone, and JAX compiles
    either to the same.
    """
    if keras.backend.backend() == "torch":
        return "channels_first"
    is_last = keras.backend.backend() == "jax" or convolves_by_onednn()
    return "channels_last" if is_last else "channels_first"


@functools.cache
def convolves_by_onednn() -> bool:
    """Whether oneDNN computes convolutions: of TensorFlow and PyTorch without a GPU."""
    if keras.backend.backend() == "jax":
        return False
    if keras.backend.backend() == "torch":
        import torch

        return not torch.cuda.is_available()
    import tensorflow as tf

    return not tf.config.list_logical_devices("GPU")


def replicas(model: keras.Model) -> int:
    """How many devices `model` was built for, each with rows of every batch."""
    if keras.backend.backend() == "tensorflow":
        return int(model.distribute_strategy.num_replicas_in_sync)
    return _split_over()


def rows_of_a_step(count: int) -> int:
    """Rows that a step sees of a batch of `count`, with those that `dealt` adds."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return -(-count // int(tf.distribute.get_strategy().num_replicas_in_sync))
    devices = _split_over()
    return -(-count // devices) * devices


def _split_over() -> int:
    """The devices that arrays are split over here."""
    current = keras.distribution.distribution()
    return int(np.prod(current.device_mesh.shape)) if current else 1


def keep_rows_apart(variable: keras.Variable) -> None:
    """Say that a replica writes rows of its own into `variable` (B, ...)."""
    variable.of_replica = True


def whole_value(variable: keras.Variable) -> NDArray[Any]:
    """The value of a variable; where replicas keep rows apart, those of all."""
    parts = [keras.ops.convert_to_numpy(part) for part in _parts(variable)]
    return np.concatenate(parts) if len(parts) > 1 else parts[0]


def assign_whole(variable: keras.Variable, value: NDArray[Any]) -> None:
    """Give a variable what `whole_value` gave."""
    parts = _parts(variable)
    if len(parts) == 1:
        variable.assign(value)
        return
    for part, rows in zip(parts, np.split(value, len(parts)), strict=True):
        part.assign(rows)


def whole_shape(variable: keras.Variable) -> tuple[int, ...]:
    """The shape of `whole_value`."""
    shape = tuple(variable.shape)
    count = len(_parts(variable))
    return (shape[0] * count, *shape[1:]) if count > 1 else shape


def _parts(variable: keras.Variable) -> Sequence[Any]:
    """The variable, or that of each replica where they keep rows apart."""
    if keras.backend.backend() != "tensorflow" or not hasattr(variable, "of_replica"):
        return [variable]
    return getattr(variable.value, "values", [variable])


def dealt(model: keras.Model, arrays: Any) -> Any:
    """A tree of arrays (B, ...), the rows of each dealt to the devices of `model`.

    Empty rows are added so that each device has as many.
    """
    count = replicas(model)

    def padded(array: NDArray[Any]) -> NDArray[Any]:
        missing = -len(array) % count
        return np.pad(array, [(0, missing), *([(0, 0)] * (array.ndim - 1))])

    arrays = keras.tree.map_structure(padded, arrays)
    if keras.backend.backend() != "tensorflow":
        return arrays
    return keras.tree.map_structure(
        lambda array: _per_replica(model, np.split(array, count)), arrays
    )


def shares(
    model: keras.Model, weight: Callable[[Any, Any], float], inputs: Any, target: Any
) -> Any:
    """What part of a batch each replica has, or None where no replica steps alone.

    Args:
        model: built for several devices.
        weight: what the loss of inputs and target, as arrays, is the mean over.
        inputs: as `dealt` returns them.
        target: likewise.
    """
    if keras.backend.backend() != "tensorflow":
        return None
    results = model.distribute_strategy.experimental_local_results
    weights = np.array(
        [
            weight(
                *keras.tree.map_structure(
                    lambda value, i=i: np.asarray(results(value)[i]), (inputs, target)
                )
            )
            for i in range(replicas(model))
        ],
        np.float32,
    )
    return _per_replica(model, list(weights / (weights.sum() or 1.0)))


def _per_replica(model: keras.Model, values: Sequence[Any]) -> Any:
    """One tensor of a value of its own for each replica."""
    return model.distribute_strategy.experimental_distribute_values_from_function(
        lambda context: keras.ops.convert_to_tensor(
            values[context.replica_id_in_sync_group]
        )
    )


def sum_gradients_first(optimizer: Any) -> None:
    """Let `optimizer` see the gradients summed over the replicas.

    Keras sums them last, after clipping, norms and loss scaling have seen those of
    one replica. The optimizer at the core then has nothing to sum.
    """
    apply = optimizer.apply

    def apply_sum(grads: Any, trainable_variables: Any = None) -> None:
        apply(summed(*grads), trainable_variables)

    optimizer.apply = apply_sum
    _innermost(optimizer)._all_reduce_sum_gradients = list


def sums_first(optimizer: Any) -> bool:
    """Whether `sum_gradients_first` was asked of an optimizer or one around it."""
    return "_all_reduce_sum_gradients" in vars(_innermost(optimizer))


def _innermost(optimizer: Any) -> Any:
    while hasattr(optimizer, "inner_optimizer"):
        optimizer = optimizer.inner_optimizer
    return optimizer


def summed(*values: Tensor | None) -> list[Tensor | None]:
    """Each value summed over the replicas, where a step runs once on each."""
    if not replicated():
        return list(values)
    import tensorflow as tf

    context = tf.distribute.get_replica_context()
    known = [value for value in values if value is not None]
    total = iter(context.all_reduce(tf.distribute.ReduceOp.SUM, known))
    return [None if value is None else next(total) for value in values]


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
