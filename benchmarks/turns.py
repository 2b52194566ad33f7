"""Processes that take steps in turns, so that whatever else runs hits all of them."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence

QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


class Contestant:
    """A process of the same script, started with `arguments`, that steps when asked.

    Frameworks choose how their threads wait: what the environment says of OpenMP would
    favour some of them.
    """

    def __init__(self, script: str, arguments: Sequence[str], **environment: str):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE if "DEBUG" in os.environ else subprocess.DEVNULL,
            text=True,
            env={**inherited, **QUIET, **environment},
        )
        self.seconds: list[float] = []
        if self.process.stdout.readline() != "ready\n":
            raise SystemExit(f"{' '.join(arguments)} did not start")

    def ask(self, what: str) -> str:
        self.process.stdin.write(f"{what}\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def step(self, batch: int) -> None:
        self.seconds.append(float(self.ask(str(batch))))

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)


def serve(step: Callable[[int], object], answers: dict[str, Callable[[], object]]):
    """Be a contestant: a step for every number on stdin, an answer for every word."""
    print("ready", flush=True)
    for line in map(str.strip, sys.stdin):
        if line in answers:
            print(answers[line](), flush=True)
            continue
        start = time.perf_counter()
        step(int(line))
        print(time.perf_counter() - start, flush=True)


def race(contestants: dict[str, Contestant], turns: int, batches: int) -> None:
    """Let each contestant take `turns` steps, one after the other."""
    for turn in range(turns):
        for contestant in contestants.values():
            contestant.step(turn % batches)
