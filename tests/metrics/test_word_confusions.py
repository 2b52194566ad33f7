from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.metrics.word_confusions import error_breakdown

TEXT = st.lists(st.sampled_from(["on", "off", "lamp"]), max_size=5).map(" ".join)
KINDS = ("substitutions", "insertions", "deletions")

Ways = frozenset[tuple[int, int, int]]


def cheapest_ways(reference: list[str], hypothesis: list[str]) -> Ways:
    """(substitutions, insertions, deletions) of each of the cheapest alignments.

    Found by trying all alignments.
    """

    @cache
    def ways(i: int, j: int) -> Ways:
        if not i and not j:
            return frozenset({(0, 0, 0)})
        found: set[tuple[int, int, int]] = set()
        if i and j:
            wrong = int(reference[i - 1] != hypothesis[j - 1])
            found |= {(s + wrong, n, d) for s, n, d in ways(i - 1, j - 1)}
        if j:
            found |= {(s, n + 1, d) for s, n, d in ways(i, j - 1)}
        if i:
            found |= {(s, n, d + 1) for s, n, d in ways(i - 1, j)}
        return frozenset(found)

    every = ways(len(reference), len(hypothesis))
    least = min(map(sum, every))
    return frozenset(way for way in every if sum(way) == least)


@given(TEXT, TEXT)
def test_errors_are_those_of_a_cheapest_alignment(
    reference: str, hypothesis: str
) -> None:
    said, heard = reference.split(), hypothesis.split()
    found = error_breakdown([reference], [hypothesis])
    kinds = tuple(found.summary["errors"][kind] for kind in KINDS)
    assert kinds in cheapest_ways(said, heard)
    assert found.summary["errors"]["words"] == len(said)
    assert [found.counts[kind] for kind in KINDS] == [[kind] for kind in kinds]
    assert found.counts["errors"] == [sum(kinds)]
    assert found.counts["words"] == [len(said)]
    confused = sum(each["count"] for each in found.summary["confusions"])
    assert confused == found.summary["errors"]["substitutions"]


@given(st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=6))
def test_errors_are_as_many_as_jiwer_counts(pairs: list[tuple[str, str]]) -> None:
    jiwer = pytest.importorskip("jiwer", reason="jiwer is the reference here")
    references, hypotheses = map(list, zip(*pairs, strict=True))
    found = error_breakdown(references, hypotheses)
    counted = jiwer.process_words(references, hypotheses)
    for kind in KINDS:
        assert found.summary["errors"][kind] == getattr(counted, kind)
        assert found.summary["errors"][kind] == sum(found.counts[kind])


def test_the_most_frequent_confusions_come_first() -> None:
    """Of those that are equally frequent, the first in the alphabet."""
    references = ["nine one", "nine two", "five one six", "nine"]
    hypotheses = ["five won", "five two", "nine won six", "one"]
    found = error_breakdown(references, hypotheses)
    assert [tuple(each.values()) for each in found.summary["confusions"]] == [
        ("nine", "five", 2),
        ("one", "won", 2),
        ("five", "nine", 1),
        ("nine", "one", 1),
    ]
    assert list(found.lines) == [
        "errors: 6 in 8 words; substitutions 6, insertions 0, deletions 0",
        "most frequent confusions (said → heard):",
        "  nine → five  2",
        "  one → won    2",
        "  five → nine  1",
        "  nine → one   1",
    ]


def test_ten_confusions_are_told() -> None:
    references = [f"word{i:02}" for i in range(12)]
    found = error_breakdown([*references, "word11"], ["other"] * 13)
    told = [(each["said"], each["count"]) for each in found.summary["confusions"]]
    assert told == [("word11", 2), *((word, 1) for word in references[:9])]


def test_without_a_confusion_none_is_told() -> None:
    found = error_breakdown(["turn it on"], ["turn on"])
    assert found.summary["confusions"] == []
    assert len(found.lines) == 1


def test_unequally_many_utterances_are_refused() -> None:
    with pytest.raises(ValueError, match="longer"):
        error_breakdown(["a"], ["a", "b"])
