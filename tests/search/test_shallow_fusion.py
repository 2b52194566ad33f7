"""Two models that write together against enumeration of what both give."""

from dataclasses import replace

import numpy as np
import pytest
from keras import ops

from s2s_zoo.search.rules import rules
from s2s_zoo.search.sampling import sample
from s2s_zoo.search.shallow_fusion import Fused, fused_logits
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.typing import EncoderOutput
from s2s_zoo.vocabulary import END, PAD, START, UNKNOWN
from tests.search.chaos import Chaos, Task, compiled, loop_of, modes, ranked, texts

VOCABULARY, SOURCES, LONGEST = 7, 3, 4
FORBIDDEN = (PAD, START, UNKNOWN)
PREFIX = np.array([[-1, -1], [5, -1], [4, 6]], "int32")


class Writing:
    """A chaotic model as searches step it; each row of the memory says its source."""

    def __init__(self, model: Chaos, reads: bool = True):
        self.model, self.reads = model, reads

    def start(self, memory, beams, length, reordered=True):
        sources = ops.cast(memory.sequence[:, 0, 0], "int32")
        return self.model.start(sources if self.reads else 0 * sources, beams)

    def step(self, tokens, state):
        return self.model.step(tokens, state)


class Both:
    """What the two of them give to each token, in float64."""

    vocabulary = VOCABULARY

    def __init__(self, seed: int, alpha: float):
        self.translator = Chaos(VOCABULARY, SOURCES, seed)
        self.writer = Chaos(VOCABULARY, 1, seed + 100)
        self.alpha = alpha

    def log_probabilities(self, source, tokens):
        one = self.translator.log_probabilities(source, tokens)
        return one + self.alpha * self.writer.log_probabilities(0, tokens)

    def task(self, source):
        prefix = PREFIX[source][PREFIX[source] >= 0]
        return Task(self, source, LONGEST, 0, prefix, FORBIDDEN)


def found_by(search, models, mode=None, sources=None, frames=1):
    """What a search for the texts of the sources gives, in one compiled function."""
    mode = mode or modes()[0]
    search = replace(search, length_factor=0.0, length_extra=LONGEST, unknown=False)
    sources = np.arange(SOURCES, dtype="int32") if sources is None else sources
    translator = Writing(models.translator)

    def run(sources, prefix):
        rows = ops.cast(ops.repeat(sources[:, None, None], frames, axis=1), "float32")
        mask = ops.ones_like(rows[..., 0]) * ops.cast(ops.arange(frames) < 1, "float32")
        memory = EncoderOutput(rows, mask > 0)
        lengths = ops.ones_like(sources)
        inputs = {"source": sources[:, None], "source_lengths": lengths}
        inputs["prefix"] = prefix
        return search.write(translator, memory, inputs, loop_of(mode))

    return compiled(run, mode)(sources, PREFIX[sources])


def fused(models, alpha=None, **settings):
    alpha = models.alpha if alpha is None else alpha
    search = TokenSearch(alpha=alpha, **settings)
    return search.with_model(Writing(models.writer, reads=False))


class Found:
    """The fields of a result as attributes."""

    def __init__(self, fields):
        vars(self).update(fields)


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize(("alpha", "penalty"), [(0.3, 0.6), (2.0, 0.0)])
def test_full_width_finds_the_best_of_all_texts_by_both(alpha, penalty, mode):
    models = Both(seed=int(10 * alpha), alpha=alpha)
    search = fused(models, beam=81, n_best=20, length_penalty=penalty, patience=None)
    result = Found(found_by(search, models, mode))
    alone = Found(found_by(replace(search, alpha=0.0), models))
    changed = 0
    for row in range(SOURCES):
        task = models.task(row)
        expected = ranked(task.all_texts(), penalty, 20)
        assert texts(result, row) == [text for _, text in expected]
        np.testing.assert_allclose(
            result.scores[row, : len(expected)], [s for s, _ in expected], atol=2e-4
        )
        changed += texts(alone, row) != texts(result, row)
    assert changed > 0


@pytest.mark.parametrize("mode", modes())
def test_greedy_takes_what_both_like_best(mode):
    models = Both(seed=3, alpha=0.7)
    result = Found(found_by(fused(models, beam=1, length_penalty=0.0), models, mode))
    for row in range(SOURCES):
        text, total = models.task(row).greedy()
        assert texts(result, row) == [text]
        assert result.scores[row, 0] == pytest.approx(total, abs=2e-4)


