"""Every preset: named after its file, of the stated size; every net trains."""

import importlib
import pkgutil
from functools import partial

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.catalog import Preset, list_presets
from s2s_zoo.models.saving import weights_room
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS, canonical
from tests.gradients import compiled
from tests.tiny import batch_of, topologies

NAMES = list_presets()
STEPS = 12
"""Steps in which loss scaling has halved itself down to a scale that fits."""


def homes():
    """Name of each preset of the package and the module it is written in."""
    package = importlib.import_module("s2s_zoo.presets")
    for module in pkgutil.iter_modules(package.__path__):
        content = vars(importlib.import_module(f"s2s_zoo.presets.{module.name}"))
        for value in content.values():
            if isinstance(value, Preset):
                yield value.name, module.name


def test_names_start_with_the_stem_of_their_file():
    found = dict(homes())
    assert sorted(found) == NAMES
    for name, module in found.items():
        assert name == canonical(name)
        assert name.startswith(module)


@pytest.mark.parametrize("name", NAMES)
def test_parameters_are_those_of_the_model_it_builds(name):
    preset = PRESETS.get(name)
    assert preset.parameters == preset.count_parameters()


def test_what_was_counted_is_never_made_room_for(monkeypatch):
    made = []
    monkeypatch.setattr(keras.Variable, "_deferred_initialize", made.append)
    PRESETS.get(NAMES[0]).scaled().count_parameters()
    with keras.StatelessScope():
        pass
    assert not made


@pytest.mark.parametrize("name", NAMES)
def test_settings_come_back(name):
    preset = PRESETS.get(name)
    settings = preset.settings()
    assert preset.with_settings(settings).settings() == settings
    assert preset.with_settings(preset.demo).settings() == settings | dict(preset.demo)


@pytest.mark.parametrize("name", NAMES)
def test_scaled_keeps_the_topology(name):
    preset, small = PRESETS.get(name), PRESETS.get(name).scaled()
    before, after = preset.settings(), small.settings()
    assert before.keys() == after.keys()
    for path, value in before.items():
        if after[path] != value:
            old, new = keras.tree.flatten(value), keras.tree.flatten(after[path])
            if {type(size) for size in (*old, *new)} == {int}:
                assert max(new) <= max(old), path
            else:  # a column of a table, of which rows are left out
                assert isinstance(value, tuple), path
                assert set(new) <= set(old), path
    assert kinds(small) == kinds(preset)
    assert small.recipe == preset.recipe


def kinds(part):
    """Which classes are named where, parts in parts too."""
    if isinstance(part, Preset):
        return {name: kinds(value) for name, value in part.parts().items()}
    inner = {n: kinds(v) for n, v in part.keywords.items() if isinstance(v, partial)}
    return part.func, inner


def with_every_part(names):
    """Few of the names, and small ones, that hold every class of part."""
    holds = {name: classes(kinds(PRESETS.get(name))) for name in names}
    left, chosen = set().union(*holds.values()), set()
    while left:
        best = max(
            holds, key=lambda n: (len(holds[n] & left), -PRESETS.get(n).parameters)
        )
        chosen.add(best)
        left -= holds[best]
    return chosen


def classes(found):
    """The classes that `kinds` tells of."""
    if isinstance(found, dict):
        return set().union(*map(classes, found.values()))
    return {found[0]} | classes(found[1])


NETS = topologies("recipe.precision")
TRACED = with_every_part(NETS)
"""What is trained as a graph.

The others TensorFlow trains step by step, which takes a third of the time; of their
step JAX finds the shapes only, as its compilation takes seconds.
"""


@pytest.mark.parametrize("name", NETS)
def test_trains_and_comes_back_from_its_directory(name, tmp_path):
    keras.utils.set_random_seed(0)
    preset = PRESETS.get(name).scaled()
    model = preset.build()
    assert all(layer.built for layer in model._flatten_layers())
    preset.compile(model, updates=10)
    batch = batch_of(preset)
    if keras.backend.backend() == "jax" and name not in TRACED:
        check_shapes(model, batch)
    else:
        check_training(model, batch, name in TRACED)

    model.save_to_preset(tmp_path)
    size = (tmp_path / "model.weights.h5").stat().st_size
    assert 4 * model.count_params() < size <= weights_room(model)
    again = Seq2Seq.from_preset(tmp_path, load_weights=True)
    assert again.task == preset.task
    assert again.get_config() | {"name": model.name} == model.get_config()
    for value, expected in zip(values(again), values(model), strict=True):
        np.testing.assert_array_equal(value, expected)
    if name in TRACED:
        expected = output(model, batch[0])
        for name, value in output(again, batch[0]).items():
            np.testing.assert_array_equal(value, expected[name])


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(set(NETS) - TRACED))
def test_the_others_train_as_graphs_too(name):
    keras.utils.set_random_seed(0)
    preset = PRESETS.get(name).scaled()
    model = preset.build()
    preset.compile(model, updates=10)
    check_training(model, batch_of(preset), as_graph=True)


def check_training(model, batch, as_graph):
    """Overflows are skipped, and a warm-up may start at a rate of 0."""
    if keras.backend.backend() == "tensorflow":
        model.run_eagerly = not as_graph
    before = values(model)
    for _ in range(STEPS):
        loss = model.train_on_batch(*batch, return_dict=True)["loss"]
        assert np.isfinite(loss)
        assert loss > 0
        after = values(model)
        changed = [(a != b).any() for a, b in zip(before, after, strict=True)]
        if any(changed):
            break
    assert sum(changed) > len(changed) / 2
    assert all(np.isfinite(a).all() for a in after)


def check_shapes(model, batch):
    import jax

    kinds = ("trainable", "non_trainable", "optimizer", "metrics")
    every = {f"{kind}_variables": True for kind in kinds}
    state = model._get_jax_state(**every)
    logs, after = jax.eval_shape(model.train_step, state, (*batch, None))
    assert (logs["loss"].shape, logs["loss"].dtype) == ((), "float32")
    for value, expected in zip(*map(keras.tree.flatten, (after, state)), strict=True):
        assert (value.shape, value.dtype) == (expected.shape, expected.dtype)


def values(model):
    return [ops.convert_to_numpy(v).copy() for v in model.trainable_variables]


def output(model, inputs):
    found = compiled(lambda inputs: model(inputs, training=False))(inputs)
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}
