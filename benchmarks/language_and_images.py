"""Training steps of classifiers of images against plain PyTorch, in turns.

    python benchmarks/language_and_images.py resnet_small [--rows 64] [--side 64]

Every contestant is a process that trains the same batches of bytes: normalization, the
network of the preset, cross-entropy, momentum. Contestants take turns step by step
while the others sleep; the ratio of median step times is the result.
Above 1 the zoo is faster.
"""

import argparse
import json
import os

import numpy as np
from turns import Contestant, race, serve

BATCHES = 2
RATE = 1e-3


def batches(task, rows):
    rng = np.random.default_rng(0)
    shape = (rows, 1, *task.size, task.channels)
    for _ in range(BATCHES):
        yield {
            "source": rng.integers(0, 256, shape, np.uint8),
            "source_lengths": np.ones(rows, np.int32),
            "target": rng.integers(0, task.classes, (rows, 1), np.int32),
            "target_lengths": np.ones(rows, np.int32),
        }


def preset_of(name, side=0):
    """Without penalties, which PyTorch's optimizer would add by itself."""
    from s2s_zoo.registry import PRESETS

    preset = PRESETS.get(name)
    penalties = {path: 0.0 for path in preset.settings() if path.endswith("l2")}
    sizes = {"task.size": (side, side), "task.shorter_side": 0} if side else {}
    changes = {**penalties, **sizes, "task.objective.label_smoothing": 0.0}
    return preset.with_settings(changes)


def zoo_step(preset):
    import keras

    model = preset.build()
    model.compile(optimizer=keras.optimizers.SGD(RATE, momentum=0.9))

    def step(batch):
        inputs = {k: v for k, v in batch.items() if k.startswith("source")}
        target = {k: v for k, v in batch.items() if k.startswith("target")}
        return float(model.train_on_batch(inputs, target, return_dict=True)["loss"])

    return step


def pytorch_step(preset):
    import torch
    from pytorch_images import Classifier

    encoder, task = preset.encoder(), preset.task
    settings = preset.settings()
    mean, deviation = (
        torch.tensor(settings[f"features.{name}"])[:, None, None]
        for name in ("mean", "deviation")
    )
    model = Classifier(encoder, task, mean, deviation)
    counted = sum(p.numel() for p in model.parameters())
    assert counted == preset.parameters, (counted, preset.parameters)
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9)

    def step(batch):
        optimizer.zero_grad()
        scores = model(torch.from_numpy(batch["source"]))
        labels = torch.from_numpy(batch["target"][:, 0]).long()
        loss = torch.nn.functional.cross_entropy(scores, labels)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--backends", default="tensorflow,jax,torch")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--side", type=int, default=0, help="of images, in pixels")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if not options.contestant:
        run(options)
        return
    preset = preset_of(options.preset, options.side)
    make = pytorch_step if options.contestant == "pytorch" else zoo_step
    step, data = make(preset), list(batches(preset.task, options.rows))
    for batch in data * 2:
        step(batch)
    serve(lambda i: step(data[i]), {})


def run(options):
    names = ["pytorch", *options.backends.split(",")]
    contestants = {}
    for name in names:
        environment = {} if name == "pytorch" else {"KERAS_BACKEND": name}
        arguments = [options.preset, "--contestant", name]
        arguments += ["--rows", str(options.rows), "--side", str(options.side)]
        contestants[name] = Contestant(__file__, arguments, **environment)
    race(contestants, options.steps, BATCHES)
    medians = {name: found.median for name, found in contestants.items()}
    for name in names:
        print(
            f"{name}: {options.rows / medians[name]:.0f} images/s, ratio "
            f"{medians['pytorch'] / medians[name]:.2f}"
        )
    print(json.dumps({"median_seconds": medians, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
