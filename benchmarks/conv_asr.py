"""Training steps of convolutional recognizers against plain PyTorch, in turns.

    python benchmarks/conv_asr.py quartznet_5x3 [--backends tensorflow,jax,torch]

Every contestant is a process that trains the same batches of raw audio: mel features,
the network of the preset's table, CTC, Adam. Contestants take turns step by step while
the others sleep; the ratio of median step times is the result.
Above 1 the zoo is faster.
"""

import argparse
import json
import os

import numpy as np
from turns import Contestant, race, serve

SHAPES = ((16, 2.0), (12, 2.75), (8, 4.0))
ALPHABET = 28


def batches():
    rng = np.random.default_rng(0)
    for rows, seconds in SHAPES:
        samples, tokens = int(seconds * 16000), int(seconds * 12)
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


def pytorch_step(preset):
    import torch
    from pytorch_tdnn import Recognizer

    model = Recognizer(preset, ALPHABET)
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


def contestant(name, preset):
    step = pytorch_step(preset) if name == "pytorch" else zoo_step(preset)
    data = list(batches())
    for batch in data * 2:
        step(batch)
    serve(lambda i: step(data[i]), {})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--backends", default="tensorflow,jax,torch")
    parser.add_argument("--steps", type=int, default=8, help="of each batch shape")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contestant(options.contestant, options.preset)
        return
    names = ["pytorch", *options.backends.split(",")]
    backends = {name: {"KERAS_BACKEND": name} for name in names[1:]}
    contestants = {
        name: Contestant(
            __file__,
            [options.preset, "--contestant", name],
            **backends.get(name, {}),
        )
        for name in names
    }
    race(contestants, options.steps * len(SHAPES), len(SHAPES))
    medians = {name: found.median for name, found in contestants.items()}
    for name in names[1:]:
        ratio = medians["pytorch"] / medians[name]
        print(
            f"{name}: {medians[name]:.3f} s a step, plain PyTorch "
            f"{medians['pytorch']:.3f} s, ratio {ratio:.2f}"
        )
    print(json.dumps({"median_seconds": medians, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
