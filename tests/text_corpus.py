"""Tiny corpora of pairs: letters and their reversal, prompts and their replies."""

import itertools
import json
from pathlib import Path

import numpy as np

LETTERS = "abcdefgh"
SMALL = {
    "task.vocabulary": 12,
    "task.tokenizer": "word",
    "task.measure": "exact",
    "task.buckets": 1,
    "task.search.length_extra": 4,
    "recipe.batch": 512,
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


NAMES = ["Ada", "Bela", "Carl", "Dora", "Emil", "Fay", "Gus", "Hana", "Ivo", "Jana"]
NAMES += ["Kurt", "Lena", "Milo", "Nora", "Otto"]
TOWNS = ["Bergen", "Cork", "Dover", "Essen", "Faro", "Genoa", "Havre", "Izmir", "Jena"]
TOWNS += ["Kiel", "Lyon", "Metz"]
QUESTIONS = {
    "What is my name?": "Your name is {name}.",
    "Where do I live?": "You live in {town}, {name}.",
    "Do you know me?": "You are {name} from {town}.",
}


def write_dialogue(directory: Path) -> Path:
    """`train.jsonl`, ... of prompts that say who asks, and replies that say it back.

    Nobody who asks in one of them asks in another.
    """
    rng = np.random.default_rng(0)
    directory.mkdir(parents=True)
    people = rng.permutation([*itertools.product(NAMES, TOWNS)])
    splits = {"train": people[40:], "validation": people[:20], "test": people[20:40]}
    for split, asking in splits.items():
        turns = [
            {
                "prompt": f"I am {name} and I live in {town}. {question}",
                "reply": reply.format(name=name, town=town),
            }
            for name, town in asking
            for question, reply in QUESTIONS.items()
        ]
        text = "".join(f"{json.dumps(turn)}\n" for turn in turns)
        (directory / f"{split}.jsonl").write_text(text, encoding="utf-8")
    return directory
