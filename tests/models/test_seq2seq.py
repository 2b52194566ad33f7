"""Seq2Seq is a Keras model: fit, evaluate and predict work as in Keras."""

import keras
import numpy as np
import pytest

from s2s_zoo import Seq2Seq
from s2s_zoo.errors import UserError
from s2s_zoo.losses.base import as_tensors
from s2s_zoo.losses.ctc import CTC
from s2s_zoo.registry import PRESETS


@pytest.fixture(scope="module")
def batch():
    rng = np.random.default_rng(0)
    inputs = {
        "source": rng.normal(size=(4, 8000)).astype("float32") * 0.1,
        "source_lengths": np.array([8000, 7000, 6500, 0], "int32"),
    }
    target = {
        "target": rng.integers(0, 28, (4, 5)).astype("int32"),
        "target_lengths": np.array([5, 3, 4, 2], "int32"),
    }
    return inputs, target


@pytest.mark.usefixtures("collected")
def test_fit_evaluate_predict(batch):
    keras.utils.set_random_seed(0)
    preset = PRESETS.get("deepspeech2_small").scaled()
    model = preset.with_settings({"encoder.rnn_layers": 1}).build()
    model.compile(optimizer=keras.optimizers.Adam(1e-2))
    inputs, target = batch
    history = model.fit(inputs, target, batch_size=4, epochs=8, verbose=0)
    losses = history.history["loss"]
    assert np.isfinite(losses).all()
    assert losses[-1] < losses[0]
    assert np.isfinite(model.evaluate(inputs, target, batch_size=4, verbose=0))
    output = model.predict(inputs, batch_size=4, verbose=0)
    assert output["ctc_logits"].shape == (4, 26, 29)
    assert output["mask"].sum(axis=1).tolist() == [26, 22, 21, 0]


def test_an_objective_as_a_graph_gives_what_it_gives(batch):
    model, rng = PRESETS.get("deepspeech2_small").scaled().build(), np.random
    objective = model.task.objective
    graph = model.compiled_objective(objective)
    target = as_tensors(batch[1])
    for frames in (26, 31):
        logits = rng.default_rng(1).normal(size=(4, frames, 29)).astype("float32")
        mask = np.arange(frames) < np.array([[26], [22], [21], [0]])
        output = as_tensors({"ctc_logits": logits, "mask": mask})
        expected = float(objective(target, output))
        assert float(graph(target, output)) == pytest.approx(expected, rel=1e-5)
    assert model.compiled_objective(CTC()) is graph


def test_hyphens_and_underscores_are_the_same():
    small = {"encoder": {"rnn_units": 4, "projection": 4, "filters": (2, 2)}}
    hyphens = Seq2Seq.from_preset("deepspeech2-small", **small)
    underscores = Seq2Seq.from_preset("DeepSpeech2_Small", **small)
    assert hyphens.count_params() == underscores.count_params()
    assert hyphens.encoder.rnn_units == 4


def test_a_named_preset_has_no_weights_to_require():
    with pytest.raises(UserError, match="without weights"):
        Seq2Seq.from_preset("deepspeech2-small", load_weights=True)
