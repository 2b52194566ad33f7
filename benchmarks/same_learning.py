"""The same training in float32 and in mixed float16, over several seeds.

    python benchmarks/same_learning.py PRESET --data CORPUS [--set PATH=VALUE]

Trains with `s2s-zoo train` to the same number of steps and prints the final validation
metrics of each precision, with their spread over the seeds.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

PRECISIONS = {
    "float32": ("--precision", "float32"),
    "mixed_float16, backoff": ("--precision", "mixed_float16"),
    "mixed_float16, logmax": (
        *("--precision", "mixed_float16"),
        *("--loss-scaling", "logmax"),
    ),
}


def train(options, arguments, seed, directory):
    command = [sys.executable, "-m", "s2s_zoo.cli", "train", options.preset, "--json"]
    command += ["--data", options.data, "--seed", str(seed), "--run-dir", directory]
    settings = [part for setting in options.set for part in ("--set", setting)]
    quiet = {**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [*command, *arguments, *settings],
        capture_output=True,
        text=True,
        env=quiet,
    )
    if done.returncode:
        raise SystemExit(done.stderr)
    return json.loads(done.stdout)


def spread(values):
    deviation = statistics.stdev(values) if len(values) > 1 else 0.0
    return f"{statistics.mean(values):8.4f} ± {deviation:.4f}"


def row(name, results):
    metrics = [result["validation"] for result in results]
    columns = [spread([m[key] for m in metrics]) for key in metrics[0]]
    skipped = sum(result["skipped_steps"] for result in results)
    seconds = statistics.mean(result["seconds"] for result in results)
    return f"{name:24} {'  '.join(columns)}  {skipped:4d} skipped  {seconds:6.0f} s"


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("preset")
    parser.add_argument("--data", required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    found = {name: [] for name in PRECISIONS}
    with tempfile.TemporaryDirectory() as directory:
        for seed in range(options.seeds):
            for name, arguments in PRECISIONS.items():
                run = str(Path(directory) / f"{name}-{seed}")
                found[name].append(train(options, arguments, seed, run))
                print(row(f"{name} {seed}", found[name][-1:]), flush=True)
    print(", ".join(found["float32"][0]["validation"]), "over", options.seeds, "seeds")
    for name, results in found.items():
        print(row(name, results))


if __name__ == "__main__":
    main()
