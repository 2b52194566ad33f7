"""Utterances a second that beam search reads, by this package and by flashlight-text.

    python benchmarks/ctc_search.py RUN [--split test] [--turns 5] [--search beam=64]

The outputs of the run's model are computed once. Then the engines read them in turns.
"""

import argparse
import json
import statistics
import time
from dataclasses import replace

import numpy as np


def outputs(run, split):
    """What the model of a run makes of a split, batch by batch, and its alphabet."""
    from s2s_zoo import Seq2Seq
    from s2s_zoo.tasks.base import task_of
    from s2s_zoo.workflows.run_directory import find_run

    directory = find_run(run)
    model = Seq2Seq.from_preset(str(directory.preset))
    task = task_of(model)
    batches = task.batches(task.read(directory.read_request()["data"], split))
    plan = batches.plan(task.evaluation_budget, shuffle=False).epoch(0)
    return task, [model.predict_on_batch(batches.load(batch)[0]) for batch in plan]


def engines(search, alphabet):
    reading = search.over(alphabet)
    found = {"s2s-zoo": replace(reading, engine=None)}
    if reading.engine is not None:
        found["flashlight-text"] = reading
    return found


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run")
    parser.add_argument("--split", default="test")
    parser.add_argument("--search", default="beam=64")
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    task, found = outputs(options.run, options.split)
    readers = engines(task.search.parse(options.search), task.alphabet)
    utterances = sum(int(np.any(output["mask"], axis=1).sum()) for output in found)
    seconds = {name: [] for name in readers}
    texts = {}
    for _ in range(options.turns):
        for name, reader in readers.items():
            start = time.perf_counter()
            read = [reader.read(output) for output in found]
            seconds[name].append(time.perf_counter() - start)
            texts[name] = [h[0].tokens.tolist() for rows in read for h in rows]
    first = texts["s2s-zoo"]
    for name, taken in seconds.items():
        result = {
            "engine": name,
            "search": options.search,
            "utterances": utterances,
            "utterances_per_second": utterances / statistics.median(taken),
            "same_texts": sum(a == b for a, b in zip(first, texts[name], strict=True)),
        }
        print(json.dumps(result))


if __name__ == "__main__":
    main()
