"""Two replicas of a tiny model, one of which overflows; prints what became of it.

Run by `test_loss_scaling.py` in a process of its own: the number of virtual devices is
fixed when TensorFlow starts.
"""

import json
import sys

import numpy as np

import tests.virtual_devices  # noqa: F401  # before a backend starts

# isort: split
import keras
import tensorflow as tf

from s2s_zoo.optimizers.loss_scaling import AutomaticLossScaleOptimizer

BURST = {"backoff": 500, "logmax": 50, 64.0: 50}


class Training:
    """A good step, a burst and a good step, each of 4 rows over two replicas.

    Args:
        algorithm: of the loss scale.
    """

    def __init__(self, algorithm: str | float) -> None:
        with tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]).scope():
            keras.utils.set_random_seed(0)
            self.model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
            inner = keras.optimizers.Adam(0.1, global_clipnorm=1.0, use_ema=True)
            self.optimizer = AutomaticLossScaleOptimizer(inner, algorithm)
            self.model.compile(self.optimizer, loss="mse")
            self.optimizer.build(self.model.trainable_variables)
        self.start = [v.numpy() for v in self.variables()]

    def variables(self) -> list[keras.Variable]:
        return [*self.model.variables, *self.optimizer.variables]

    def run(self, bad_row: int | None, burst: int) -> dict[str, object]:
        """From the start on.

        Args:
            bad_row: row that is NaN in every batch of the burst, None for none.
            burst: steps.
        """
        rng = np.random.default_rng(0)
        inputs = rng.normal(size=(burst + 2, 4, 3)).astype("float32")
        targets = inputs.sum(axis=2).reshape(-1, 1)
        if bad_row is not None:
            inputs[1:-1, bad_row] = np.nan
        for variable, value in zip(self.variables(), self.start, strict=True):
            variable.assign(value)
        rows = inputs.reshape(-1, 3), targets
        batches = tf.data.Dataset.from_tensor_slices(rows).batch(4)
        self.model.fit(batches, epochs=1, verbose=0)
        return self.found()

    def found(self) -> dict[str, object]:
        return {
            "weights": [w.tolist() for w in self.model.get_weights()],
            "scale": float(self.optimizer.dynamic_scale.numpy()),
            "updates": int(self.optimizer.iterations.numpy()),
            "skipped": float(self.optimizer.skipped_steps.numpy()),
            "overflowed": self.optimizer.overflowed(),
        }


if __name__ == "__main__":
    trainings = {algorithm: Training(algorithm) for algorithm in BURST}
    found = [
        [training.run(3, BURST[algorithm]), training.run(0, 1)]
        for algorithm, training in trainings.items()
    ]
    found[0] += [trainings["backoff"].run(3, 1), trainings["backoff"].run(None, 1)]
    json.dump(found, sys.stdout)
