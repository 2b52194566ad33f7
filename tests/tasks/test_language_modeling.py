"""Language models: perplexity by hand, whatever the tokens; prompts."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest

from s2s_zoo.data.texts import Text
from s2s_zoo.errors import UserError
from s2s_zoo.export.savedmodel import write_saved_model
from s2s_zoo.registry import PRESETS
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.language_modeling import LanguageModeling
from s2s_zoo.tasks.text_probability import text_log_probabilities
from tests.tiny import draw_weights

WORDS = ["alpha", "beta", "gamma", "delta"]
RNG = np.random.default_rng(0)
TEXTS = [
    Text(str(i), " ".join(RNG.choice(WORDS, size=i % 5 + (i % 7 > 0))))
    for i in range(30)
]
BUILT = {}


def fitted(**settings):
    return LanguageModeling(window=4, **settings).fit(TEXTS)


def model_of(task, drawn=True):
    key = task, drawn
    if key not in BUILT:
        keras.utils.set_random_seed(0)
        preset = replace(PRESETS.get("lstm_lm_small").scaled(), task=task)
        BUILT[key] = preset.with_settings({"recipe.batch": 8.0}).build()
        if drawn:
            draw_weights(BUILT[key])
    return BUILT[key]


def evaluate(task, model, texts=TEXTS):
    return task.evaluate(model, texts, 100.0, lambda done: None)


def test_the_perplexity_of_one_stream_is_that_of_one_long_text():
    """Read as a whole: the ends are tokens within it."""
    task = fitted(evaluation_streams=1)
    model = model_of(task)
    source, target = [], []
    for text in TEXTS:
        target += [*task.tokens.encode([text.text])[0].tolist(), 1]
    source = [1, *target[:-1]]
    whole = {
        "source": np.array([source], "int32"),
        "source_lengths": np.array([len(source)], "int32"),
        "target": np.array([target], "int32"),
    }
    scores = np.asarray(model.predict_on_batch(whole)["log_probabilities"])[0]
    found = evaluate(task, model)
    assert found.metrics["loss"] == pytest.approx(-scores.mean(), rel=1e-5)
    words = sum(len(text.text.split()) + 1 for text in TEXTS)
    expected = math.exp(-scores.sum() / words)
    assert found.metrics["perplexity"] == pytest.approx(expected, rel=1e-4)
    low, high = found.confidence["perplexity"]
    assert low < expected < high
    assert [o.reference for o in found.outputs] == [text.text for text in TEXTS]


def test_streams_side_by_side_differ_only_where_they_begin():
    task = fitted(evaluation_streams=2)
    model = model_of(task)
    both = evaluate(task, model).outputs
    one = evaluate(replace(task, evaluation_streams=1), model).outputs
    pairs = zip(both, one, strict=True)
    same = [math.isclose(a.output, b.output, rel_tol=1e-4) for a, b in pairs]
    assert all(same[:10])
    assert not all(same)


def test_a_model_that_knows_nothing_has_as_much_perplexity_as_there_are_tokens():
    task = fitted()
    model = model_of(task, drawn=False)
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    found = evaluate(task, model)
    assert found.metrics["perplexity"] == pytest.approx(task.tokens.size, rel=1e-5)
    bits = (
        math.log2(task.tokens.size)
        * sum(len(t.text.split()) + 1 for t in TEXTS)
        / sum(len(t.text) + 1 for t in TEXTS)
    )
    assert found.metrics["bits_per_character"] == pytest.approx(bits, rel=1e-5)


def test_pieces_of_words_are_measured_by_the_word():
    """Uniform over V pieces, n of them and w words with ends: V^(n / w)."""
    task = fitted(tokenizer="char", vocabulary=14)
    model = model_of(task, drawn=False)
    for variable in model.trainable_variables:
        variable.assign(np.zeros(variable.shape))
    pieces = sum(len(ids) + 1 for ids in task.tokens.encode([t.text for t in TEXTS]))
    words = sum(len(text.text.split()) + 1 for text in TEXTS)
    expected = task.tokens.size ** (pieces / words)
    found = evaluate(task, model)
    assert found.metrics["perplexity"] == pytest.approx(expected, rel=1e-5)
    assert found.metrics["loss"] == pytest.approx(math.log(task.tokens.size), rel=1e-5)


def test_unknown_words_are_counted():
    task = fitted()
    found = evaluate(task, model_of(task), [Text("1", "alpha omega psi"), *TEXTS])
    assert found.signature.endswith("|streams:10|unknown:2")


def test_measures_of_outcomes():
    task = LanguageModeling()
    outcomes = [Outcome("1", "a bc", -math.log(8)), Outcome("2", "", -math.log(2))]
    measures = task.measures(outcomes)
    assert measures["perplexity"].value == pytest.approx(2)
    assert measures["bits_per_character"].value == pytest.approx(4 / 6)


def test_a_prompt_is_read_behind_the_end_of_a_text():
    task = fitted()
    model = model_of(task)
    settings = {"max_length": 3, "min_length": 3, "unknown": False}
    prompts = ["alpha beta", "", "gamma"]
    texts = model.generate(prompts, **settings)
    assert all(len(text.split()) == 3 for text in texts)
    for prompt, text in zip(prompts, texts, strict=True):
        best = {
            word: text_log_probabilities(model, task.tokens, [f"{prompt} {word}"])[0]
            for word in WORDS
        }
        place = len(prompt.split())
        first = max(best, key=lambda word: best[word][place])
        assert text.split()[0] == first


SPACES = "".join(chr(code) for code in range(0x3001) if chr(code).isspace())


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="TensorFlow writes SavedModels"
)
@pytest.mark.parametrize("tokenizer", ["word", "unigram"])
def test_a_prompt_is_read_alike_by_the_exported_model(tokenizer, tmp_path):
    """Blank ones too; of words also unknown ones and any white space."""
    import tensorflow as tf

    task = fitted(tokenizer=tokenizer, vocabulary=18)
    model = model_of(task)
    settings = "max_length=5,min_length=5,unknown=false"
    exported = replace(task, search=task.search.parse(settings))
    write_saved_model(exported.serving(model, TEXTS), tmp_path / "saved")
    prompts = ["alpha beta", "", "  ", "gamma gamma"]
    if tokenizer == "word":
        prompts += [f"alpha{space}beta" for space in SPACES]
        prompts += ["alpha omega psi beta", "omega", "<unk> beta"]
    loaded = tf.saved_model.load(tmp_path / "saved")
    found = loaded.signatures["serve"](source=tf.constant(prompts))
    expected = exported.infer(model, prompts)
    texts = [text.decode() for text in found["text"].numpy()]
    assert texts == [result["output"] for result in expected]
    scores = [result["score"] for result in expected]
    np.testing.assert_allclose(found["scores"], scores, rtol=1e-5)


def test_drawn_texts_differ_by_seed_and_follow_the_prompt():
    model = model_of(fitted())
    settings = {"temperature": 1.0, "top_p": 0.9, "max_length": 8}
    first, again, other = (
        model.generate(["alpha beta"], **settings, seed=seed) for seed in (0, 0, 1)
    )
    assert first == again != other


def test_a_text_has_a_probability_by_itself():
    """The product of those of its tokens, in whatever batch."""
    task = fitted()
    model = model_of(task)
    together = text_log_probabilities(model, task.tokens, ["alpha", "beta gamma", ""])
    assert [len(scores) for scores in together] == [2, 3, 1]
    (alone,) = text_log_probabilities(model, task.tokens, ["beta gamma"])
    np.testing.assert_allclose(together[1], alone, rtol=1e-5)
    assert together[2][0] == pytest.approx(_first(model, 1), rel=1e-5)


def _first(model, token):
    """ln P of a token behind the end of a text."""
    rows = {"source": [[1]], "source_lengths": [1], "target": [[token]]}
    inputs = {name: np.array(row, "int32") for name, row in rows.items()}
    return float(np.asarray(model.predict_on_batch(inputs)["log_probabilities"])[0, 0])


def test_a_picture_and_texts_without_words(tmp_path):
    task = fitted()
    model = model_of(task)
    task.picture(model, Text("1", "alpha beta"), tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 2000
    with pytest.raises(UserError, match="train: no words in 2 texts"):
        task.select(model, [Text("1", " "), Text("2", "")], "train")
