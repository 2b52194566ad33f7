"""Weights of a language model are found on held-out utterances."""

from itertools import product

import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.tasks.tuning import tune
from tests.search.language_models import character_arpa
from tests.speech_corpus import write_corpus
from tests.tiny import draw_weights, tiny_preset


@pytest.fixture(scope="module")
def model():
    model = tiny_preset().build()
    draw_weights(model)
    return model


@pytest.fixture
def examples(model, tmp_path):
    return model.task.read(str(write_corpus(tmp_path / "corpus")), "validation")


@pytest.fixture
def path(model, tmp_path):
    path = tmp_path / "letters.arpa"
    path.write_text(character_arpa(model.task.alphabet))
    return path


def test_the_best_of_a_grid_and_of_what_lies_beside_it(model, examples, path):
    done = []
    search = f"beam=2,alpha=0.2,lm={path}"
    found = tune(model.task, model, examples, 60.0, done.append, search)
    assert sum(done) == len(examples) == found.examples
    values = dict(found.trials)
    assert len(values) == len(found.trials) <= 1 + 5 * 3 + 2 * 4
    tried = [text.removeprefix(f"beam=2,lm={path},") for text in values]
    grid = product((0, 0.5, 1, 1.5, 2), (0, 1, 2))
    assert tried[:16] == ["alpha=0.2,beta=0"] + [f"alpha={a},beta={b}" for a, b in grid]
    assert found.value == min(values.values()) == values[found.search]
    assert found.before == found.trials[0].value
    for text in (found.search, found.trials[0].search):
        measured = model.task.evaluate(model, examples, 60.0, done.append, text)
        assert measured.metrics[found.metric] == pytest.approx(values[text])
    alphas = [float(text.partition(",")[0].removeprefix("alpha=")) for text in tried]
    assert min(alphas) == 0


def test_a_model_that_rights_what_is_heard_wrong_is_given_weight(
    model, examples, tmp_path, monkeypatch
):
    """Each letter is heard as an "x", by a little; the language model knows none."""
    task, alphabet = model.task, model.task.alphabet
    batches = task.batches(examples)
    planned = [batches.load(b) for b in batches.plan(60.0, shuffle=False).epoch(0)]
    outputs = iter([misheard(target, alphabet) for _, target in planned])
    monkeypatch.setattr(model, "predict_on_batch", lambda _: next(outputs))
    units = alphabet.replace(" ", "|")
    rows = [f"{-4 if unit == 'x' else -2}\t{unit}" for unit in units]
    rows += ["-1\t</s>", "-2\t<unk>", "-99\t<s>"]
    path = tmp_path / "letters.arpa"
    header = f"\\data\\\nngram 1={len(rows)}\n\n\\1-grams:\n"
    path.write_text(header + "\n".join(rows) + "\n\n\\end\\\n")
    search = f"lm={path},alpha=0.05,beam_threshold=100"
    found = tune(task, model, examples, 60.0, lambda _: None, search)
    assert found.before == 1
    assert found.value == 0
    assert found.search == f"lm={path},beam_threshold=100,alpha=0.5,beta=0"


def misheard(target, alphabet):
    """Outputs where "x" has 0.6 and the right letter 0.4, a blank behind each."""
    tokens, lengths = target["target"], target["target_lengths"]
    rows, size = tokens.shape
    probabilities = np.full((rows, 2 * size, len(alphabet) + 1), 1e-9)
    probabilities[..., -1] = 1
    for row, length in enumerate(lengths):
        for place, token in enumerate(tokens[row, :length]):
            frame = probabilities[row, 2 * place]
            frame[[token, alphabet.index("x"), -1]] = 0.4, 0.6, 1e-9
            if alphabet[token] == " ":
                frame[[token, alphabet.index("x")]] = 1, 1e-9
    mask = np.arange(2 * size) < 2 * np.asarray(lengths)[:, None]
    return {"ctc_logits": np.log(probabilities), "mask": mask}


def test_the_model_runs_once(model, examples, path, monkeypatch):
    calls = []
    whole = model.predict_on_batch

    def counted(inputs):
        calls.append(len(inputs["source"]))
        return whole(inputs)

    monkeypatch.setattr(model, "predict_on_batch", counted)
    tune(model.task, model, examples, 60.0, lambda _: None, f"beam=2,lm={path}")
    planned = model.task.batches(examples).plan(60.0, shuffle=False).epoch(0)
    assert len(calls) == len(list(planned))


def test_a_search_without_a_model_has_nothing_to_tune(model, examples):
    for search in ("", "beam=8"):
        with pytest.raises(UserError, match=r"nothing to tune: .*--search lm=FILE"):
            tune(model.task, model, examples, 60.0, lambda _: None, search)
