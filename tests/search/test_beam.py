"""Beam search against enumeration and a plain-Python beam search."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.search.beam import beam_search
from s2s_zoo.search.rules import rules
from s2s_zoo.typing import DecoderState
from s2s_zoo.vocabulary import END, PAD, START, UNKNOWN
from tests.search.chaos import Chaos, Task, compiled, loop_of, modes, ranked, texts

FORBIDDEN = (PAD, START, UNKNOWN)
PREFIXES = np.array(
    [[-1, -1, -1], [5, -1, -1], [4, 5, -1], [-1, -1, -1], [4, 4, 5], [3, 4, -1]],
    "int32",
)
SOURCES = np.arange(6, dtype="int32")
LONGEST = np.array([4, 3, 4, 0, 1, 4], "int32")
SHORTEST = np.array([0, 2, 3, 2, 0, 9], "int32")


def search(model, *, size, mode=None, forbidden=FORBIDDEN, **settings):
    """A function of sources, longest, shortest and prefix."""
    mode = mode or modes()[0]
    settings |= {"loop": loop_of(mode)}

    def run(sources, longest, shortest, prefix):
        law = rules(longest, size, shortest, prefix, forbidden)
        state = model.start(sources, settings["beam"])
        return beam_search(model.step, state, law, **settings)

    return compiled(run, mode)


def tasks(model, forbidden=FORBIDDEN):
    return [
        Task(model, row, longest, shortest, prefix[prefix >= 0].tolist(), forbidden)
        for row, (longest, shortest, prefix) in enumerate(
            zip(LONGEST, SHORTEST, PREFIXES, strict=True)
        )
    ]


def check(result, row, expected, task):
    """One source against (score, text) pairs, best first."""
    assert texts(result, row) == [text for _, text in expected]
    count = len(expected)
    np.testing.assert_allclose(
        result.scores[row, :count], [score for score, _ in expected], atol=2e-4
    )
    assert np.all(np.diff(result.scores[row, :count]) <= 0)
    for k, (_, text) in enumerate(expected):
        total = sum(
            dict(task.continuations(text[:i]))[token]
            for i, token in enumerate((*text, END))
        )
        np.testing.assert_allclose(result.log_probabilities[row, k], total, atol=2e-4)
        assert (result.tokens[row, k, len(text) :] == -1).all()
        assert result.finished[row, k] == (len(text) < task.longest)
    assert (result.tokens[row, count:] == -1).all()
    assert (result.lengths[row, count:] == 0).all()
    assert np.isneginf(result.scores[row, count:]).all()
    assert not result.finished[row, count:].any()


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize("alpha", [0.0, 0.6, 2.5])
def test_full_width_finds_the_best_of_all_texts(alpha, mode):
    model = Chaos(vocabulary=7, sources=6, seed=int(10 * alpha))
    run = search(model, size=4, mode=mode, beam=81, n_best=20, length_penalty=alpha)
    result = run(SOURCES, LONGEST, SHORTEST, PREFIXES)
    for row, task in enumerate(tasks(model)):
        check(result, row, ranked(task.all_texts(), alpha, 20), task)


@pytest.mark.parametrize("mode", modes())
@pytest.mark.parametrize(
    ("beam", "alpha", "patience"),
    [(2, 0.6, None), (3, 0.0, None), (4, 1.0, None), (4, 1.0, 1.0), (3, 0.6, 2.0)],
)
def test_narrow_beam_equals_the_textbook(beam, alpha, patience, mode):
    model = Chaos(vocabulary=9, sources=6, seed=beam, spread=3.0)
    longest = LONGEST * 4
    run = search(
        model,
        size=20,
        mode=mode,
        forbidden=(PAD, START),
        beam=beam,
        length_penalty=alpha,
        patience=patience,
    )
    result = run(SOURCES, longest, SHORTEST, PREFIXES)
    missed = 0
    for row, task in enumerate(tasks(model, (PAD, START))):
        task.longest = max(longest[row], len(task.prefix))
        task.shortest = min(SHORTEST[row], task.longest)
        expected = ranked(task.beam(beam, patience), alpha, beam)
        check(result, row, expected, task)
        missed += expected[:1] != ranked(task.beam(40), alpha, 1)
    assert missed > 0


def test_fewer_are_the_best_of_more():
    model = Chaos(vocabulary=9, sources=6, seed=3, spread=3.0)
    inputs = (SOURCES, LONGEST + 30, SHORTEST, PREFIXES)
    few, more = (
        search(model, size=40, beam=4, n_best=n_best)(*inputs) for n_best in (1, 4)
    )
    for a, b in zip(few, more, strict=True):
        np.testing.assert_array_equal(a, b[:, :1])


def test_neither_neighbours_nor_room_change_a_result():
    model = Chaos(vocabulary=8, sources=6, seed=5)
    longest = np.array([12, 3, 7, 0, 1, 9], "int32")
    inputs = (SOURCES, longest, SHORTEST, PREFIXES)
    together = search(model, size=15, beam=3)(*inputs)
    search_one = search(model, size=12, beam=3)
    for row in range(6):
        alone = search_one(*(array[row : row + 1] for array in inputs))
        ours = [array[row : row + 1] for array in together]
        assert (ours[0][..., 12:] == -1).all()
        np.testing.assert_array_equal(alone.tokens, ours[0][..., :12])
        np.testing.assert_array_equal(alone.lengths, ours[1])
        np.testing.assert_allclose(alone.scores, ours[2], atol=1e-5)
        np.testing.assert_allclose(alone.log_probabilities, ours[3], atol=1e-5)
        np.testing.assert_array_equal(alone.finished, ours[4])


def counting(vocabulary, batch, rows, logits):
    """A model that gives the same logits always and counts its steps in its state."""
    state = DecoderState(
        cache=[ops.zeros((batch * rows, 1), dtype="float32")],
        memory=None,
        position=ops.zeros((), dtype="int32"),
    )
    table = ops.convert_to_tensor(np.asarray(logits, "float32"))
    calls = []

    def step(tokens, state):
        calls.append(None)
        repeated = ops.broadcast_to(table[None], (batch * rows, vocabulary))
        return repeated, state._replace(position=state.position + 1)

    return step, state, calls


def test_tokens_the_model_rules_out_still_give_a_text():
    logits = np.full(6, -np.inf)
    logits[4] = 0.0
    step, state, _ = counting(6, 2, 2, logits)
    law = rules(np.array([3, 2], "int32"), 3)
    result = compiled(
        lambda: beam_search(step, state, law, beam=2, n_best=1), modes()[0]
    )()
    assert result.lengths.tolist() == [[3], [2]]
    assert result.tokens.tolist() == [[[4, 4, 4]], [[4, 4, -1]]]
    assert not result.finished.any()
    assert (result.log_probabilities <= -1e9).all()


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="only eager steps can be counted"
)
@pytest.mark.parametrize(
    ("alpha", "n_best", "steps"), [(0.0, 1, 1), (0.0, 2, 2), (1.0, 1, 1), (1.0, 2, 16)]
)
def test_stops_as_soon_as_nothing_can_change(alpha, n_best, steps):
    # Texts of n tokens have probability .1ⁿ · .9, what goes on after t steps .1ᵗ and
    # the penalty (106/6)^α at best: the second text, of score log .09 / (7/6)^α, is
    # out of reach when t · log .1 is below (106/7)^α · log .09.
    logits = np.log([1e-12, 0.9, 1e-12, 1e-12, 0.1 - 3e-12])
    step, state, calls = counting(5, 1, 2, logits)
    law = rules(np.array([100], "int32"), 100)
    beam_search(step, state, law, beam=2, n_best=n_best, length_penalty=alpha)
    assert len(calls) == steps
