"""Trains on one device and on two; prints how far losses and weights differ.

Run by `test_devices.py` in a process of its own: the number of virtual devices is fixed
when a backend starts.
"""

import json
import shutil
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
STREAMS = FRESH | {
    "task.vocabulary": 12,
    "task.window": 6,
    "features.width": 4,
    "features.row_dropout": 0.0,
    "encoder.units": (3, 4),
    "encoder.input_dropout": 0.0,
    "encoder.hidden_dropout": 0.0,
    "encoder.output_dropout": 0.0,
    "encoder.weight_dropout": 0.0,
    "recipe.checkpoint_every": STEPS // 2,
    "recipe.keep_checkpoints": 9,
}
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
    # Five streams: a row of the second device is empty.
    "streams": ("lstm_lm_small", STREAMS, "recipe.batch", 5 * 6.0, {}),
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
    found = variables(run)
    rows = [n for n in found if n.endswith("carry/rows")]
    found |= {name: found[name][:5] for name in rows}
    weights = np.concatenate([array.ravel() for array in found.values()])
    return [result.train_loss, *measured], weights


def variables(run: Path) -> dict[str, np.ndarray]:
    with np.load(run / f"checkpoints/step-{STEPS:08d}/variables.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def resumed(run: Path) -> float:
    """How far the same training ends from its end when it goes on from its middle."""
    part = Path(shutil.copytree(run, run.with_name("part")))
    shutil.rmtree(part / f"checkpoints/step-{STEPS:08d}")
    train(preset=KINDS["streams"][0], run_dir=part, resume=True)
    pairs = zip(variables(run).values(), variables(part).values(), strict=True)
    return max(float(np.abs(one - other).max()) for one, other in pairs)


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


def write_lines(directory: Path) -> Path:
    rng = np.random.default_rng(0)
    directory.mkdir()
    for name in ("train", "valid", "test"):
        lines = [" ".join(rng.choice(list("abcdefgh"), 7)) for _ in range(20)]
        (directory / f"{name}.txt").write_text("\n".join(lines))
    return directory


def main(directory: Path) -> None:
    corpora = {
        "speech": write_corpus(directory / "speech", train=13),
        "text": write_pairs(directory / "text"),
        "streams": write_lines(directory / "streams"),
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
    found["resumed"] = resumed(directory / "streams2")
    with untraced():
        one = fitted(nullcontext())
    two = fitted(devices(2))
    found["fit"] = float(np.abs(one - two).max())
    print(json.dumps(found))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
