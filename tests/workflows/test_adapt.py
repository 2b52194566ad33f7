"""What a decoder takes from the training data before the first step."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.workflows.train import train

pytestmark = pytest.mark.usefixtures("undrawn", "untraced")
SMALL = {
    "features.width": 4,
    "encoder.filters": 3,
    "encoder.kernels": (3,),
    "decoder.buckets": 64,
    "task.tokenizer": "word",
    "task.subword_dropout": 0.0,
    "recipe.batch": 32.0,
    "recipe.max_steps": 2,
}
TEXTS = {"good": "a fine film", "bad": "a dull film"}


def written(directory, texts):
    """A corpus of as many texts as the other, of each label one that repeats."""
    directory.mkdir()
    rows = [f"{label},{text}" for label, text in texts.items()] * 4
    for split in ("train", "validation"):
        lines = "\n".join(["label,text", *rows]) + "\n"
        (directory / f"{split}.csv").write_text(lines)
    return str(directory)


def trained(data, run, **more):
    settings = {**SMALL, **more.pop("settings", {})}
    train(
        preset="sentiment_cnn_bayes", data=data, run_dir=run, settings=settings, **more
    )
    return Seq2Seq.from_preset(run)


def votes(model, text):
    """log p(bad | text) - log p(good | text) of naive Bayes alone."""
    bayes = model.decoder.naive_bayes
    tokens = model.task.fitted.encode([text], 9)[0][None]
    found = bayes(tokens, np.array([tokens.shape[1]], "int32"))
    scores = ops.convert_to_numpy(found)[0]
    return scores[0] - scores[1]


def test_naive_bayes_has_counted_the_training_texts(tmp_path):
    model = trained(written(tmp_path / "data", TEXTS), tmp_path / "run")
    assert model.task.labels == ("bad", "good")
    # "fine", "a fine" and "fine film" are in four good texts and in no bad one
    np.testing.assert_allclose(votes(model, "a fine film"), -3 * np.log(5), rtol=1e-5)
    np.testing.assert_allclose(votes(model, "a film"), 0, atol=1e-6)


def test_a_resumed_training_has_what_it_counted(tmp_path):
    data = written(tmp_path / "data", TEXTS)
    whole = trained(data, tmp_path / "whole")
    trained(data, tmp_path / "run", settings={"recipe.max_steps": 1})
    again = trained(data, tmp_path / "run", resume=True)
    for one, other in zip(whole.weights, again.weights, strict=True):
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (one, other)))


def test_one_that_starts_from_another_counts_its_own(tmp_path):
    before, swapped = tmp_path / "before", {"good": TEXTS["bad"], "bad": TEXTS["good"]}
    trained(written(tmp_path / "data", TEXTS), before)
    data = written(tmp_path / "other", swapped)
    model = trained(data, tmp_path / "run", init_from=before)
    np.testing.assert_allclose(votes(model, "a fine film"), 3 * np.log(5), rtol=1e-5)
