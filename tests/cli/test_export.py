"""`s2s-zoo export` serves from TensorFlow what any backend trained."""

import importlib.util
import json
import os
import sys

import keras
import numpy as np
import pytest
from s2s_zoo.cli import export as verb

from s2s_zoo.errors import UserError
from s2s_zoo.export.backends import BACKENDS
from s2s_zoo.export.comparison import signature_inputs
from s2s_zoo.export.formats import FORMATS
from s2s_zoo.export.savedmodel import run_saved_model
from tests import prepared
from tests.tiny import tiny_preset


def call(*arguments):
    return prepared.run(
        [sys.executable, "-m", "s2s_zoo.cli", "export", *map(str, arguments)],
        env={**os.environ, "KERAS_BACKEND": keras.backend.backend()},
    )


@pytest.mark.usefixtures("warm_exports")
def test_exports_what_this_backend_wrote(tmp_path):
    pytest.importorskip("tensorflow", reason="it writes SavedModels")
    keras.utils.set_random_seed(1)
    model = tiny_preset().build()
    run, output = tmp_path / "run", tmp_path / "served"
    model.save_to_preset(run / "preset")

    done = call(run, "--output", output, "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert set(result) == {"format", "path", "max_abs_difference"}
    assert (result["format"], result["path"]) == ("savedmodel", str(output))
    assert result["max_abs_difference"] <= 1e-4

    rng = np.random.default_rng(5)
    rows = [rng.normal(0, 0.1, n).astype(np.float32) for n in (9000, 21000)]
    serving = model.task.serving(model)
    batch = serving.batch(rows)
    found = run_saved_model(output, [signature_inputs(serving, rows)])[0]
    scores = keras.ops.log_softmax(model(batch, training=False)["ctc_logits"])
    np.testing.assert_allclose(
        found["log_probabilities/log_probabilities"],
        keras.ops.convert_to_numpy(scores),
        atol=1e-4,
    )
    assert found["serve/text"].tolist() == model.generate(rows)


def test_the_backend_of_each_format_is_known_before_any_is_started():
    assert {name: found.backend for name, found in FORMATS.items()} == BACKENDS


def test_without_tensorflow(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="pip install tensorflow"):
        verb._start_backend("tensorflow")
