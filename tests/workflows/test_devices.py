"""Training that several devices share."""

import json
from pathlib import Path

import keras
import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.workflows.train import train
from tests import prepared
from tests.speech_corpus import write_corpus
from tests.tiny import topologies

BACKEND = keras.backend.backend()


def test_two_devices_learn_what_one_learns(tmp_path):
    kinds = json.loads(on_two_devices("several_devices.py", tmp_path))
    assert kinds.pop("fit") < 1e-5
    assert kinds.pop("resumed") == 0
    for kind, found in kinds.items():
        one, two = found["losses"]
        mixed = kind == "text"  # its encoder and decoder compute in float16
        np.testing.assert_allclose(two, one, rtol=1e-5 if mixed else 1e-6)
        assert found["difference"] < (1e-3 if mixed else 1e-4)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_every_kind_of_network_steps_on_two_devices_as_on_one():
    lines = on_two_devices("nets_on_devices.py").splitlines()
    assert [json.loads(line)[0] for line in lines] == topologies()
    for line in lines:
        name, (one, two), difference = json.loads(line)
        np.testing.assert_allclose(two, one, rtol=1e-5, err_msg=name)
        assert difference < 1e-5, name


def on_two_devices(script, *arguments):
    """What a script prints in a process where the processor counts as two devices."""
    if BACKEND == "torch":
        pytest.skip("PyTorch trains on one device")
    return prepared.on_two_devices(Path(__file__).with_name(script), *arguments)


@pytest.mark.parametrize("count", [2, 64])
def test_more_devices_than_there_are_names_those(tmp_path, count):
    match = "tensorflow or jax" if BACKEND == "torch" else "Take --devices 1"
    with pytest.raises(UserError, match=match):
        train(
            preset="deepspeech2-small",
            data=str(write_corpus(tmp_path / "corpus")),
            run_dir=tmp_path / "run",
            settings={"recipe.devices": count},
        )


def test_numbers_are_recorded_on_one_device(tmp_path):
    with pytest.raises(UserError, match="one device"):
        train(
            preset="deepspeech2-small",
            data=str(write_corpus(tmp_path / "corpus")),
            run_dir=tmp_path / "run",
            settings={"recipe.devices": 2},
            numerics=True,
        )
