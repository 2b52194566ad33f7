"""A trained tiny run, and the command line called in this process."""

import json

import pytest

from s2s_zoo.registry import PRESETS
from tests.speech_corpus import TINY, TINY_SETTINGS, write_corpus
from tests.text_corpus import SMALL, write_pairs

PRESETS.names()


@pytest.fixture
def zoo(capfd, loaded_once):
    """Call the command line; gives (exit code, stdout, stderr)."""
    return lambda *arguments: call(capfd, *arguments)


def call(capfd, *arguments):
    from s2s_zoo.cli import main

    capfd.readouterr()
    with pytest.raises(SystemExit) as exit_:
        main([str(a) for a in arguments])
    out, err = capfd.readouterr()
    assert "Traceback" not in err
    return exit_.value.code, out, err


@pytest.fixture(scope="session")
def corpus(tmp_path_factory):
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="session")
def trained(corpus, tmp_path_factory):
    """A run directory and what `train --json` printed for it."""
    from s2s_zoo.workflows.train import train

    run = tmp_path_factory.mktemp("runs") / "tiny"
    settings = TINY_SETTINGS | {"recipe.epochs": 2, "recipe.batch": 4.0}
    train(preset="deepspeech2-small", data=str(corpus), run_dir=run, settings=settings)
    return run


def settings_options():
    return [part for setting in TINY for part in ("--set", setting)]


def read_json(text):
    """The one JSON object on stdout."""
    lines = text.strip().splitlines()
    assert len(lines) == 1
    return json.loads(lines[0])


@pytest.fixture(scope="session")
def pairs(tmp_path_factory):
    return write_pairs(tmp_path_factory.mktemp("pairs"))


@pytest.fixture(scope="session")
def translator(pairs, tmp_path_factory):
    """The run directory of a tiny translator."""
    from s2s_zoo.workflows.train import train

    run = tmp_path_factory.mktemp("runs") / "translator"
    tiny = {**SMALL, **PRESETS.get("transformer_tiny").scaled().settings()}
    widths = {
        k: v for k, v in tiny.items() if k.split(".")[0] in ("encoder", "decoder")
    }
    settings = SMALL | widths | {"features.width": 8, "recipe.epochs": 3}
    settings |= {"recipe.average": 2, "recipe.checkpoint_every": 1}
    train(preset="transformer-tiny", data=str(pairs), run_dir=run, settings=settings)
    return run
