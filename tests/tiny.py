"""A recognizer small enough for any test, and batches for it."""

import functools
from dataclasses import replace

import keras
import numpy as np

from s2s_zoo.catalog import Preset
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.base import Search

NO_TOPOLOGY = ("dropout", "epsilon", "l2")


def tiny_preset() -> Preset:
    """One convolution, one bidirectional GRU, augmentation of nothing."""
    return PRESETS.get("deepspeech2_small").with_settings(
        {
            "features.num_features": 8,
            "encoder.kernels": ((3, 3),),
            "encoder.strides": ((2, 2),),
            "encoder.filters": (2,),
            "encoder.rnn_layers": 1,
            "encoder.rnn_units": 3,
            "encoder.projection": 4,
        }
    )


def distinct(*paths: str) -> list[str]:
    """Names of presets, one for all that have the same scaled settings there.

    Shares dropped, penalties and what is added to a variance make no difference.
    """
    first: dict[str, str] = {}
    for preset in PRESETS:
        found = (pair for pair in _scaled(preset.name) if pair[0].startswith(paths))
        first.setdefault(str([*found]), preset.name)
    return sorted(first.values())


@functools.cache
def _scaled(name: str) -> list[tuple[str, str]]:
    """The kinds and settings of a scaled preset by path, in their order."""
    scaled = PRESETS.get(name).scaled()
    return sorted(
        (path, str(value))
        for path, value in [*scaled.kinds().items(), *scaled.settings().items()]
        if not path.endswith(NO_TOPOLOGY)
    )


def topologies(*paths: str) -> list[str]:
    """Names of presets, one for each kind of network they scale down to."""
    return distinct("features", "encoder", "decoder", *paths)


def exact_model(name: str) -> Seq2Seq:
    """The scaled model of a preset in float32, in which nothing is drawn."""
    preset = replace(PRESETS.get(name).scaled(), augmentation=None)
    settings: dict[str, object] = {
        name: (0.0,) * len(value) if isinstance(value, tuple) else 0.0
        for name, value in preset.settings().items()
        if name.endswith(("dropout", "dropouts", "dither"))
    }
    preset = preset.with_settings(settings | {"recipe.precision": "float32"})
    keras.utils.set_random_seed(1)
    return preset.build()


def draw_weights(model: keras.Model, seed: int = 0) -> None:
    """Draw every weight anew, the same on each backend, statistics among them."""
    rng = np.random.default_rng(seed)
    for weight in model.weights:
        if "kernel" in weight.path:
            fan_in = np.prod(weight.shape[:-1])
            weight.assign(rng.normal(0, fan_in**-0.5, weight.shape))
        else:
            shift = rng.uniform(-0.3, 0.3, weight.shape)
            weight.assign(keras.ops.convert_to_numpy(weight) + shift)


def searched(model: Seq2Seq, inputs: dict, search: Search) -> dict:
    """What a search writes for the inputs, eagerly."""
    memory = model.encode(inputs, training=False)
    return search.write(model.decoder, memory, inputs, model.loop)


def batch_of(preset: Preset) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs and targets of a small batch of noise for any preset."""
    return preset.task.random_batch(preset.task.evaluation_budget / 340)[0]


def speech_batch(
    rows: int = 2, seconds: float = 0.4, tokens: int = 3, seed: int = 0
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Inputs and targets of a batch of noise; the last row is the shortest."""
    rng = np.random.default_rng(seed)
    size = int(seconds * 16000)
    lengths = np.linspace(size, size * 2 // 3, rows).astype("int32")
    real = np.arange(size)[None] < lengths[:, None]
    source = rng.normal(0, 0.1, (rows, size)).astype("float32") * real
    target = rng.integers(0, 28, (rows, tokens)).astype("int32")
    return (
        {"source": source, "source_lengths": lengths},
        {"target": target, "target_lengths": np.full(rows, tokens, "int32")},
    )
