"""Classifiers of text and audio learn what counting words, or energy, does not tell."""

import csv
from itertools import islice

import pytest

from s2s_zoo.data.corpora import demo_commands
from s2s_zoo.data.corpora.demo_reviews import reviews
from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train

COUNTS = {"train": 3000, "validation": 100, "test": 400}
TEXTS = {"task.tokenizer": "word", "task.buckets": 1, "task.max_tokens": 32}
SENTIMENT = {
    "sentiment_small": {
        "features.width": 32,
        "encoder.units": (64,),
        "encoder.output_dropout": 0.0,
        "recipe.schedule.initial_learning_rate": 1e-2,
        "recipe.batch": 1200.0,
        "recipe.epochs": 5,
    },
    "sentiment_cnn": {
        "features.width": 32,
        "features.deviation": 0.3,
        "encoder.filters": 64,
        "encoder.dropout": 0.0,
        "decoder.dropout": 0.1,
        "recipe.schedule.initial_learning_rate": 5e-3,
        "recipe.batch": 600.0,
        "recipe.epochs": 12,
    },
}


@pytest.fixture
def written(tmp_path):
    """Reviews of all constructions, in a directory of tables."""
    found = reviews(seed=5)
    for split, count in COUNTS.items():
        with (tmp_path / f"{split}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(("label", "text", "construction"))
            writer.writerows(islice(found, count))
    return tmp_path


@pytest.mark.parametrize(
    ("preset", "least"),
    [
        ("sentiment_small", 0.95),
        # it sees five words at a time
        pytest.param("sentiment_cnn", 0.85, marks=pytest.mark.slow),
    ],
)
def test_reviews_are_told_by_more_than_their_words(preset, least, written):
    settings = {**TEXTS, **SENTIMENT[preset], "recipe.validate_every": 100_000}
    run = written / "run"
    train(preset=preset, data=str(written), run_dir=run, settings=settings)
    measured = evaluate(run=run, split="test", by="construction")
    assert measured.metrics["accuracy"] > least
    shares = {name: group.value for name, group in measured.groups.items()}
    assert len(shares) == 6
    assert min(shares.values()) > 0.7, shares


COMMANDS = {
    "speech_commands_small": {"recipe.epochs": 12},
    "speech_commands_jasper": {
        "encoder.channels": (32,) * 10,
        "encoder.repeats": (1,) * 10,
        "encoder.blocks": (1,) * 10,
        "encoder.dropouts": (0.0,) * 10,
        "recipe.optimizer.eta": 0.02,
        "recipe.schedule.initial_learning_rate": 0.1,
        "recipe.epochs": 24,
        "recipe.batch": 32.0,
        "recipe.precision": "float32",
    },
}


@pytest.mark.slow
@pytest.mark.parametrize("preset", COMMANDS)
def test_commands_of_unheard_voices_are_told(preset, tmp_path, monkeypatch):
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    counts = {"train": 64, "validation": 2, "test": 12}
    monkeypatch.setattr(demo_commands, "COUNTS", counts)
    run = tmp_path / "run"
    settings = {**COMMANDS[preset], "recipe.validate_every": 100_000}
    train(preset=preset, data="demo_commands", run_dir=run, settings=settings)
    assert evaluate(run=run, split="test").metrics["accuracy"] > 0.85
