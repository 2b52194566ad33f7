"""A language model learns a Markov chain to its entropy, which is known."""

import math
from pathlib import Path

import numpy as np

from s2s_zoo.workflows.evaluate import evaluate
from s2s_zoo.workflows.train import train

LETTERS, ENDS = 4, 0.1
SETTINGS = {
    "task.vocabulary": 8,
    "task.window": 16,
    "features.width": 24,
    "features.row_dropout": 0.0,
    "encoder.units": (24,),
    "encoder.input_dropout": 0.0,
    "encoder.output_dropout": 0.0,
    "encoder.weight_dropout": 0.0,
    "recipe.batch": 16 * 32,
    "recipe.max_steps": 600,
    "recipe.epochs": 100,
    "recipe.validate_every": 200,
    "recipe.schedule.initial_learning_rate": 1e-2,
}


def chain():
    """P of each letter after each two."""
    rng = np.random.default_rng(5)
    return rng.dirichlet(np.full(LETTERS, 0.3), size=(LETTERS, LETTERS))


def write(path: Path, table, lines: int, seed: int) -> float:
    """Lines drawn from the chain, and what a letter or end costs who knows it, in nats.

    The first two letters of a line are uniform; it ends after one in ten.
    """
    rng = np.random.default_rng(seed)
    cost, tokens, texts = 0.0, 0, []
    for _ in range(lines):
        letters = list(rng.integers(LETTERS, size=2))
        while rng.random() >= ENDS:
            row = table[letters[-2], letters[-1]]
            letters.append(rng.choice(LETTERS, p=row))
            cost -= math.log((1 - ENDS) * row[letters[-1]])
        cost += 2 * math.log(LETTERS) - math.log(ENDS)
        tokens += len(letters) + 1
        texts.append(" ".join("abcd"[letter] for letter in letters))
    path.write_text("\n".join(texts) + "\n")
    return cost / tokens


def test_reaches_the_entropy_of_what_it_reads(tmp_path: Path):
    """A uniform guess has a perplexity of 5."""
    table = chain()
    for name, lines, seed in (("train", 2000, 0), ("valid", 100, 1)):
        write(tmp_path / f"{name}.txt", table, lines, seed)
    least = math.exp(write(tmp_path / "test.txt", table, 500, seed=2))
    assert least < 3.0
    run = tmp_path / "run"
    train(preset="lstm_lm_small", data=str(tmp_path), run_dir=run, settings=SETTINGS)
    found = evaluate(run=run).metrics["perplexity"]
    assert least * 0.99 <= found <= least * 1.05
