"""Synthesis: steps of Tacotron 2 against plain PyTorch, and how fast it speaks.

    python benchmarks/synthesis.py [--backends tensorflow,jax,torch] [--steps 8]

Every contestant is a process that trains the layers of tacotron2_small on the same
frames: absolute errors, stops and guided attention, Adam with clipped gradients. They
take turns step by step while the others sleep; the ratio of mel frames a second, of the
median step of each shape, is the result. Above 1 the zoo is faster. Then each backend
speaks by itself: seconds of speech for a second of work of the frames, of Griffin-Lim
and of wavenet_small; above 1 is faster than real time. Nothing is learned before, so
that a sentence has as many frames as it may have.
"""

import argparse
import json
import os
import statistics
import time

import numpy as np
from turns import Contestant, race, serve

PRESET, VOCODER = "tacotron2_small", "wavenet_small"
SIZES = (192, 256, 384)
"""Frames of the longest row of each batch."""
FRAMES_PER_TOKEN = 5
TIMES = 5
SENTENCE = "Turn off the light in the garden, and close the window in the bedroom."
WORDS = ("frames", "griffin_lim", "wavenet")


def batches(seconds):
    """Batches of noise, so many seconds each with padding, a token for each 80 ms."""
    from s2s_zoo.data.voices import stops
    from s2s_zoo.registry import PRESETS

    rng, task = np.random.default_rng(0), PRESETS.get(PRESET).task
    for size in SIZES:
        rows = max(1, int(seconds * task.spectrogram.frame_rate / size))
        lengths = rng.integers(size * 3 // 4, size + 1, rows, "int32")
        tokens = (lengths // FRAMES_PER_TOKEN).astype("int32")
        frames = rng.uniform(0, 2, (rows, size, task.spectrogram.num_mels))
        frames *= (np.arange(size) < lengths[:, None])[..., None]
        source = rng.integers(2, task.text.size, (rows, int(tokens.max())), "int32")
        source *= np.arange(source.shape[1]) < tokens[:, None]
        yield {
            "source": source,
            "source_lengths": tokens,
            "target": frames.astype("float32"),
            "target_lengths": lengths,
            "stop": stops(lengths, size),
        }


def zoo():
    """A step of a batch, and what is asked for by words."""
    import keras

    from s2s_zoo import Seq2Seq

    model = Seq2Seq.from_preset(PRESET)
    model.compile(optimizer=keras.optimizers.Adam(1e-3, global_clipnorm=1.0))

    def step(batch):
        inputs = {name: value for name, value in batch.items() if name != "stop"}
        names = ("target", "target_lengths", "stop")
        target = {name: batch[name] for name in names}
        return float(model.train_on_batch(inputs, target, return_dict=True)["loss"])

    return step, dict(zip(WORDS, speeds(), strict=True))


def speeds():
    """What tells seconds of speech a second of each part."""
    from keras import ops

    from s2s_zoo import Seq2Seq

    model, vocoder = Seq2Seq.from_preset(PRESET), Seq2Seq.from_preset(VOCODER)
    task, frames = model.task, np.zeros((0, 0), "float32")
    settings = {"frames_per_token": FRAMES_PER_TOKEN, "extra_frames": 1, "stop": 0.999}

    def speak():
        nonlocal frames
        frames = model.generate([SENTENCE], **settings)[0].frames
        return len(frames)

    def invert():
        size = np.array([len(frames)], "int32")
        made = task.vocoder(frames[None], size, task.spectrogram)
        return ops.convert_to_numpy(made).shape[1] / task.spectrogram.stride

    def draw():
        few = frames[:32]
        return len(vocoder.generate([few])[0].samples) / task.spectrogram.stride

    return [
        speed_of(part, task.spectrogram.frame_rate) for part in (speak, invert, draw)
    ]


def speed_of(part, frame_rate):
    def measure():
        part()
        found = []
        for _ in range(TIMES):
            start = time.perf_counter()
            count = part()
            found.append(count / frame_rate / (time.perf_counter() - start))
        return statistics.median(found)

    return measure


def pytorch_step():
    import torch
    from pytorch_tacotron2 import Tacotron2, loss_of

    from s2s_zoo.registry import PRESETS

    model = Tacotron2(PRESET)
    weight = PRESETS.get(PRESET).task.objective.guide_weight
    optimizer = torch.optim.Adam(model.parameters(), 1e-3)

    def step(batch):
        one = {name: torch.from_numpy(value) for name, value in batch.items()}
        tokens, lengths = one["source_lengths"].long(), one["target_lengths"].long()
        optimizer.zero_grad()
        found = model(one["source"].long(), tokens, one["target"], lengths)
        loss = loss_of(found, one["target"], lengths, one["stop"], tokens, weight)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss.item()

    return step


def compete(name, seconds):
    """Be a contestant."""
    step, answers = (pytorch_step(), {}) if name == "pytorch" else zoo()
    data = list(batches(seconds))
    for batch in data:
        step(batch)
    serve(lambda i: step(data[i]), answers)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="tensorflow,jax,torch")
    parser.add_argument("--steps", type=int, default=8, help="of each batch shape")
    parser.add_argument("--seconds", type=float, default=96.0, help="of a batch")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        compete(options.contestant, options.seconds)
        return
    names = options.backends.split(",")
    contestants = {
        name: Contestant(
            __file__,
            ["--contestant", name, "--seconds", str(options.seconds)],
            **({} if name == "pytorch" else {"KERAS_BACKEND": name}),
        )
        for name in ["pytorch", *names]
    }
    race(contestants, options.steps * len(SIZES), len(SIZES))
    tell(contestants, names, options.seconds)


def frames_a_second(contestant, seconds):
    """Of real mel frames, by the median step of each shape."""
    frames = sum(int(batch["target_lengths"].sum()) for batch in batches(seconds))
    steps = (contestant.seconds[i :: len(SIZES)] for i in range(len(SIZES)))
    return frames / sum(map(statistics.median, steps))


def tell(contestants, names, seconds):
    rates = {name: frames_a_second(c, seconds) for name, c in contestants.items()}
    for name in names:
        ratio = rates[name] / rates["pytorch"]
        print(
            f"{name}: {rates[name]:,.0f} mel frames a second, plain PyTorch "
            f"{rates['pytorch']:,.0f}, ratio {ratio:.2f}"
        )
    spoken = {}
    for name in names:
        spoken[name] = {word: float(contestants[name].ask(word)) for word in WORDS}
        told = ", ".join(f"{word} {speed:.2f}" for word, speed in spoken[name].items())
        print(f"{name}: times real time: {told}")
    found = {"frames_a_second": rates, "real_time": spoken, "cores": os.cpu_count()}
    print(json.dumps(found))


if __name__ == "__main__":
    main()
