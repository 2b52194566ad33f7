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
for folder in sys.argv[1:]:
    model = keras.models.load_model(f"{folder}/m.keras")
    with np.load(f"{folder}/inputs.npz") as inputs:
        output = model.predict(dict(inputs), verbose=0)
    np.savez(f"{folder}/outputs.npz", **output)
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


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Models after a step of `fit`, inputs they score, and where both are saved."""
    made = []
    for preset in (recognizer(), translator()):
        keras.utils.set_random_seed(0)
        model = preset.build()
        model.compile(optimizer=keras.optimizers.Adam(1e-3))
        inputs, target = batch_of(preset)
        model.fit(inputs, target, batch_size=len(inputs["source"]), verbose=0)
        folder = tmp_path_factory.mktemp("keras")
        model.save(folder / "m.keras")
        np.savez(folder / "inputs.npz", **inputs)
        made.append((model, inputs, folder))
    return made


@pytest.fixture(params=[0, 1], ids=["recognizer", "translator"])
def fitted(request, models):
    return models[request.param]


def numbers(model, inputs):
    output = model.predict(inputs, verbose=0)
    return {name: ops.convert_to_numpy(value) for name, value in output.items()}


def test_saved_and_loaded(fitted):
    model, inputs, folder = fitted
    again = keras.models.load_model(folder / "m.keras", safe_mode=True)
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
def test_loaded_by_another_backend(models, backend):
    pytest.importorskip(backend, reason=f"{backend} is not installed")
    subprocess.run(
        [sys.executable, "-c", LOAD, *(str(folder) for *_, folder in models)],
        env={**os.environ, "KERAS_BACKEND": backend},
        cwd=Path(__file__).parents[2],
        check=True,
        capture_output=True,
    )
    for model, inputs, folder in models:
        expected = numbers(model, inputs)
        with np.load(folder / "outputs.npz") as found:
            assert set(found.files) == set(expected)
            for name in found.files:
                np.testing.assert_allclose(found[name], expected[name], atol=1e-4)


def test_weights_alone(fitted, tmp_path):
    model, inputs, _ = fitted
    path = tmp_path / "m.weights.h5"
    model.save_weights(path)
    other = keras.models.clone_model(model)
    other.load_weights(path)
    expected = numbers(model, inputs)
    for name, value in numbers(other, inputs).items():
        np.testing.assert_array_equal(value, expected[name])


def test_a_clone_has_weights_of_its_own(fitted):
    model, *_ = fitted
    clone = keras.models.clone_model(model)
    assert clone.count_params() == model.count_params()
    shared = {id(w) for w in model.weights} & {id(w) for w in clone.weights}
    assert not shared


def test_the_configuration_is_plain_data(fitted):
    config = fitted[0].get_config()
    json.dumps(config)
    assert Seq2Seq.from_config(config).get_config() == config
