"""Training steps of language models and classifiers of images, against plain PyTorch.

    python benchmarks/language_and_images.py resnet_small [--rows 64] [--side 64]
    python benchmarks/language_and_images.py lstm_lm_ptb_small [--rows 20]

Every contestant is a process that trains the same batches: of bytes, which are
normalized, or of tokens, where each window goes on from the state after the one before.
The network is that of the preset, with cross-entropy and momentum. Contestants take
turns step by step while the others sleep; the ratio of median step times is the result.
Above 1 the zoo is faster.
"""

import argparse
import json
import os

import numpy as np
from turns import Contestant, race, serve

BATCHES = 2
RATE = 1e-3
INPUTS = ("source", "source_lengths", "fresh")


def batches(task, rows):
    made = windows if task.name == "language_model" else images
    return made(task, rows, np.random.default_rng(0))


def windows(task, rows, rng):
    shape = (rows, task.window)
    lengths = np.full(rows, task.window, np.int32)
    for i in range(BATCHES):
        target = rng.integers(4, task.vocabulary_size, shape, np.int32)
        yield {
            "source": rng.integers(4, task.vocabulary_size, shape, np.int32),
            "source_lengths": lengths,
            "fresh": np.full(rows, i == 0),
            "target": target,
            "target_lengths": lengths,
            "weights": lengths.astype(np.float32),
        }


def images(task, rows, rng):
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
    smooth = "task.objective.label_smoothing"
    plain = {smooth: 0.0} if smooth in preset.settings() else {}
    return preset.with_settings({**penalties, **sizes, **plain})


def zoo_step(preset, rows):
    import keras

    if preset.task.name == "language_model":
        preset = preset.with_settings(
            {"recipe.batch": float(rows * preset.task.window)}
        )
    model = preset.build()
    model.compile(optimizer=keras.optimizers.SGD(RATE, momentum=0.9))

    def step(batch):
        target = {k: v for k, v in batch.items() if k not in INPUTS}
        inputs = {k: v for k, v in batch.items() if k in INPUTS or k == "target"}
        return float(model.train_on_batch(inputs, target, return_dict=True)["loss"])

    return step


def pytorch_step(preset, rows):
    import torch

    model = (lstm if preset.task.name == "language_model" else classifier)(preset)
    counted = sum(p.numel() for p in model.parameters() if p.requires_grad)
    assert counted == preset.parameters, (counted, preset.parameters)
    optimizer = torch.optim.SGD(model.parameters(), RATE, momentum=0.9)

    def step(batch):
        optimizer.zero_grad()
        scores = model(torch.from_numpy(batch["source"]))
        target = torch.from_numpy(batch["target"]).long().flatten()
        scores = scores.reshape(len(target), -1)
        loss = torch.nn.functional.cross_entropy(scores, target)
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def lstm(preset):
    from pytorch_language_model import LanguageModel

    found = preset.settings()
    return LanguageModel(
        preset.task.vocabulary_size,
        found["encoder.units"],
        found["encoder.hidden_dropout"],
        found["decoder.bias"],
    )


def classifier(preset):
    import torch
    from pytorch_images import Classifier

    encoder, task = preset.encoder(), preset.task
    settings = preset.settings()
    mean, deviation = (
        torch.tensor(settings[f"features.{name}"])[:, None, None]
        for name in ("mean", "deviation")
    )
    return Classifier(encoder, task, mean, deviation)


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
    rows = options.rows
    step, data = make(preset, rows), list(batches(preset.task, rows))
    for batch in data * 2:
        step(batch)
    serve(lambda i: step(data[i]), {})


def run(options):
    task = preset_of(options.preset).task
    each, unit = getattr(task, "window", 1), task.unit.name
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
            f"{name}: {options.rows * each / medians[name]:.0f} {unit}/s, ratio "
            f"{medians['pytorch'] / medians[name]:.2f}"
        )
    print(json.dumps({"median_seconds": medians, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
