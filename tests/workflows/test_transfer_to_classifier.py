"""A classifier starts from a language model: its table, its encoder, its words."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.train import train

pytestmark = pytest.mark.usefixtures("undrawn")
SMALL = {"features.width": 6, "encoder.units": (5, 4), "recipe.max_steps": 1}
LINES = ["a fine film", "a dull film", "no fine film at all", "never dull"] * 4


class Notes(Reporter):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


@pytest.fixture(scope="module")
def language_model(tmp_path_factory):
    data = tmp_path_factory.mktemp("texts")
    for split in ("train", "valid"):
        (data / f"{split}.txt").write_text("\n".join(LINES) + "\n")
    run = tmp_path_factory.mktemp("runs") / "language_model"
    settings = {**SMALL, "features.width": 4, "task.vocabulary": 9, "recipe.batch": 64}
    train(preset="lstm_lm_small", data=str(data), run_dir=run, settings=settings)
    return run


@pytest.fixture
def reviews(tmp_path):
    rows = [f"{('good', 'bad')[i % 2]},{line}" for i, line in enumerate(LINES)]
    for split in ("train", "validation"):
        text = "\n".join(["label,text", *rows]) + "\n"
        (tmp_path / f"{split}.csv").write_text(text)
    return str(tmp_path)


def test_table_encoder_and_words_are_taken(language_model, reviews, tmp_path):
    settings = {**SMALL, "features.width": 4}
    settings["recipe.schedule.initial_learning_rate"] = 1e-30
    notes, run = Notes(), tmp_path / "run"
    result = train(
        preset="sentiment_small",
        data=reviews,
        run_dir=run,
        settings=settings,
        init_from=language_model,
        reporter=notes,
    )
    found = result.transfer
    assert found["taken"][0] == "features/embedding/embeddings"
    kernels = ("kernel", "recurrent_kernel", "bias")
    layers = {f"encoder/rnn_{i}/{kernel}" for i in range(2) for kernel in kernels}
    assert set(found["taken"][1:]) == layers
    assert found["skipped"] == {
        "decoder/dense/kernel": "(4, 2), there none",
        "decoder/dense/bias": "(2,), there none",
        "decoder/bias": "none, there (9,)",
    }
    assert f"tokens.model: taken from {language_model / 'preset'}" in notes.notes
    assert any(note.startswith("7 of 9 weights, ") for note in notes.notes)
    there = Seq2Seq.from_preset(language_model / "preset", load_weights=True)
    here = Seq2Seq.from_preset(run / "preset", load_weights=True)
    assert here.task.fitted.tokenizer == there.task.tokens
    assert here.task.labels == ("bad", "good")
    for a, b in zip(weights(there), weights(here), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def weights(model: keras.Model):
    """Of the table and the recurrent layers."""
    layers = [model.features, *model.encoder.recurrences]
    return [ops.convert_to_numpy(w) for layer in layers for w in layer.weights]


def test_what_has_another_width_is_told_with_both_shapes(
    language_model, reviews, tmp_path
):
    result = train(
        preset="sentiment_small",
        data=reviews,
        run_dir=tmp_path / "run",
        settings=SMALL,
        init_from=language_model,
    )
    skipped = result.transfer["skipped"]
    assert skipped["encoder/rnn_0/kernel"] == "(1, 6, 20), there (1, 4, 20)"
    assert "encoder/rnn_1/kernel" in result.transfer["taken"]


def test_fresh_weights_are_no_transfer(reviews, tmp_path):
    result = train(
        preset="sentiment_small",
        data=reviews,
        run_dir=tmp_path / "run",
        settings={**SMALL, "task.vocabulary": 9},
    )
    assert result.transfer is None
