"""Trained language models as searches ask them: by the unit, fused, and as a judge."""

import itertools
import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from s2s_zoo.data.texts import Text
from s2s_zoo.errors import UserError
from s2s_zoo.ngrams import estimate_kneser_ney, split_units, write_arpa
from s2s_zoo.ngrams.loading import load_language_model
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.ctc_beam import CTCBeam
from s2s_zoo.search.text_scores import TextScores
from s2s_zoo.tasks import neural_language_model
from s2s_zoo.tasks.language_modeling import LanguageModeling
from s2s_zoo.tasks.neural_language_model import (
    NeuralLanguageModel,
    knowing_its_model,
    load_neural_language_model,
    named_language_model,
)
from s2s_zoo.tasks.text_probability import text_log_probabilities
from tests.tiny import draw_weights

pytestmark = pytest.mark.usefixtures("untraced")

WORDS = ["a", "b", "ab", "ba"]
RNG = np.random.default_rng(0)
TEXTS = [Text(str(i), " ".join(RNG.choice(WORDS, size=4))) for i in range(20)]
SYMBOLS = " ab"
TOKENS = {"word": 8, "bpe": 9, "char": 7}


@pytest.fixture(scope="module")
def models():
    """A language model of each kind of tokens, by name."""
    found = {}
    for kind, size in TOKENS.items():
        task = LanguageModeling(tokenizer=kind, vocabulary=size).fit(TEXTS)
        keras.utils.set_random_seed(0)
        preset = replace(PRESETS.get("lstm_lm_small").scaled(), task=task)
        found[kind] = preset.build()
        draw_weights(found[kind])
    return found


def asked(model):
    return NeuralLanguageModel(model, model.task.tokens)


@pytest.mark.parametrize("kind", TOKENS)
@pytest.mark.parametrize("rows", [1, 1000])
def test_units_add_up_to_the_text(models, kind, rows, monkeypatch):
    """Also where distributions and states are forgotten at once.

    Characters follow the space that comes in front of each text.
    """
    monkeypatch.setattr(neural_language_model, "ROWS", rows)
    monkeypatch.setattr(neural_language_model, "STATES", rows)
    model = asked(models[kind])
    given = 1 if kind == "char" else 0
    for text in ("ab ba a", "b", "ba omega" if kind == "word" else "ba"):
        (scores,) = text_log_probabilities(models[kind], model.tokenizer, [text])
        found = model.score(split_units(text, model.unit))
        assert found == pytest.approx(scores[given:].sum(), rel=1e-4)


def test_what_it_knows(models):
    assert asked(models["word"]).vocabulary == set(WORDS)
    characters = asked(models["char"])
    assert (characters.unit, characters.vocabulary) == ("characters", {"▁", "a", "b"})
    assert not asked(models["word"]).knows("omega")


def texts_of(emissions):
    """ln P of each text that CTC can read, over all of its alignments."""
    frames, classes = emissions.shape
    found = {}
    for path in itertools.product(range(classes), repeat=frames):
        kept = [k for k, _ in itertools.groupby(path) if k < classes - 1]
        text = "".join(SYMBOLS[k] for k in kept)
        cost = sum(emissions[t, k] for t, k in enumerate(path))
        found[text] = np.logaddexp(found.get(text, -math.inf), cost)
    return found


@pytest.mark.parametrize("kind", ["word", "bpe"])
@pytest.mark.parametrize("seed", range(3))
def test_takes_part_in_the_search_of_a_recognizer(models, kind, seed):
    """The best of all texts there are by ln P(text | audio) + α ln P(text)."""
    logits = np.random.default_rng(seed).normal(0, 2, (1, 4, 4)).astype("float32")
    model, alpha = asked(models[kind]), 1.5
    search = CTCBeam(beam=200, alpha=alpha, token_threshold=-50, beam_threshold=500)
    search = search.with_settings({"lm": "run"}).with_model(model)
    output = {"ctc_logits": logits, "mask": np.ones((1, 4), bool)}
    [[best]] = search.over(SYMBOLS).read(output)
    emissions = logits[0] - np.log(np.exp(logits[0]).sum(-1, keepdims=True))
    worth = {
        text: cost + alpha * model.score(text.split())
        for text, cost in texts_of(emissions).items()
    }
    found = "".join(SYMBOLS[token] for token in best.tokens)
    assert found == max(worth, key=worth.get)
    assert best.score == pytest.approx(worth[found], rel=1e-4)


def test_words_of_several_pieces_are_told_apart(models):
    model = asked(models["bpe"])
    scores = TextScores(SYMBOLS, model, alpha=1.0)
    for word in ("bb", "aa", "bbb"):
        assert not model.knows(word)
        total, prefix = 0.0, scores.start()
        for symbol in f"{word} ":
            score, prefix = scores.extend(prefix, SYMBOLS.index(symbol))
            total += score
        assert total == pytest.approx(model.advance(model.start(), word)[0])


def test_a_run_is_found_by_its_path(models, tmp_path):
    models["word"].save_to_preset(tmp_path / "preset")
    model = load_neural_language_model(tmp_path)
    assert model.score(["a"]) == pytest.approx(asked(models["word"]).score(["a"]))
    search = knowing_its_model(CTCBeam(lm=str(tmp_path)))
    assert search.model is named_language_model(str(tmp_path)) is model
    assert knowing_its_model(CTCBeam(beam=3)) == CTCBeam(beam=3)
    PRESETS.get("reversal_rr").scaled().build().save_to_preset(tmp_path / "other")
    with pytest.raises(UserError, match="Received: a run of text_to_text"):
        load_neural_language_model(tmp_path / "other")


@pytest.mark.parametrize("n_best", [1, 2])
def test_judges_what_a_search_of_texts_has_found(models, tmp_path, n_best):
    """Each text of a beam scores what it did and α ln P(text) over the penalty."""
    file = tmp_path / "lm.arpa"
    counts = estimate_kneser_ney([text.text.split() for text in TEXTS], order=2)
    write_arpa(file, counts.ngrams)
    task, model = models["word"].task, models["word"]
    settings = "beam=4,length_penalty=0.5,max_length=4,unknown=false"
    (before,) = task.infer(model, ["a b"], f"{settings},n_best=4")
    judge = load_language_model(file)
    expected = sorted(
        (
            (
                found["score"]
                + 2.0
                * judge.score(found["text"].split())
                / ((6 + len(found["text"].split())) / 6) ** 0.5,
                found["text"],
            )
            for found in before["n_best"]
        ),
        reverse=True,
    )
    (after,) = task.infer(
        model, ["a b"], f"{settings},n_best={n_best},lm={file},alpha=2"
    )
    assert (after["output"], after["score"]) == pytest.approx(expected[0][::-1])
    texts = [found["text"] for found in after.get("n_best", [])]
    assert texts == ([text for _, text in expected[:2]] if n_best == 2 else [])


def test_texts_are_scored_as_typed(models):
    task, model = models["word"].task, models["word"]
    first, second = task.score(model, ["a ab", ""])
    (scores,) = text_log_probabilities(model, task.tokens, ["a ab"])
    assert first["log_probability"] == pytest.approx(scores.sum(), rel=1e-5)
    assert first["output"] == pytest.approx(math.exp(-scores.sum() / 3), rel=1e-5)
    assert [token["piece"] for token in first["tokens"]] == ["▁a", "▁ab", "</s>"]
    assert (second["words"], len(second["tokens"])) == (0, 1)
    translator = PRESETS.get("reversal_rr").task
    with pytest.raises(UserError, match="text_to_text gives its inputs no probability"):
        translator.score(model, ["a"])
