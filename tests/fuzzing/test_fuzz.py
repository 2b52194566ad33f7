"""Damaged files end in a load or a UserError, within bounds, and reach nothing else."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.fuzzing.watch import LOADED, REFUSED

CASES = 120
MANY = 20_000
SHARDS = 20
STUCK = 300.0
"""Seconds without a sign of life after which a worker is ended."""

REPOSITORY = Path(__file__).parents[2]


def outcomes(
    sandbox: Path, slow: bool, seed: int, first: int, stop: int
) -> list[dict[str, Any]]:
    """How the cases ended; a worker that ends with its case is replaced."""
    found: list[dict[str, Any]] = []
    (sandbox / "tmp").mkdir()
    while first < stop:
        last: dict[str, Any] = {}
        for told in _told(sandbox, int(slow), seed, first, stop):
            last = told
            if "outcome" in told:
                found.append(told)
        if not last:
            raise AssertionError("the worker did not start: see its standard error")
        if "outcome" not in last:
            found.append({**last, "outcome": "ended the process"})
        first = last["number"] + 1
    return found


def _told(sandbox: Path, *numbers: int) -> Iterator[dict[str, Any]]:
    """What a worker says; one that falls silent is ended."""
    command = [sys.executable, "-m", "tests.fuzzing.worker", str(sandbox)]
    with subprocess.Popen(
        [*command, *map(str, numbers)],
        cwd=REPOSITORY,
        env=_environment(sandbox),
        stdout=subprocess.PIPE,
        text=True,
    ) as worker:
        assert worker.stdout is not None
        timer = threading.Timer(STUCK, worker.kill)
        timer.start()
        for line in worker.stdout:
            timer.cancel()
            timer = threading.Timer(STUCK, worker.kill)
            timer.start()
            yield json.loads(line)
        timer.cancel()


def _environment(sandbox: Path) -> dict[str, str]:
    """One thread where that can be said, no GPU, and caches of its own."""
    return os.environ | {
        "KERAS_BACKEND": "tensorflow",
        "CUDA_VISIBLE_DEVICES": "",
        "MALLOC_ARENA_MAX": "2",
        "OMP_NUM_THREADS": "1",
        "TF_NUM_INTRAOP_THREADS": "1",
        "TF_NUM_INTEROP_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
        "S2S_ZOO_CACHE": str(sandbox / "cache"),
        "TMPDIR": str(sandbox / "tmp"),
        "PYTHONPATH": os.pathsep.join([str(REPOSITORY), *sys.path]),
    }


def check(found: list[dict[str, Any]]) -> None:
    """No other outcomes than the two, and both of them often."""
    wrong = [told for told in found if told["outcome"] not in (LOADED, REFUSED)]
    assert not wrong, "\n".join(map(str, wrong))
    ends = Counter(told["outcome"] for told in found)
    assert min(ends[LOADED], ends[REFUSED]) > len(found) // 20


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds need /proc")
def test_damaged_files_are_loaded_or_refused(tmp_path):
    found = outcomes(tmp_path, False, 0, 0, CASES)
    assert len(found) == CASES
    check(found)


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="bounds need /proc")
@pytest.mark.parametrize("shard", range(SHARDS))
def test_many_damaged_files_are_loaded_or_refused(tmp_path, shard):
    count = MANY // SHARDS
    check(outcomes(tmp_path, True, 1, shard * count, (shard + 1) * count))