def test_what_is_drawn_scores_by_both_and_follows_their_product():
    """The likeliest of one token, and the score of all that were drawn."""
    models = Both(seed=4, alpha=0.7)
    settings = {"temperature": 1.0, "n_best": 5, "length_penalty": 0.0}
    drawn = Found(found_by(fused(models, **settings), models))
    likeliest = Found(found_by(fused(models, top_k=1, **settings), models))
    for row in range(SOURCES):
        task = models.task(row)
        worth = dict(task.all_texts())
        for text, score in zip(texts(drawn, row), drawn.scores[row], strict=True):
            assert score == pytest.approx(worth[text], abs=2e-4)
        assert set(texts(likeliest, row)) == {task.greedy()[0]}


def test_draws_have_the_frequencies_of_the_product():
    p, q, alpha, count = np.array([0.1, 0.2, 0.7]), np.array([0.6, 0.3, 0.1]), 0.5, 4000
    tokens = [END, 4, 5]
    logits, others = np.full((2, VOCABULARY), -30.0)
    logits[tokens], others[tokens] = np.log(p), np.log(q)
    tables = logits.astype("float32"), others.astype("float32")

    def step(written, state):
        rows = ops.cast(ops.zeros_like(written)[:, None], "float32")
        pair = (rows + ops.convert_to_tensor(table) for table in tables)
        return fused_logits(*pair, alpha), state

    state = Chaos(VOCABULARY, 1, 0).start(ops.zeros((1,), "int32"), count)
    law = rules(ops.ones((1,), "int32"), 1)
    found = sample(step, state, law, samples=count, seed=1)
    first = ops.convert_to_numpy(found.tokens)[0, :, 0]
    expected = p * q**alpha / (p * q**alpha).sum()
    shares = [np.mean(first == token) for token in (-1, 4, 5)]
    np.testing.assert_allclose(shares, expected, atol=4 * (0.25 / count) ** 0.5)


@pytest.mark.parametrize("settings", [{"beam": 3, "n_best": 2}, {"beam": 1}])
def test_no_weight_is_no_language_model(settings):
    models = Both(seed=5, alpha=0.0)
    with_it = found_by(fused(models, **settings), models)
    without = found_by(TokenSearch(**settings), models)
    for name, values in without.items():
        np.testing.assert_array_equal(with_it[name], values)


def test_neither_neighbours_nor_padding_change_a_result():
    models = Both(seed=6, alpha=0.5)
    search = fused(models, beam=3, n_best=3)
    together = found_by(search, models, frames=5)
    for row in range(SOURCES):
        alone = found_by(search, models, sources=np.array([row], "int32"))
        for name, values in alone.items():
            whole = together[name][row : row + 1]
            if name == "tokens":
                whole = whole[..., : values.shape[-1]]
            np.testing.assert_allclose(whole, values, atol=1e-5)


def test_the_logits_are_the_sums_and_normalized():
    rng = np.random.default_rng(0)
    logits, others = rng.normal(0, 4, (2, 5, VOCABULARY)).astype("float32")
    logits[0, 5], others[1, END] = -np.inf, 300.0
    found = ops.convert_to_numpy(fused_logits(*map(np.copy, (logits, others)), 0.4))
    one, other = (
        x
        - np.log(np.exp(x - x.max(-1, keepdims=True)).sum(-1, keepdims=True))
        - x.max(-1, keepdims=True)
        for x in (logits.astype("float64"), others.astype("float64"))
    )
    expected = one + 0.4 * other
    real = np.arange(VOCABULARY) != PAD
    np.testing.assert_allclose(found[:, real], expected[:, real], rtol=1e-5)
    np.testing.assert_allclose(np.exp(found.astype("float64")).sum(-1), 1, atol=1e-6)


def test_loops_know_the_step_again():
    """A loop compiled for a step is not compiled anew for the next batch."""
    models = Both(seed=7, alpha=0.5)
    parts = Writing(models.translator), Writing(models.writer, reads=False)
    assert Fused(*parts, 0.5).step == Fused(*parts, 0.5).step
    assert hash(Fused(*parts, 0.5).step) == hash(Fused(*parts, 0.5).step)
    assert Fused(*parts, 0.5).step != Fused(*parts, 0.6).step


def test_the_signature_tells_fusion_from_choosing():
    search = TokenSearch(lm="runs/lm")
    fused = search.with_model(Writing(Chaos(VOCABULARY, 1, 0)))
    assert search.signature == "beam:4|penalty:0.6|patience:1.0|lm:runs/lm"
    assert fused.signature == f"{search.signature}|fusion:shallow"
    assert fused.line == search.line
