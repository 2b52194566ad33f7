"""Killed at any instant and resumed, a training ends in the same bits."""

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from tests import prepared
from tests.speech_corpus import TINY, write_corpus

STEPS = 18
SETTINGS = (
    *TINY,
    f"recipe.max_steps={STEPS}",
    "recipe.epochs=99",
    "recipe.batch=3.0",
    "recipe.checkpoint_every=2",
    "recipe.validate_every=6",
    "recipe.keep_checkpoints=9",
)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


def command(corpus: Path, run: Path, resume: bool) -> list[str]:
    parts = [sys.executable, "-m", "s2s_zoo.cli", "train", "deepspeech2-small"]
    parts += ["--data", str(corpus), "--run-dir", str(run)]
    for setting in SETTINGS:
        parts += ["--set", setting]
    return [*parts, "--resume"] if resume else parts


def start(corpus: Path, run: Path, resume: bool = False) -> prepared.Process:
    return prepared.popen(command(corpus, run, resume))


def finish(process: prepared.Process, code: int = 0) -> str:
    _, errors = process.communicate()
    assert process.returncode == code, errors
    return errors


def digest(run: Path) -> str:
    """SHA-256 of all final variables, optimizer and seed generators included."""
    with np.load(run / f"checkpoints/step-{STEPS:08d}/variables.npz") as arrays:
        found = hashlib.sha256()
        for name in sorted(arrays.files):
            found.update(name.encode() + arrays[name].tobytes())
    return found.hexdigest()


def wait_for_step(run: Path, step: int, process: prepared.Process) -> None:
    deadline = time.monotonic() + 240
    while not (run / f"checkpoints/step-{step:08d}").is_dir():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module")
def uninterrupted(corpus, tmp_path_factory):
    run = tmp_path_factory.mktemp("runs") / "whole"
    finish(start(corpus, run))
    return digest(run)


def test_sigkill_at_random_steps(corpus, uninterrupted, tmp_path):
    seed = time.time_ns()
    print(f"seed {seed}")  # shown when the test fails
    draw = random.Random(seed)
    run, kill_at = tmp_path / "killed", sorted(draw.sample((2, 4, 6, 8), 2))
    for attempt, step in enumerate(kill_at):
        process = start(corpus, run, resume=attempt > 0)
        wait_for_step(run, step, process)
        time.sleep(draw.random() * 0.3)
        process.send_signal(signal.SIGKILL)
        process.communicate()
    finish(start(corpus, run, resume=True))
    assert digest(run) == uninterrupted


def test_signals_save_and_tell_how_to_go_on(corpus, uninterrupted, tmp_path):
    run = tmp_path / "stopped"
    for step, number in ((2, signal.SIGTERM), (6, signal.SIGINT)):
        process = start(corpus, run, resume=step > 2)
        wait_for_step(run, step, process)
        process.send_signal(number)
        errors = finish(process, code=75)
        assert f"--run-dir {run} --resume" in errors
        assert "Traceback" not in errors
    nowhere = dict.fromkeys(("HOME", "MPLCONFIGDIR", "TMPDIR"), "/dev/null/none")
    done = subprocess.run(
        command(corpus, run, resume=True),
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3", "DISPLAY": "", **nowhere},
    )
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert (run / "plots/example.png").is_file()
    assert digest(run) == uninterrupted
