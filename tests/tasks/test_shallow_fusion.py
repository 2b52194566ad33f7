"""A language model in the search of a translator with the same vocabulary."""

import itertools
import logging
from dataclasses import replace

import keras
import numpy as np
import pytest

from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.texts import Text
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.language_modeling import LanguageModeling
from s2s_zoo.tasks.text_probability import text_log_probabilities
from s2s_zoo.tasks.text_to_text import TextToText
from s2s_zoo.vocabulary import END, SPECIAL_PIECES
from tests.tiny import draw_weights

pytestmark = pytest.mark.usefixtures("untraced")

WORDS = ["a", "b", "c"]
RNG = np.random.default_rng(0)
LINES = [" ".join(RNG.choice(WORDS, size=4)) for _ in range(20)]
FIRST = len(SPECIAL_PIECES)
SETTINGS = "beam=13,n_best=9,max_length=2,unknown=false,patience=none"
PENALTY, ALPHA = 0.6, 0.8
SOURCES = ["a b", "c a b a a c b", "b"]


def built(preset, task):
    keras.utils.set_random_seed(0)
    model = replace(PRESETS.get(preset).scaled(), task=task).build()
    draw_weights(model)
    return model


@pytest.fixture(scope="module")
def translator():
    pairs = [Pair(str(i), line, line) for i, line in enumerate(LINES)]
    task = TextToText(tokenizer="word", vocabulary=FIRST + 3, measure="exact")
    return built("reversal_rr", task.fit(pairs))


def language_model(folder, **settings):
    texts = [Text(str(i), line) for i, line in enumerate(LINES)]
    model = built("lstm_lm_small", LanguageModeling(**settings).fit(texts))
    model.save_to_preset(folder / "preset")
    return model, str(folder)


@pytest.fixture(scope="module")
def fused(translator, tmp_path_factory):
    """A language model that was given the vocabulary of the translator, and its run."""
    folder = tmp_path_factory.mktemp("fused")
    translator.save_to_preset(folder / "translator")
    tokens = folder / "translator" / "assets" / "joint.model"
    return language_model(folder, tokenizer_file=str(tokens))


def translated(model, sources, settings):
    return model.task.infer(model, sources, f"{SETTINGS},{settings}")


def expected(translator, judge, source):
    """Every text by (ln P(text | source) + α ln P(text)) over the penalty."""
    tokens = translator.task.fitted.target
    texts = [
        " ".join(words)
        for size in range(3)
        for words in itertools.product(WORDS, repeat=size)
    ]
    ids = [[*tokens.encode([text])[0], END] for text in texts]
    (read,), _ = translator.task.runner(translator, translator.task.search).encode(
        [source]
    )
    rows = np.repeat(read[None], len(texts), axis=0)
    target = np.array([[*row, 0, 0][:3] for row in ids], "int32")
    lengths = np.full(len(rows), len(read), "int32")
    inputs = {"source": rows, "source_lengths": lengths, "target": target}
    logits = keras.ops.convert_to_numpy(translator.predict_on_batch(inputs)["logits"])
    logits = logits.astype("float64")
    logits -= np.log(np.exp(logits).sum(-1, keepdims=True))
    found = {}
    for text, row, scored, others in zip(
        texts, ids, logits, text_log_probabilities(judge, tokens, texts), strict=True
    ):
        total = scored[np.arange(len(row)), row].sum() + ALPHA * others.sum()
        found[text] = total / ((5 + len(row)) / 6) ** PENALTY
    return found


def test_it_finds_the_best_of_all_texts_by_both(translator, fused):
    judge, run = fused
    settings = f"lm={run},alpha={ALPHA},length_penalty={PENALTY}"
    for result in translated(translator, SOURCES, settings):
        worth = expected(translator, judge, result["input"])
        best = sorted(worth, key=lambda text: -worth[text])[:9]
        assert [found["text"] for found in result["n_best"]] == best
        scores = [found["score"] for found in result["n_best"]]
        np.testing.assert_allclose(scores, [worth[text] for text in best], atol=1e-4)


@pytest.mark.parametrize("beam", ["beam=3,n_best=2", "beam=1,n_best=1"])
def test_no_weight_is_no_language_model(translator, fused, beam):
    search = f"{beam},max_length=4"
    without, with_it, weighed = (
        translator.task.infer(translator, SOURCES, f"{search}{more}")
        for more in ("", f",lm={fused[1]},alpha=0", f",lm={fused[1]},alpha=9")
    )
    assert with_it == without
    assert [r["output"] for r in weighed] != [r["output"] for r in without]


def test_neither_neighbours_nor_padding_change_a_text(translator, fused):
    """Nor is the language model a part of the translator afterwards."""
    settings, count = f"lm={fused[1]},alpha={ALPHA}", len(translator.weights)
    together = translated(translator, SOURCES, settings)
    (alone,) = translated(translator, SOURCES[:1], settings)
    assert alone["output"] == together[0]["output"]
    assert alone["score"] == pytest.approx(together[0]["score"], abs=1e-5)
    assert len(translator.weights) == count


def test_another_vocabulary_is_told_and_chooses_from_the_beam(
    translator, tmp_path, caplog
):
    judge, run = language_model(tmp_path, vocabulary=FIRST + 2)
    settings = f"beam=3,length_penalty={PENALTY},max_length=2,unknown=false"
    runner = translator.task.runner
    with caplog.at_level(logging.WARNING):
        search = runner(translator, translator.task.search.parse(f"lm={run}")).search
    assert "another vocabulary than what is written, so it chooses among" in caplog.text
    assert search.model is None
    before = translator.task.infer(translator, ["a b"], f"{settings},n_best=3")[0]
    (after,) = translator.task.infer(
        translator, ["a b"], f"{settings},n_best=3,lm={run},alpha={ALPHA}"
    )
    texts = [found["text"] for found in before["n_best"]]
    scores = text_log_probabilities(judge, judge.task.tokens, texts)
    worth = {
        one["text"]: one["score"]
        + ALPHA * score.sum() / ((6 + len(one["text"].split())) / 6) ** PENALTY
        for one, score in zip(before["n_best"], scores, strict=True)
    }
    assert {found["text"] for found in after["n_best"]} == set(texts)
    for found in after["n_best"]:
        assert found["score"] == pytest.approx(worth[found["text"]], abs=1e-4)


def test_its_search_is_not_exported(translator, fused):
    search = replace(translator.task.search, lm=fused[1])
    task = replace(translator.task, search=search)
    with pytest.raises(UserError, match=r"is not exported: .*Received: task.search.lm"):
        task.serving(translator)
