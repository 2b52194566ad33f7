"""Every family of speech recognizers learns to hear letters that are tones."""

import pytest

from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train
from tests.speech_corpus import write_corpus

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
        "recipe.precision": "float32",
        "recipe.optimizer.global_clipnorm": 5.0,
    },
}
RECIPE = {
    "task.buckets": 1,
    "task.augmentation.speed": 0.0,
    "recipe.batch": 5.0,
    "recipe.epochs": 20,
    "recipe.validate_every": 100_000,
    "recipe.schedule.initial_learning_rate": 5e-3,
    "recipe.schedule.begin": 300,
    "recipe.schedule.decay_steps": 15,
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", FAMILIES)
def test_learns_tones_it_has_not_heard(preset, tmp_path):
    corpus = write_corpus(tmp_path / "corpus", train=160, validation=40)
    settings = {**RECIPE, **FAMILIES[preset]}
    train(preset=preset, data=str(corpus), run_dir=tmp_path / "run", settings=settings)
    measured = evaluate(run=tmp_path / "run", split="validation")
    assert measured.metrics["character_error_rate"] < 0.05
