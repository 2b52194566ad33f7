"""What benchmarks of recognizers share: batches, steps, a race of processes."""

import argparse
import json
import os

import numpy as np
from turns import Contestant, race, serve

ALPHABET = 28


def batches(shapes, tokens_per_second):
    """Batches of (rows, seconds) of noise at 16 kHz."""
    rng = np.random.default_rng(0)
    for rows, seconds in shapes:
        samples, tokens = int(seconds * 16000), int(seconds * tokens_per_second)
        yield {
            "source": rng.normal(size=(rows, samples)).astype("float32") * 0.1,
            "source_lengths": rng.integers(samples * 9 // 10, samples, rows, "int32"),
            "target": rng.integers(0, ALPHABET, (rows, tokens), "int32"),
            "target_lengths": rng.integers(tokens // 2, tokens, rows, "int32"),
        }


def zoo_step(preset):
    import keras

    from s2s_zoo import Seq2Seq

    model = Seq2Seq.from_preset(preset)
    model.compile(optimizer=keras.optimizers.Adam(1e-4))

    def step(batch):
        names = ("source", "source_lengths")
        inputs = {k: v for k, v in batch.items() if k in names}
        target = {k: v for k, v in batch.items() if k not in names}
        return float(model.train_on_batch(inputs, target, return_dict=True)["loss"])

    return step


def pytorch_step(model):
    """Of a module that gives log-probabilities (B, T, V+1) and their frames (B,)."""
    import torch

    optimizer = torch.optim.Adam(model.parameters(), 1e-4)

    def step(batch):
        tensors = {k: torch.from_numpy(v) for k, v in batch.items()}
        optimizer.zero_grad()
        scores, frames = model(tensors["source"], tensors["source_lengths"].long())
        loss = torch.nn.functional.ctc_loss(
            scores.transpose(0, 1),
            tensors["target"].long(),
            frames,
            tensors["target_lengths"].long(),
            blank=ALPHABET,
            zero_infinity=True,
        )
        loss.backward()
        optimizer.step()
        return float(loss)

    return step


def run(script, description, shapes, tokens_per_second, steps, make_pytorch, preset=""):
    """Be a contestant, or race those that are asked for and print the ratios.

    Args:
        script: path of the benchmark.
        description: of it.
        shapes: (rows, seconds) of each batch.
        tokens_per_second: of transcripts.
        steps: default number of steps of each batch shape.
        make_pytorch: makes the plain module of a preset.
        preset: what is raced; an argument where it is empty.
    """
    parser = argparse.ArgumentParser(description=description)
    if not preset:
        parser.add_argument("preset")
    parser.add_argument("--backends", default="tensorflow,jax,torch")
    parser.add_argument("--steps", type=int, default=steps, help="of each batch shape")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    name = preset or options.preset
    if options.contestant:
        plain = options.contestant == "pytorch"
        step = pytorch_step(make_pytorch(name)) if plain else zoo_step(name)
        data = list(batches(shapes, tokens_per_second))
        for batch in data * 2:
            step(batch)
        serve(lambda i: step(data[i]), {})
        return
    _race(script, [] if preset else [name], options, len(shapes))


def _race(script, arguments, options, shapes):
    names = ["pytorch", *options.backends.split(",")]
    contestants = {}
    for name in names:
        environment = {} if name == "pytorch" else {"KERAS_BACKEND": name}
        wanted = [*arguments, "--contestant", name]
        contestants[name] = Contestant(script, wanted, **environment)
    race(contestants, options.steps * shapes, shapes)
    medians = {name: found.median for name, found in contestants.items()}
    for name in names[1:]:
        ratio = medians["pytorch"] / medians[name]
        print(
            f"{name}: {medians[name]:.3f} s a step, plain PyTorch "
            f"{medians['pytorch']:.3f} s, ratio {ratio:.2f}"
        )
    print(json.dumps({"median_seconds": medians, "cores": os.cpu_count()}))
