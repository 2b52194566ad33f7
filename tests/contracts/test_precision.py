"""Which numbers are float32 under a mixed policy, for every layer of every preset."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.catalog import list_presets
from s2s_zoo.features.base import Features
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.convolution import RowConvolution
from s2s_zoo.layers.embedding import TokenEmbedding
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.layers.positions import LearnedPositions
from s2s_zoo.registry import PRESETS
from tests.tiny import batch_of, topologies

NAMES = list_presets()
POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}
FLOAT32 = (Features, RowConvolution, TokenEmbedding, LearnedPositions)
HALF = (
    ZooLayer,
    keras.layers.Dense,
    keras.layers.Conv2D,
    keras.layers.Dropout,
)
"""Layers whose products and outputs are in half precision."""


def built(name, policy):
    preset = PRESETS.get(name).scaled().with_settings({"recipe.precision": policy})
    return preset, preset.build()


def inside(layer):
    """A layer and all layers in it."""
    yield layer
    for child in layer._layers:
        yield from inside(child)


def expected_dtypes(model, half):
    """(layer, dtype it computes in) of each layer; parts of a float32 one follow it."""
    for part in (model.features, model.encoder, model.decoder):
        held = set()
        for layer in inside(part):
            if isinstance(layer, FLOAT32):
                held.update(map(id, inside(layer)))
            assert id(layer) in held or isinstance(layer, HALF), type(layer)
            yield layer, "float32" if id(layer) in held else half


@pytest.mark.parametrize("name", topologies())
@pytest.mark.parametrize("policy", POLICIES)
def test_every_layer_computes_where_it_should(name, policy):
    _, model = built(name, policy)
    for layer, dtype in expected_dtypes(model, POLICIES[policy]):
        assert layer.compute_dtype == dtype, layer.path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("policy", POLICIES)
def test_every_variable_is_a_float32_master(name, policy):
    preset, model = built(name, policy)
    preset.compile(model, updates=1)
    for variable in [*model.trainable_variables, *model.optimizer.variables]:
        whole = variable.dtype.startswith(("int", "uint"))
        assert whole or variable.dtype == "float32", variable.path


@pytest.mark.parametrize("name", topologies())
def test_what_is_summed_over_time_or_classes_is_float32(name, monkeypatch):
    """States of loops (recurrence, CTC), softmaxes and batch statistics."""
    preset, model = built(name, "mixed_bfloat16")
    preset.compile(model, updates=1)
    seen = {"scan": [], "softmax": [], "log_softmax": [], "moments": []}
    scan, moments = ops.scan, MaskedBatchNormalization._moments

    def spy_scan(step, init, *args, **kwargs):
        seen["scan"] += [x.dtype for x in keras.tree.flatten(init)]
        return scan(step, init, *args, **kwargs)

    def spy_moments(self, x, mask):
        seen["moments"].append(x.dtype)
        return moments(self, x, mask)

    def spy(kind):
        function = getattr(ops, kind)

        def call(x, *args, **kwargs):
            seen[kind].append(x.dtype)
            return function(x, *args, **kwargs)

        monkeypatch.setattr(ops, kind, call)

    monkeypatch.setattr(ops, "scan", spy_scan)
    monkeypatch.setattr(MaskedBatchNormalization, "_moments", spy_moments)
    spy("softmax")
    spy("log_softmax")
    inputs, target = batch_of(preset)
    loss = model.train_on_batch(inputs, target, return_dict=True)["loss"]
    assert np.isfinite(loss)
    if preset.task.name == "speech_to_text":
        assert seen["scan"]
        assert seen["log_softmax"]
    assert seen["softmax"]
    if preset.encoder.keywords.get("filters"):
        assert seen["moments"]
    for kind, dtypes in seen.items():
        for dtype in dtypes:
            name = keras.backend.standardize_dtype(dtype)
            assert name == "float32" or name.startswith("int"), kind


@pytest.mark.parametrize("name", topologies())
@pytest.mark.parametrize("policy", POLICIES)
def test_logits_are_float32(name, policy):
    preset, model = built(name, policy)
    inputs = {
        name: keras.KerasTensor(array.shape, dtype=str(array.dtype))
        for name, array in batch_of(preset)[0].items()
    }
    found = model.compute_output_spec(inputs)
    floats = [spec for name, spec in found.items() if name != "mask"]
    assert floats
    assert {spec.dtype for spec in floats} == {"float32"}
