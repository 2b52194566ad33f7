"""Trains with one device and with two replicas; prints how far the weights differ.

Run by `test_every_optimizer.py` in a process of its own: the number of virtual devices
is fixed when TensorFlow starts.
"""

import contextlib
import json

import numpy as np

import tests.virtual_devices  # noqa: F401  # before a backend starts

# isort: split
import keras
import tensorflow as tf

from s2s_zoo.optimizers.larc import momentum_larc
from s2s_zoo.optimizers.lazy_adam import LazyAdam
from s2s_zoo.optimizers.novograd import NovoGrad
from s2s_zoo.optimizers.own_rates import OwnRates

MAKE = {
    "larc": lambda: momentum_larc(0.1, eta=0.02),
    "novograd": lambda: NovoGrad(0.05, weight_decay=0.1),
    "own_rates": lambda: OwnRates(LazyAdam(0.05), (0.5, 1, 1), (2, 0, 1)),
}


def train(name, scope, eagerly=False):
    """All weights after two epochs of two batches."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, 9, (16, 5))
    targets = rng.normal(size=(16, 1)).astype("float32")
    keras.utils.set_random_seed(0)
    with scope:
        layers = [
            keras.Input((5,)),
            keras.layers.Embedding(10, 4),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
        model = keras.Sequential(layers)
        model.compile(MAKE[name](), loss="mse", run_eagerly=eagerly)
    model.fit(tokens, targets, batch_size=8, epochs=2, shuffle=False, verbose=0)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def difference(name, strategy):
    one = train(name, contextlib.nullcontext(), eagerly=True)
    return float(np.abs(train(name, strategy.scope()) - one).max())


if __name__ == "__main__":
    mirrored = tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"])
    print(json.dumps({name: difference(name, mirrored) for name in MAKE}))
