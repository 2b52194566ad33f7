"""The examples run as they stand."""

import importlib.util
import sys
from pathlib import Path

import pytest

from tests import prepared
from tests.speech_corpus import write_corpus

EXAMPLES = Path(__file__).parent.parent / "examples"


def run(name, *arguments):
    done = prepared.run([sys.executable, EXAMPLES / name, *arguments])
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_speech_to_text(tmp_path):
    corpus = write_corpus(tmp_path / "corpus", train=6, validation=1)
    out = run("speech_to_text.py", corpus, 1)
    assert out.startswith("step 0: loss ")
    assert out.count("heard") == 3


@pytest.mark.skipif(
    importlib.util.find_spec("num2words") is None,
    reason="needs the extra demo: pip install 's2s-zoo[demo]'",
)
def test_translation():
    out = run("translation.py", "demo_numbers", 1)
    assert out.startswith("step 0: loss ")
    assert out.count("written") == 5


@pytest.mark.skipif(
    importlib.util.find_spec("espeakng_loader") is None,
    reason="needs the extra demo: pip install 's2s-zoo[demo]'",
)
def test_say(tmp_path):
    run("say.py", "turn on the kitchen lamp", tmp_path / "hello.wav")
    assert (tmp_path / "hello.wav").stat().st_size > 16000
