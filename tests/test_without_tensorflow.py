"""Where TensorFlow is not installed, the zoo imports, trains and evaluates."""

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.speech_corpus import TINY, write_corpus

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("tensorflow") is not None,
    reason="TensorFlow is installed here",
)


def zoo(*arguments):
    command = [sys.executable, "-m", "s2s_zoo.cli", *map(str, arguments)]
    environment = {k: v for k, v in os.environ.items() if k != "KERAS_BACKEND"}
    done = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_trains_and_evaluates(tmp_path):
    corpus, run = write_corpus(tmp_path / "corpus"), tmp_path / "run"
    settings = [part for setting in TINY for part in ("--set", setting)]
    options = ["--data", corpus, "--run-dir", run, "--max-steps", 2, "--json"]
    trained = zoo("train", "deepspeech2-small", *options, *settings)
    assert trained["steps"] == 2
    measured = zoo("evaluate", run, "--json")
    assert measured["examples"] == 3
    assert "word_error_rate" in measured["metrics"]
