"""Trains on one device and on two; prints how far losses and weights differ.

Run by `test_devices.py` in a process of its own: the number of virtual devices is fixed
when a backend starts.
"""

import json
import sys
from contextlib import nullcontext
from pathlib import Path

import tests.virtual_devices  # noqa: F401  # before a backend starts

# isort: split
import keras
import numpy as np

from s2s_zoo.distribution import devices
from s2s_zoo.registry import PRESETS
from s2s_zoo.vocabulary import PAD, UNKNOWN
from s2s_zoo.workflows.train import train
from s2s_zoo.workflows.training_log import TrainingLog
from tests.speech_corpus import write_corpus
from tests.text_corpus import SMALL, write_pairs
from tests.tracing import untraced

STEPS = 4
FRESH = {"recipe.max_steps": STEPS, "recipe.validate_every": 2, "recipe.seed": 3}
SPEECH = FRESH | {
    "encoder.kernels": ((3, 3),),
    "encoder.strides": ((2, 2),),
    "encoder.filters": (2,),
    "encoder.rnn_layers": 0,
    "encoder.projection": 8,
    "encoder.dropout": 0.0,
    "task.buckets": 1,
}
UNDROPPED = {"encoder.dropout": 0.0, "decoder.dropout": 0.0}
TEXT = FRESH | SMALL | UNDROPPED
TrainingLog.draw = lambda *_: None
KINDS = {
    "speech": ("deepspeech2_small", SPEECH, "recipe.batch", 9.0, {}),
    "text": (
        "reversal_rr",
        TEXT,
        "recipe.batch",
        140,
        {"recipe.precision": "mixed_float16", "recipe.accumulate": 2},
    ),
}


def trained(kind: str, data: Path, run: Path, devices: int) -> tuple[list, np.ndarray]:
    """What validation measured, and all weights."""
    preset, settings, path, budget, more = KINDS[kind]
    budget = type(budget)(budget / devices)
    settings = {**settings, path: budget, "recipe.devices": devices} | more
    with untraced() if devices == 1 else nullcontext():
        result = train(preset=preset, data=str(data), run_dir=run, settings=settings)
    rows = map(json.loads, (run / "metrics.jsonl").read_text().splitlines())
    measured = [row["validation"]["loss"] for row in rows if "validation" in row]
    with np.load(run / f"checkpoints/step-{STEPS:08d}/variables.npz") as arrays:
        weights = np.concatenate([arrays[n].ravel() for n in arrays.files])
    return [result.train_loss, *measured], weights


def fitted(scope) -> np.ndarray:
    """The weights after Keras' own `fit`, on rows of equal length."""
    keras.utils.set_random_seed(0)
    with scope:
        preset = PRESETS.get("reversal_rr").scaled()
        model = preset.with_settings(UNDROPPED).build()
        model.compile(keras.optimizers.SGD(0.1), auto_scale_loss=False)
    (inputs, target), _ = preset.task.random_batch(64)
    for tokens in (inputs["source"], inputs["target"], target["target"]):
        tokens[tokens == PAD] = UNKNOWN
    inputs["source_lengths"][:] = inputs["source"].shape[1]
    target["target_lengths"][:] = target["target"].shape[1]
    model.fit(inputs, target, batch_size=len(inputs["source"]), epochs=2, verbose=0)
    return np.concatenate([weight.ravel() for weight in model.get_weights()])


def main(directory: Path) -> None:
    corpora = {
        "speech": write_corpus(directory / "speech", train=13),
        "text": write_pairs(directory / "text"),
    }
    found = {}
    for kind in KINDS:
        one, two = (
            trained(kind, corpora[kind], directory / f"{kind}{n}", devices=n)
            for n in (1, 2)
        )
        found[kind] = {
            "losses": [one[0], two[0]],
            "difference": float(np.abs(one[1] - two[1]).max()),
            "weights": len(one[1]),
        }
    with untraced():
        one = fitted(nullcontext())
    two = fitted(devices(2))
    found["fit"] = float(np.abs(one - two).max())
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
