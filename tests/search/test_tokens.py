"""Options of a search, and the search they choose."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.errors import UserError
from s2s_zoo.search.beam import beam_search
from s2s_zoo.search.rules import rules
from s2s_zoo.search.sampling import greedy, sample
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.vocabulary import PAD, START, UNKNOWN
from tests.search.chaos import Chaos, compiled, modes


def test_parses_every_kind_of_value():
    found = TokenSearch().parse(
        " beam = 8, length_penalty=1,max_length=none,unknown=False"
    )
    assert found == TokenSearch(beam=8, length_penalty=1.0, unknown=False)
    assert TokenSearch().parse("prefix=1990").prefix == "1990"
    assert TokenSearch(beam=2).parse("max_length=20") == TokenSearch(
        beam=2, max_length=20
    )
    assert TokenSearch().parse("") == TokenSearch()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("width=4", "the keys are beam, length_penalty, .*Received: width"),
        ("beam", "key=value pairs .*Received: beam"),
        ("beam=4,beam=5", "each key once"),
        ("beam=0", "beam is an integer from 1. Received: 0"),
        ("beam=four", "beam is an integer from 1. Received: 'four'"),
        ("beam=4.0", "beam is an integer from 1. Received: 4.0"),
        ("beam=true", "beam is an integer from 1. Received: True"),
        ("length_penalty=-1", "length_penalty is a number from 0"),
        ("length_penalty=nan", "length_penalty is a number from 0"),
        ("patience=0", "patience is a number above 0, or none"),
        ("patience=soon", "patience is a number above 0, or none"),
        ("temperature=inf", "temperature is a number from 0"),
        ("top_p=0,temperature=1", "top_p is a number above 0, 1 at most"),
        ("top_k=5", "top_k needs a temperature above 0"),
        ("top_p=0.5", "top_p needs a temperature above 0"),
        ("n_best=5", "n_best is at most beam. Received: n_best=5, beam=4$"),
        ("max_length=0", "max_length is an integer from 1, or none"),
        ("min_length=5,max_length=4", "min_length is at most max_length"),
        ("unknown=1", "unknown is true or false"),
        ("seed=4294967296", "seed is an integer from 0"),
        ("length_extra=1.5", "length_extra is an integer from 0"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises(UserError, match=message):
        TokenSearch().parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "beam:4|penalty:0.6|patience:1.0"),
        ("beam=1,n_best=1", "beam:1|penalty:0.6"),
        ("prefix=Ein", "beam:4|penalty:0.6|patience:1.0|prefix:Ein"),
        (
            "beam=1,temperature=0.5,top_k=9,seed=3,length_extra=7",
            "beam:1|penalty:0.6|temperature:0.5|top_k:9|length_extra:7|seed:3",
        ),
    ],
)
def test_the_signature_says_what_is_not_the_default(text, expected):
    assert TokenSearch().parse(text).signature == expected


def test_rows_and_forbidden_tokens():
    assert TokenSearch(beam=5, n_best=2).rows == 5
    assert TokenSearch(temperature=0.5, n_best=9).rows == 9
    assert TokenSearch().forbidden == (PAD, START)
    assert TokenSearch(unknown=False).forbidden == (PAD, START, UNKNOWN)


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (TokenSearch(), [0, 51, 60, 110]),
        (TokenSearch(length_factor=1.1, length_extra=2), [0, 3, 13, 68]),
        (TokenSearch(length_factor=2, length_extra=0, max_length=15), [0, 2, 15, 15]),
    ],
)
def test_length_limits(options, expected):
    lengths = np.array([0, 1, 10, 60], "int32")
    longest = ops.convert_to_numpy(options.longest(ops.convert_to_tensor(lengths)))
    assert longest.tolist() == expected
    assert options.size(60) >= expected[-1]
    dynamic = options.size(ops.convert_to_tensor(np.array(60, "int32")))
    assert int(dynamic) == options.size(60)


@pytest.mark.parametrize(
    "options",
    [
        TokenSearch(beam=3, n_best=2, length_penalty=0.9, min_length=2),
        TokenSearch(beam=1, unknown=False),
        TokenSearch(temperature=1.3, top_k=3, top_p=0.9, n_best=2, seed=5),
    ],
)
def test_search_is_what_its_options_ask_for(options):
    model = Chaos(vocabulary=7, sources=2, seed=1)
    lengths = np.array([1, 3], "int32")
    prefix = np.array([[4], [-1]], "int32")
    size, sources = options.size(3), np.arange(2, dtype="int32")
    static = modes()[0] != "graph"

    def ours(sources, lengths, prefix):
        state = model.start(sources, options.rows)
        room = size if static else options.size(ops.max(lengths))
        return options.run(model.step, state, lengths, size=room, prefix=prefix)

    def direct(sources, lengths, prefix):
        state = model.start(sources, options.rows)
        shortest = ops.full_like(lengths, options.min_length)
        law = rules(lengths + 50, size, shortest, prefix, options.forbidden)
        if options.samples:
            return sample(
                model.step,
                state,
                law,
                samples=2,
                seed=5,
                temperature=1.3,
                top_k=3,
                top_p=0.9,
            )
        if options.beam == 1:
            return greedy(model.step, state, law)
        return beam_search(
            model.step,
            state,
            law,
            beam=3,
            n_best=2,
            length_penalty=0.9,
            patience=1.0,
        )

    found, expected = (
        compiled(run, modes()[0])(sources, lengths, prefix) for run in (ours, direct)
    )
    for a, b in zip(found, expected, strict=True):
        np.testing.assert_array_equal(a, b)
    assert (found.tokens[0, :, 0] == 4).all()
