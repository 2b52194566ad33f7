"""A Seq2Seq is saved, loaded and cloned as any Keras model, across backends too."""

import json
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.catalog import Preset
from s2s_zoo.data.pairs import Pair
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS
from tests.tiny import batch_of, tiny_preset

LOAD = """
import json, sys
import keras, numpy as np
import s2s_zoo
model = keras.models.load_model(sys.argv[1])
with np.load(sys.argv[2]) as inputs:
    output = model.predict(dict(inputs), verbose=0)
np.savez(sys.argv[3], **output)
"""
OTHERS = [b for b in ("tensorflow", "jax", "torch") if b != keras.backend.backend()]


def recognizer() -> Preset:
    return tiny_preset()


def translator() -> Preset:
    """Its task has learned a tokenizer."""
    preset = PRESETS.get("reversal_rr").scaled()
    pairs = [Pair("1", "a b c", "c b a")]
    task = preset.with_settings({"task.vocabulary": 7}).task.fit(pairs)
    return Preset(**{**vars(preset), "task": task})


@pytest.fixture(scope="module", params=[recognizer, translator])
def fitted(request):
    """A model after a step of `fit`, and inputs it scores."""
    keras.utils.set_random_seed(0)
    preset = request.param()
    model = preset.build()
    model.compile(optimizer=keras.optimizers.Adam(1e-3))
    inputs, target = batch_of(preset)
    model.fit(inputs, target, batch_size=len(inputs["source"]), verbose=0)
    return model, inputs


@pytest.fixture(scope="module")
def saved(fitted, tmp_path_factory):
    path = tmp_path_factory.mktemp("keras") / "m.keras"
    fitted[0].save(path)
    return path


def numbers(model, inputs):
    output = model.predict(inputs, verbose=0)
    return {name: ops.convert_to_numpy(value) for name, value in output.items()}


def test_saved_and_loaded(fitted, saved):
    model, inputs = fitted
    again = keras.models.load_model(saved, safe_mode=True)
    assert type(again) is Seq2Seq
    assert again.name == model.name
    assert again.task == model.task
    assert again.task.assets() == model.task.assets()
    expected = numbers(model, inputs)
    for name, value in numbers(again, inputs).items():
        np.testing.assert_array_equal(value, expected[name])
    state = [ops.convert_to_numpy(v) for v in model.optimizer.variables]
    for one, two in zip(again.optimizer.variables, state, strict=True):
        np.testing.assert_array_equal(ops.convert_to_numpy(one), two)


@pytest.mark.parametrize("backend", OTHERS)
def test_loaded_by_another_backend(fitted, saved, backend, tmp_path):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    model, inputs = fitted
    np.savez(tmp_path / "inputs.npz", **inputs)
    files = [str(saved), str(tmp_path / "inputs.npz"), str(tmp_path / "outputs.npz")]
    environment = {**os.environ, "KERAS_BACKEND": backend}
    subprocess.run(
        [sys.executable, "-c", LOAD, *files],
        env=environment,
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
    )
    expected = numbers(model, inputs)
    with np.load(tmp_path / "outputs.npz") as found:
        assert set(found.files) == set(expected)
        for name in found.files:
            np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_weights_alone(fitted, tmp_path):
    model, inputs = fitted
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    other = keras.models.clone_model(model)
    other.load_weights(path)
    expected = numbers(model, inputs)
    for name, value in numbers(other, inputs).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_clone_has_weights_of_its_own(fitted):
    model, _ = fitted
    clone = keras.models.clone_model(model)
    assert clone.count_params() == model.count_params()
    shared = {id(w) for w in model.weights} & {id(w) for w in clone.weights}
    assert not shared


def test_the_configuration_is_plain_data(fitted):
    config = fitted[0].get_config()
    json.dumps(config)
    assert Seq2Seq.from_config(config).get_config() == config
