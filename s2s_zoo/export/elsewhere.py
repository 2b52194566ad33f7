"""What was exported, run in a process that can import neither Keras nor s2s-zoo."""

import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from s2s_zoo.errors import UserError
from s2s_zoo.typing import Arrays


def run_elsewhere(script: str, directory: Path, batches: list[Arrays]) -> list[Arrays]:
    """Outputs of a program that is given a directory and the paths of two NPZ files.

    It runs on the CPU, where float32 is exact and no memory of a GPU is taken.

    Args:
        script: path of the program. It reads arrays named `batch/signature/input` and
            writes arrays named `batch/signature/output`.
        directory: what was exported.
        batches: inputs by `signature/input`.

    Returns:
        For each batch the outputs by `signature/output`.

    Raises:
        UserError: it does not load or run.
    """
    with TemporaryDirectory() as folder:
        given, results = Path(folder, "batches.npz"), Path(folder, "results.npz")
        named = {f"{i}/{n}": v for i, b in enumerate(batches) for n, v in b.items()}
        np.savez(given, allow_pickle=False, **named)
        process = subprocess.run(
            [sys.executable, "-P", script, *map(str, (directory, given, results))],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**os.environ, "CUDA_VISIBLE_DEVICES": "-1"},
        )
        if process.returncode:
            reason = process.stderr.strip().rpartition("\n")[2]
            raise UserError(
                "The exported model does not run where s2s-zoo is absent (exit code "
                f"{process.returncode}), so it was removed: {reason}"
            )
        return _read_results(results, len(batches))


def _read_results(path: Path, count: int) -> list[Arrays]:
    outputs: list[Arrays] = [{} for _ in range(count)]
    with np.load(path, allow_pickle=False) as arrays:
        for key in arrays.files:
            batch, _, name = key.partition("/")
            outputs[int(batch)][name] = arrays[key]
    return outputs
