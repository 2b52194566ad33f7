"""Processes that take steps in turns, so that whatever else runs hits all of them."""

import contextlib
import os
import re
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from threading import Thread
from typing import NoReturn

ERROR = re.compile(r"[\w.]*(Error|Exception)\b")
QUIET = {"TF_CPP_MIN_LOG_LEVEL": "3"}


class Contestant:
    """A process of the same script, started with `arguments`, that steps when asked.

    Frameworks choose how their threads wait: what the environment says of OpenMP would
    favour some of them.
    """

    def __init__(self, script: str, arguments: Sequence[str], **environment: str):
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("OMP_")}
        self.name = " ".join(arguments)
        self.process = subprocess.Popen(
            [sys.executable, script, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            env={**inherited, **QUIET, **environment},
        )
        self.errors: deque[str] = deque(maxlen=100)
        reading = (self.process.stderr,)
        self.reader = Thread(target=self.errors.extend, args=reading, daemon=True)
        self.reader.start()
        self.seconds: list[float] = []
        if self.process.stdout.readline() != "ready\n":
            self.fail("did not start")

    def ask(self, what: str) -> str:
        with contextlib.suppress(BrokenPipeError):  # then there is no answer either
            self.process.stdin.write(f"{what}\n")
            self.process.stdin.flush()
        answer = self.process.stdout.readline().strip()
        return answer or self.fail("gave up")

    def fail(self, how: str) -> NoReturn:
        """End with the last line about an error that the process has written."""
        self.process.kill()
        self.process.wait()
        self.reader.join()
        lines = [line.strip() for line in self.errors if line.strip()]
        errors = [line for line in lines if ERROR.match(line)] or lines
        raise SystemExit(
            f"{self.name} {how}: {errors[-1] if errors else 'no reason given'}"
        )

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
