"""Tiny corpora of pairs whose target is the source backwards."""

from pathlib import Path

import numpy as np

LETTERS = "abcdefgh"
SMALL = {
    "task.vocabulary": 12,
    "task.tokenizer": "word",
    "task.measure": "exact",
    "task.buckets": 1,
    "recipe.batch_tokens": 512,
    "recipe.precision": "float32",
}


def write_pairs(directory: Path, train: int = 40, validation: int = 8) -> Path:
    """`train.tsv`, `validation.tsv` and `test.tsv`; no sequence is in two of them."""
    rng = np.random.default_rng(0)
    directory.mkdir(parents=True, exist_ok=True)
    counts = {"train": train, "validation": validation, "test": 5}
    seen: set[str] = set()
    for split, count in counts.items():
        lines = []
        while len(lines) < count:
            letters = rng.choice(list(LETTERS), rng.integers(3, 7))
            source = " ".join(letters)
            if source not in seen:
                seen.add(source)
                lines.append(f"{source}\t{' '.join(letters[::-1])}\n")
        (directory / f"{split}.tsv").write_text("".join(lines), encoding="utf-8")
    return directory
