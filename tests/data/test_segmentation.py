"""Random cuts against closed forms and enumeration."""

import itertools
import math
from collections import Counter
from random import Random

import pytest

from s2s_zoo.data.segmentation import Segmenter

DRAWS = 20_000


def segmenter(scores: dict[str, float], **settings) -> Segmenter:
    return Segmenter({p: i + 4 for i, p in enumerate(scores)}, scores, **settings)


def shares(draw) -> dict[tuple[int, ...], float]:
    counts = Counter(tuple(draw(Random(str(i)))) for i in range(DRAWS))
    return {cut: count / DRAWS for cut, count in counts.items()}


def close(share: float, expected: float) -> bool:
    return abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / DRAWS)


def test_dropped_merges_in_closed_form():
    """Of "abc" with the merges ab (better) and bc, then abc from either.

    The first round makes ab with 1-p, else bc with p(1-p), else nothing; the second
    makes abc with 1-p.
    """
    scores = {"a": -9.0, "b": -9.0, "c": -9.0, "ab": -1.0, "bc": -2.0, "abc": -3.0}
    found = shares(lambda r: segmenter(scores).drop_merges("abc", 0.3, r))
    p, q = 0.3, 0.7
    expected = {
        (9,): (q + p * q) * q,
        (7, 6): q * p,
        (4, 8): p * q * p,
        (4, 5, 6): p * p,
    }
    assert found.keys() == expected.keys()
    assert all(close(found[cut], expected[cut]) for cut in expected)


@pytest.mark.parametrize("power", [1.0, 0.3, 0.0])
def test_draws_against_enumeration(power: float):
    scores = {"a": -1.0, "b": -2.0, "ab": -2.2, "ba": -1.7, "aba": -3.0}
    expected: dict[tuple[int, ...], float] = {}
    for marks in itertools.product([False, True], repeat=3):
        cut, piece = [], "a"
        for letter, mark in zip("bab", marks, strict=True):
            cut, piece = ([*cut, piece], letter) if mark else (cut, piece + letter)
        cut.append(piece)
        if all(piece in scores for piece in cut):
            ids = tuple(list(scores).index(piece) + 4 for piece in cut)
            expected[ids] = math.exp(power * sum(scores[piece] for piece in cut))
    total = sum(expected.values())
    found = shares(lambda r: segmenter(scores).draw("abab", power, r))
    assert found.keys() == expected.keys()
    assert all(close(found[cut], expected[cut] / total) for cut in expected)


@pytest.mark.parametrize("method", ["drop_merges", "draw"])
def test_unknown_characters(method: str):
    scores = {"▁": -1.0, "a": -1.0}
    plain = getattr(segmenter(scores), method)
    assert plain("▁xya▁x", 0.5, Random(0)) == [4, 3, 5, 4, 3]
    byte_ids = tuple(range(100, 356))
    with_bytes = getattr(segmenter(scores, byte_ids=byte_ids), method)
    assert with_bytes("▁é", 0.5, Random(0)) == [4, 100 + 0xC3, 100 + 0xA9]
    assert plain("", 0.5, Random(0)) == []


def test_pieces_that_reach_across_spaces():
    scores = {"▁": -1.0, "a": -2.0, "▁a": -0.5, "▁a▁": -0.4, "▁a▁a": -0.1}
    assert segmenter(scores).drop_merges("▁a▁a", 0.0, Random(0)) == [8]
