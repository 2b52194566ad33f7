"""Steps of each kind of network on one device and on two; prints how far they differ.

Run by `test_devices.py` in a process of its own: the number of virtual devices is fixed
when a backend starts.
"""

import json
from contextlib import nullcontext

import tests.virtual_devices  # noqa: F401  # before a backend starts

# isort: split
import keras
import numpy as np

from s2s_zoo.distribution import devices
from tests.tiny import exact_model, topologies

ROWS = 3


def rows_of(task):
    """Inputs and targets of a batch of three examples or more."""
    budget = task.evaluation_budget / 170
    while len((batch := task.random_batch(budget)[0])[0]["source"]) < ROWS:
        budget *= 2
    return batch


def stepped(name: str, scope) -> dict:
    """Losses of two steps in which nothing is drawn, and the weights between them.

    After a second step rounding may have put an activation on the other side of a kink.
    """
    with scope:
        model = exact_model(name)
        model.compile(keras.optimizers.SGD(0.01), auto_scale_loss=False)
    inputs, target = rows_of(model.task)
    losses = [float(model.train_on_batch(inputs, target))]
    weights = np.concatenate(
        [keras.ops.convert_to_numpy(w).ravel() for w in model.trainable_variables]
    )
    losses.append(float(model.train_on_batch(inputs, target)))
    return {"losses": losses, "weights": weights}


def main() -> None:
    for name in topologies():
        one, two = (stepped(name, scope) for scope in (nullcontext(), devices(2)))
        difference = float(np.abs(one["weights"] - two["weights"]).max())
        losses = [one["losses"], two["losses"]]
        print(json.dumps([name, losses, difference]), flush=True)


if __name__ == "__main__":
    main()
