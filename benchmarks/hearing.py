"""Audio that recognizers hear in a second, beside plain PyTorch, in turns.

    python benchmarks/hearing.py quartznet_5x3 [--backends tensorflow,savedmodel]

Every contestant is a process that reads the same batches of raw audio and gives the
best symbol of every frame, joined to texts by all but plain PyTorch: the model of the
zoo on each backend, and what `s2s-zoo export --format savedmodel` writes, loaded by
TensorFlow alone. The ratio of median times is the result. Above 1 the zoo is faster.
"""

import argparse
import json
import os
import tempfile
from pathlib import Path

import numpy as np
from recognizers import ALPHABET, batches
from turns import Contestant, race, serve

SHAPES = ((8, 2.0), (4, 8.0), (1, 16.0))
RATE = 16000


def plain(preset):
    import torch
    from pytorch_tdnn import Recognizer

    model = Recognizer(preset, ALPHABET).eval()

    @torch.inference_mode()
    def hear(audio, lengths):
        return model(torch.from_numpy(audio), torch.from_numpy(lengths))[0].argmax(-1)

    return hear


def of_the_zoo(preset):
    from s2s_zoo import Seq2Seq

    model = Seq2Seq.from_preset(preset)
    runner = model.task.runner(model, model.task.search)

    def hear(audio, lengths):
        inputs = {"source": audio, "source_lengths": lengths}
        return runner.read(inputs, model.predict_on_batch(inputs))

    return hear


def saved(preset):
    import tensorflow as tf

    from s2s_zoo import Seq2Seq
    from s2s_zoo.export.savedmodel import write_saved_model

    model = Seq2Seq.from_preset(preset)
    with tempfile.TemporaryDirectory() as directory:
        write_saved_model(model.task.serving(model), Path(directory))
        loaded = tf.saved_model.load(directory)
    served = loaded.signatures["serving_default"]

    def hear(audio, lengths):
        return served(source=tf.constant(audio), source_lengths=tf.constant(lengths))

    return hear


MADE = {"pytorch": plain, "savedmodel": saved}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--backends", default="tensorflow,jax,torch,savedmodel")
    parser.add_argument("--steps", type=int, default=5, help="of each batch shape")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        hear = MADE.get(options.contestant, of_the_zoo)(options.preset)
        data = [(b["source"], b["source_lengths"]) for b in batches(SHAPES, 8)]
        for audio, lengths in data * 2:
            hear(audio, lengths)
        serve(lambda i: hear(*data[i]), {})
    else:
        compete(options)


def compete(options):
    contestants = {}
    for name in ["pytorch", *options.backends.split(",")]:
        backend = {"savedmodel": "tensorflow", "pytorch": "torch"}.get(name, name)
        wanted = [options.preset, "--contestant", name]
        contestants[name] = Contestant(__file__, wanted, KERAS_BACKEND=backend)
    race(contestants, options.steps * len(SHAPES), len(SHAPES))
    amount = sum(b["source_lengths"].sum() for b in batches(SHAPES, 8)) / RATE
    speeds = {}
    for name, found in contestants.items():
        medians = np.median(np.reshape(found.seconds, (-1, len(SHAPES))), axis=0)
        speeds[name] = float(amount / medians.sum())
    for name, speed in speeds.items():
        ratio = speed / speeds["pytorch"]
        print(f"{name}: {speed:.1f} s of audio a second, {ratio:.2f} of plain PyTorch")
    print(json.dumps({"audio_seconds_per_second": speeds, "cores": os.cpu_count()}))


if __name__ == "__main__":
    main()
