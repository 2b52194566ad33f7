"""Greedy search against plain Python, samples against their distribution."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.search.rules import rules
from s2s_zoo.search.sampling import greedy, sample
from s2s_zoo.typing import DecoderState
from s2s_zoo.vocabulary import END, PAD, START, UNKNOWN
from tests.search.chaos import Chaos, Task, compiled, loop_of, modes, texts

FORBIDDEN = (PAD, START, UNKNOWN)
SOURCES = np.arange(5, dtype="int32")
LONGEST = np.array([9, 2, 0, 1, 6], "int32")
SHORTEST = np.array([0, 2, 3, 0, 5], "int32")
PREFIXES = np.array([[-1, -1], [4, -1], [-1, -1], [5, 4], [4, 5]], "int32")


def tasks(model):
    return [
        Task(model, row, longest, shortest, prefix[prefix >= 0].tolist(), FORBIDDEN)
        for row, (longest, shortest, prefix) in enumerate(
            zip(LONGEST, SHORTEST, PREFIXES, strict=True)
        )
    ]


def sampler(model, *, size, samples, mode=None, **settings):
    """A function of sources, longest, shortest, prefix and keys."""
    mode = mode or modes()[0]
    settings |= {"samples": samples, "loop": loop_of(mode)}

    def run(sources, longest, shortest, prefix, keys):
        law = rules(longest, size, shortest, prefix, FORBIDDEN)
        state = model.start(sources, samples)
        return sample(model.step, state, law, keys=keys, **settings)

    return compiled(run, mode)


@pytest.mark.parametrize("mode", modes())
def test_greedy_equals_plain_python(mode):
    model = Chaos(vocabulary=9, sources=5, seed=0)

    def run(sources, longest, shortest, prefix):
        law = rules(longest, 12, shortest, prefix, FORBIDDEN)
        state = model.start(sources, 1)
        settings = {"length_penalty": 0.6, "loop": loop_of(mode)}
        return greedy(model.step, state, law, **settings)

    result = compiled(run, mode)(SOURCES, LONGEST, SHORTEST, PREFIXES)
    for row, task in enumerate(tasks(model)):
        text, total = task.greedy()
        assert texts(result, row) == [text]
        np.testing.assert_allclose(result.log_probabilities[row], total, atol=1e-4)
        score = total / ((6 + len(text)) / 6) ** 0.6
        np.testing.assert_allclose(result.scores[row], score, atol=1e-4)
        assert result.finished[row] == (len(text) < task.longest)


def reshaped(ways, temperature, top_k, top_p):
    """Probabilities of tokens as sampling sees them, in plain Python."""
    tokens, gains = zip(*sorted(ways, key=lambda way: -way[1]), strict=True)
    weights = np.exp((np.array(gains) - gains[0]) / temperature)
    weights[top_k or len(weights) :] = 0
    share = np.cumsum(weights) / weights.sum()
    weights[1:][share[:-1] >= top_p] = 0
    return dict(zip(tokens, weights / weights.sum(), strict=True))


def distribution(task, settings, text=(), probability=1.0):
    """Every text that may be drawn with its probability."""
    ways = task.continuations(text)
    for token, share in reshaped(ways, *settings).items():
        if share > 0 and token == END:
            yield text, probability * share
        elif share > 0:
            yield from distribution(task, settings, (*text, token), probability * share)


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.7, 0, 0.8), (2.0, 3, 0.7)],
)
def test_texts_come_as_often_as_the_model_says(temperature, top_k, top_p, mode):
    model = Chaos(vocabulary=7, sources=5, seed=4, spread=1.0)
    count, settings = 6_000, (temperature, top_k, top_p)
    run = sampler(
        model,
        size=3,
        samples=count,
        mode=mode,
        seed=1,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
    )
    longest = np.minimum(LONGEST, 3)
    result = run(SOURCES, longest, SHORTEST, PREFIXES, SOURCES)
    for row, task in enumerate(tasks(model)):
        task.longest = max(min(task.longest, 3), len(task.prefix))
        task.shortest = min(task.shortest, task.longest)
        expected = dict(distribution(task, settings))
        drawn = texts(result, row)
        assert set(drawn) <= set(expected)
        for text, share in expected.items():
            deviation = abs(drawn.count(text) - count * share)
            assert deviation <= 5 * np.sqrt(count * share * (1 - share)) + 1e-6
        totals = dict(task.all_texts())
        found = result.log_probabilities[row]
        np.testing.assert_allclose(found, [totals[t] for t in drawn], atol=1e-4)


def draws(logits, count, **settings):
    """Tokens drawn `count` times from the same logits."""

    def step(tokens, state):
        table = ops.convert_to_tensor(logits.astype("float32"))
        repeated = ops.broadcast_to(table[None], (count, len(logits)))
        return repeated, state._replace(position=state.position + 1)

    def run(longest):
        state = DecoderState((), None, ops.zeros((), dtype="int32"))
        law = rules(longest, 1, ops.ones_like(longest), None, FORBIDDEN)
        return sample(step, state, law, samples=count, **settings)

    return compiled(run, modes()[0])(np.array([1], "int32")).tokens[0, :, 0]


@pytest.mark.parametrize(
    ("temperature", "top_k", "top_p"),
    [(1.0, 0, 1.0), (0.5, 40, 1.0), (1.0, 0, 0.5)],
)
def test_large_vocabularies(temperature, top_k, top_p):
    logits = np.random.default_rng(0).normal(size=333)
    allowed = [(t, x) for t, x in enumerate(logits) if t not in (*FORBIDDEN, END)]
    shares = reshaped(allowed, temperature, top_k, top_p)
    expected = np.zeros(len(logits))
    expected[list(shares)] = list(shares.values())
    count = 10_000
    found = np.bincount(
        draws(logits, count, seed=3, temperature=temperature, top_k=top_k, top_p=top_p),
        minlength=len(logits),
    )
    assert not found[expected == 0].any()
    support = expected > 0
    errors = (found - count * expected)[support]
    # χ² of n degrees of freedom has mean n and variance 2n
    freedom = max(support.sum() - 1, 1)
    assert (errors**2 / (count * expected[support])).sum() < (
        freedom + 5 * np.sqrt(2 * freedom)
    )


def test_a_draw_depends_on_the_key_not_on_the_batch():
    model = Chaos(vocabulary=8, sources=5, seed=2, spread=0.5)
    settings = {"samples": 4, "seed": 11}
    inputs = [SOURCES, LONGEST, SHORTEST, PREFIXES, SOURCES + 70]
    together = sampler(model, size=9, **settings)(*inputs)
    order = np.array([3, 0])
    apart = sampler(model, size=11, **settings)(*(array[order] for array in inputs))
    np.testing.assert_array_equal(apart.tokens[..., :9], together.tokens[order])
    inputs[-1] = SOURCES + 71
    assert (sampler(model, size=9, **settings)(*inputs).tokens != together.tokens).any()
    inputs[-1] = SOURCES + 70
    settings["seed"] = 12
    assert (sampler(model, size=9, **settings)(*inputs).tokens != together.tokens).any()


def test_tokens_as_likely_as_the_last_of_the_likeliest_are_drawn_too():
    logits = np.full(30, -5.0)
    tied = [20, 23, 26]
    logits[tied] = 2.0
    found = draws(logits, 600, seed=1, temperature=1.0, top_k=2, top_p=1.0)
    counts = np.bincount(np.asarray(found), minlength=30)
    assert counts[tied].sum() == 600
    assert (abs(counts[tied] - 200) < 5 * np.sqrt(600 * 2 / 9)).all()
