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

BURST = {"backoff": 500, "logmax": 50, 64.0: 50}


def train(algorithm: str | float, bad_row: int | None, burst: int) -> dict[str, object]:
    """A good step, a burst and a good step, each of 4 rows over two replicas.

    Args:
        algorithm: of the loss scale.
        bad_row: row that is NaN in every batch of the burst, None for none.
        burst: steps.
    """
    strategy = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(burst + 2, 4, 3)).astype("float32")
    targets = inputs.sum(axis=2).reshape(-1, 1)
    if bad_row is not None:
        inputs[1:-1, bad_row] = np.nan
    inputs = inputs.reshape(-1, 3)
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
        [train(algorithm, 3, long), train(algorithm, 0, 1)]
        for algorithm, long in BURST.items()
    ]
    found[0] += [train("backoff", 3, 1), train("backoff", None, 1)]
    json.dump(found, sys.stdout)
