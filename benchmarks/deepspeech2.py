"""Training steps of deepspeech2_small against plain PyTorch, in turns.

    python benchmarks/deepspeech2.py [--backends tensorflow,jax,torch] [--steps 12]

Every contestant is a process that trains the same batches of raw audio: features,
model, CTC, Adam. Contestants take turns step by step while the others sleep, so that
whatever else the machine does hits all of them; the ratio of median step times is the
result.
Above 1 the zoo is faster.
"""

import argparse
import json
import os

import numpy as np
from turns import Contestant, race, serve

SHAPES = ((11, 1.40), (10, 1.55), (9, 1.75), (7, 2.10))
ALPHABET = 28


def batches():
    """Batches of four shapes, as the demo corpus has them."""
    rng = np.random.default_rng(0)
    for rows, seconds in SHAPES:
        samples = int(seconds * 16000)
        tokens = int(seconds * 16)
        yield {
            "source": rng.normal(size=(rows, samples)).astype("float32") * 0.1,
            "source_lengths": rng.integers(samples * 9 // 10, samples, rows, "int32"),
            "target": rng.integers(0, ALPHABET, (rows, tokens), "int32"),
            "target_lengths": rng.integers(tokens // 2, tokens, rows, "int32"),
        }


def zoo_step():
    import keras

    from s2s_zoo import Seq2Seq

    model = Seq2Seq.from_preset("deepspeech2-small")
    model.compile(optimizer=keras.optimizers.Adam(1e-4))

    def step(batch):
        names = ("source", "source_lengths")
        inputs = {k: v for k, v in batch.items() if k in names}
        target = {k: v for k, v in batch.items() if k not in names}
        return float(model.train_on_batch(inputs, target, return_dict=True)["loss"])

    return step


def pytorch_model(torch):
    nn = torch.nn

    class DeepSpeech2(nn.Module):
        def __init__(self):
            super().__init__()
            self.convolutions = nn.Sequential(
                nn.Conv2d(1, 32, (11, 41), (2, 2), (5, 20), bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
                nn.Conv2d(32, 32, (11, 21), (1, 2), (5, 10), bias=False),
                nn.BatchNorm2d(32),
                nn.ReLU(),
            )
            self.rnn = nn.GRU(
                768, 512, 2, batch_first=True, bidirectional=True, dropout=0.5
            )
            self.head = nn.Sequential(
                nn.Linear(1024, 1024),
                nn.ReLU(),
                nn.Dropout(0.5),
                nn.Linear(1024, ALPHABET + 1),
            )

        def forward(self, audio, lengths):
            window = torch.hann_window(320)
            spectrum = torch.stft(
                audio, 512, 160, 320, window, pad_mode="constant", return_complex=True
            )
            x = 10 * torch.log10(spectrum.abs()[:, :96].square() + 1e-10)
            x = (x - x.mean(-1, keepdim=True)) / (x.std(-1, keepdim=True) + 1e-5)
            x = self.convolutions(x.transpose(1, 2)[:, None])
            x = x.permute(0, 2, 1, 3).flatten(2)
            frames = (lengths // 160 + 2) // 2
            packed = nn.utils.rnn.pack_padded_sequence(
                x, frames, batch_first=True, enforce_sorted=False
            )
            x, _ = nn.utils.rnn.pad_packed_sequence(self.rnn(packed)[0], True)
            return self.head(x).log_softmax(-1), frames

    return DeepSpeech2()


def pytorch_step():
    import torch

    model = pytorch_model(torch)
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


def contestant(name):
    step = pytorch_step() if name == "pytorch" else zoo_step()
    data = list(batches())
    for batch in data * 2:
        step(batch)
    serve(lambda i: step(data[i]), {})


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--backends", default="tensorflow,jax,torch")
    parser.add_argument("--steps", type=int, default=12, help="of each batch shape")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.contestant:
        contestant(options.contestant)
        return
    names = ["pytorch", *options.backends.split(",")]
    backends = {name: {"KERAS_BACKEND": name} for name in names[1:]}
    contestants = {
        name: Contestant(__file__, ["--contestant", name], **backends.get(name, {}))
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
