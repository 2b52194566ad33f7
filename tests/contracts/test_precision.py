"""Which numbers are float32 under a mixed policy, for every layer of every preset."""

import functools

import keras
import pytest
from keras import ops

from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.layers.normalization import MaskedBatchNormalization
from s2s_zoo.precision import Float32Regularizer
from s2s_zoo.registry import PRESETS
from tests.tiny import batch_of, topologies

POLICIES = {"mixed_float16": "float16", "mixed_bfloat16": "bfloat16"}


@functools.cache
def built(name, policy):
    preset = PRESETS.get(name).scaled().with_settings({"recipe.precision": policy})
    return preset, preset.build()


@pytest.fixture(scope="module", params=POLICIES)
def policy(request):
    return request.param


@pytest.fixture(scope="module", params=topologies())
def mixed(request, policy):
    """A scaled preset under a mixed policy, its model, and the dtype of halves."""
    return *built(request.param, policy), POLICIES[policy]


def inside(layer):
    """A layer and all layers in it."""
    yield layer
    for child in layer._layers:
        yield from inside(child)


def expected_dtypes(model, half):
    """(layer, dtype it computes in) of each layer; parts of a float32 one follow it."""
    held = set()
    for part in (model.features, model.encoder, model.decoder):
        for layer in inside(part):
            if isinstance(layer, ZooLayer) and layer.computes_in_float32:
                held.update(map(id, inside(layer)))
            yield layer, "float32" if id(layer) in held else half


def test_every_layer_computes_where_it_should(mixed):
    _, model, half = mixed
    for layer, dtype in expected_dtypes(model, half):
        assert layer.compute_dtype == dtype, layer.path


def test_every_variable_is_a_float32_master(mixed):
    _, model, _ = mixed
    for variable in model.trainable_variables:
        assert variable.dtype == "float32", variable.path


def test_every_penalty_is_float32(mixed):
    _, model, _ = mixed
    regularizers = (variable.regularizer for variable in model.weights)
    assert all(isinstance(r, Float32Regularizer) for r in regularizers if r)


def specs(arrays):
    return keras.tree.map_structure(
        lambda array: keras.KerasTensor(array.shape, dtype=str(array.dtype)), arrays
    )


def dtype_of(tensor):
    return keras.backend.standardize_dtype(tensor.dtype)


class Loss(keras.Operation):
    """That of a batch in training, and all outputs."""

    def __init__(self, task, model):
        super().__init__()
        self.task, self.model = task, model

    def call(self, inputs, target):
        outputs = self.model(inputs, training=True)
        return self.task.loss(target, outputs), outputs

    def found(self, batch):
        """By their shapes; TensorFlow computes them, which takes it less time."""
        if keras.backend.backend() == "tensorflow":
            return self(*batch)
        return self(*specs(batch))


@pytest.mark.parametrize("name", topologies())
def test_what_is_summed_over_time_or_classes_is_float32(name, monkeypatch):
    """States of loops (recurrence, CTC), softmaxes, batch statistics and outputs."""
    preset, model = built(name, "mixed_bfloat16")
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
    loss, outputs = Loss(preset.task, model).found(batch_of(preset))
    assert (loss.shape, dtype_of(loss)) == ((), "float32")
    floats = [spec for name, spec in outputs.items() if name != "mask"]
    assert floats
    assert set(map(dtype_of, floats)) == {"float32"}
    if preset.task.name == "speech_to_text":
        assert seen["scan"]
        assert seen["log_softmax"]
    assert seen["softmax"] or seen["log_softmax"]
    layers = model._flatten_layers()
    normalizes = any(isinstance(layer, MaskedBatchNormalization) for layer in layers)
    assert bool(seen["moments"]) == normalizes
    for kind, dtypes in seen.items():
        for dtype in dtypes:
            name = keras.backend.standardize_dtype(dtype)
            assert name == "float32" or name.startswith("int"), kind
