"""Every family of speech recognizers learns to hear letters that are tones."""

import pytest

from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train
from tests.speech_corpus import write_corpus

WHOLE = {"recipe.schedule.begin": 0, "recipe.schedule.decay_steps": 0}
"""Schedules that end with the training."""


def convolutions(kind: str, residual: str) -> dict[str, object]:
    """Settings of four rows of 64 channels, the second twice and with a residual."""
    return WHOLE | {
        "encoder.kinds": (kind,) * 4,
        "encoder.blocks": (1,) * 4,
        "encoder.repeats": (1, 2, 1, 1),
        "encoder.kernels": (11, 11, 11, 1),
        "encoder.channels": (64,) * 4,
        "encoder.strides": (2, 1, 1, 1),
        "encoder.dilations": (1,) * 4,
        "encoder.dropouts": (0.0,) * 4,
        "encoder.residuals": ("none", residual, "none", "none"),
    }


FAMILIES = {
    "deepspeech2_small": {
        "encoder.filters": (4, 4),
        "encoder.rnn_units": 32,
        "encoder.projection": 32,
        "encoder.dropout": 0.0,
    },
    "lstm_ctc_small": {
        "encoder.rnn_units": 64,
        "encoder.projection": 32,
        "encoder.dropout": 0.0,
        "recipe.optimizer.global_clipnorm": 5.0,
    },
    "wave2letter_plus": {
        **convolutions("conv1d", "none"),
        "recipe.schedule.initial_learning_rate": 0.05,
    },
    "jasper_10x5": {
        **convolutions("conv1d", "dense"),
        "recipe.schedule.initial_learning_rate": 0.02,
    },
    "quartznet_5x3": {
        **convolutions("separable", "plain"),
        "recipe.schedule.initial_learning_rate": 0.02,
        "recipe.schedule.warmup": 20,
    },
}
CONVOLUTIONAL = ("wave2letter_plus", "jasper_10x5", "quartznet_5x3")
RECIPE = {
    "task.buckets": 1,
    "task.augmentation.speed": 0.0,
    "recipe.precision": "float32",
    "recipe.batch": 5.0,
    "recipe.epochs": 20,
    "recipe.validate_every": 100_000,
    "recipe.schedule.initial_learning_rate": 5e-3,
    "recipe.schedule.begin": 300,
    "recipe.schedule.decay_steps": 15,
}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("preset", "precision"),
    [
        *((preset, "float32") for preset in FAMILIES),
        *((preset, "mixed_float16") for preset in CONVOLUTIONAL),
    ],
)
def test_learns_tones_it_has_not_heard(preset, precision, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", train=160, validation=40)
    settings = {**RECIPE, **FAMILIES[preset], "recipe.precision": precision}
    train(preset=preset, data=str(corpus), run_dir=tmp_path / "run", settings=settings)
    measured = evaluate(run=tmp_path / "run", split="validation")
    assert measured.metrics["character_error_rate"] < 0.05
