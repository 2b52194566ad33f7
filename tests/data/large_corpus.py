"""What a corpus of millions of pairs costs: seconds and resident memory.

    python tests/data/large_corpus.py DIRECTORY 5000000

Writes two aligned files of that many generated pairs, then starts twice, each in a
process of its own: the first learns a tokenizer and fills the cache, the second finds
both. A start is everything up to the first batches. Prints one JSON object.
"""

import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

from s2s_zoo.data.kinds.pairs import Pairs
from s2s_zoo.data.learned_tokenizer import learn_tokenizer
from s2s_zoo.data.pairs import PairView
from s2s_zoo.data.plan import Batch
from s2s_zoo.data.text import TextBatches, usable_pairs
from s2s_zoo.data.token_store import token_store

VOCABULARY = 16_000
BATCHES = 50
EVERY = 10
"""A tenth of the batches is read at the end: it touches nearly every page of memory."""


def generate(directory: Path, pairs: int) -> None:
    """Write train.en and train.de: sentences of four of many thousand phrases."""
    rng = np.random.default_rng(0)
    for language in ("en", "de"):
        letters = rng.choice([*"abcdefghijklmnopqrstuvwxyz"], (20_000, 7))
        words = ["".join(row[: 2 + i % 6]) for i, row in enumerate(letters)]
        ranks = (len(words) ** rng.random((50_000, 5))).astype(int) - 1
        phrases = [" ".join(words[i] for i in row) for row in ranks.tolist()]
        with (directory / f"train.{language}").open("w") as file:
            for start in range(0, pairs, 100_000):
                count = min(100_000, pairs - start)
                chosen = rng.integers(0, len(phrases), (count, 4)).tolist()
                lines = (" ".join([phrases[i] for i in row]) + "\n" for row in chosen)
                file.write("".join(lines))


def start(directory: Path) -> dict[str, Any]:
    """Everything up to the first batches, and what it took."""
    begun = time.perf_counter()
    pairs = Pairs("en", "de").read(str(directory), "train")
    tokenizer = learn_tokenizer(pairs, ("source", "target"), VOCABULARY, "bpe")
    rows, _ = usable_pairs(token_store(pairs, tokenizer, tokenizer), 256)
    usable = PairView(pairs, rows)
    batches = TextBatches(usable, tokenizer, tokenizer)
    plan = batches.plan(8192, shuffle=True)
    order = plan.epoch(0)
    loaded = [batches.load(batch, epoch=0) for batch in order[:BATCHES]]
    seconds = time.perf_counter() - begun
    read = sum(len(names_read(batches, order[i])) for i in range(0, len(order), EVERY))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "pairs": len(pairs),
        "batches": len(order),
        "shape": list(loaded[0][0]["source"].shape),
        "seconds": round(seconds, 2),
        "peak_resident_mib": round(peak),
        "pairs_read": read,
    }


def names_read(batches: TextBatches, batch: Batch) -> list[str]:
    """Read a batch as an epoch does, for the memory it takes."""
    batches.load(batch, epoch=0)
    return batches.names(batch)


def in_process(directory: Path) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, str(directory)],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "S2S_ZOO_CACHE": str(directory / "cache")},
    )
    return json.loads(done.stdout)


def measure(directory: Path, pairs: int) -> dict[str, Any]:
    directory.mkdir(parents=True, exist_ok=True)
    generate(directory, pairs)
    return {"first": in_process(directory), "second": in_process(directory)}


if __name__ == "__main__":
    place = Path(sys.argv[1])
    found = measure(place, int(sys.argv[2])) if len(sys.argv) > 2 else start(place)
    print(json.dumps(found))
