"""Two replicas of a tiny model, one of which overflows; prints what became of it.

Run by `test_loss_scaling.py` in a process of its own: the number of virtual devices is
fixed when TensorFlow starts.
"""

import json
import sys

import numpy as np
import tensorflow as tf

cpu = tf.config.list_physical_devices("CPU")[0]
tf.config.set_logical_device_configuration(
    cpu, [tf.config.LogicalDeviceConfiguration()] * 2
)

import keras  # noqa: E402

from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer  # noqa: E402


def train(algorithm: str | float, bad_row: int | None) -> dict[str, object]:
    """Three steps of 4 rows over two replicas; row `bad_row` of the second is NaN."""
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    inputs = np.random.default_rng(0).normal(size=(12, 3)).astype("float32")
    targets = inputs.sum(axis=1, keepdims=True)
    if bad_row is not None:
        inputs[4 + bad_row] = np.nan
    with strategy.scope():
        keras.utils.set_random_seed(0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        inner = keras.optimizers.Adam(0.1, global_clipnorm=1.0, use_ema=True)
        optimizer = AutomaticLossScaleOptimizer(inner, algorithm)
        model.compile(optimizer, loss="mse")
    batches = tf.data.Dataset.from_tensor_slices((inputs, targets)).batch(4)
    model.fit(batches, epochs=1, verbose=0)
    return {
        "weights": [w.tolist() for w in model.get_weights()],
        "scale": float(optimizer.dynamic_scale.numpy()),
        "updates": int(optimizer.iterations.numpy()),
        "skipped": float(optimizer.skipped_steps.numpy()),
        "overflowed": optimizer.overflowed(),
    }


if __name__ == "__main__":
    found = [
        train(algorithm, bad_row)
        for algorithm in ("backoff", "logmax", 64.0)
        for bad_row in (None, 0, 3)
    ]
    json.dump(found, sys.stdout)
