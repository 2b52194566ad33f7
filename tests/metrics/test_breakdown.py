import json

import pytest

from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.breakdown import Breakdown, Group
from s2s_zoo.metrics.presentation import group_lines

WRONG, WORDS = [1, 0, 3, 2], [4, 4, 3, 0]
RATE = Pooled.ratio(WRONG, WORDS)
COUNTED = Breakdown(counts={"errors": WRONG, "words": WORDS})


def group(rows: list[int], breakdown: Breakdown = COUNTED) -> Group:
    return Group.of("word_error_rate", RATE, breakdown, rows=rows, seed=0)


def test_a_group_is_measured_as_a_corpus_of_its_own() -> None:
    """Draws of two among a rate of 1/4 and one of 0 have rates from 0 to 1/4."""
    found = group([0, 1])
    assert (found.value, found.examples, found.errors) == (1 / 8, 2, 1)
    assert found.confidence == (0.0, 1 / 4)
    assert group([2]).summary() == {
        "word_error_rate": 1.0,
        "confidence": (1.0, 1.0),
        "examples": 1,
        "errors": 3,
    }


def test_a_group_without_words_has_no_rate() -> None:
    found = group([3]).summary()
    assert found["errors"] == 2
    assert found["word_error_rate"] is None
    assert found["confidence"] is None
    json.dumps(found, allow_nan=False)


def test_errors_are_told_where_they_are_counted() -> None:
    found = group([0, 2], Breakdown())
    assert found.errors is None
    assert found.summary().keys() == {"word_error_rate", "confidence", "examples"}


@pytest.mark.parametrize("breakdown", [COUNTED, Breakdown()])
def test_people_read_a_table(breakdown: Breakdown) -> None:
    values = {"ann": [2], "": [0, 1], "b\nc": [3]}
    groups = {value: group(rows, breakdown) for value, rows in values.items()}
    expected = [
        "speaker                word error rate  examples  errors",
        "ann          100.00% [100.00%, 100.00%]         1       3",
        "(none)           12.50% [0.00%, 25.00%]         2       1",
        "'b\\nc'           nothing to measure by         1       2",
    ]
    shown = list(group_lines("speaker", groups))
    assert len({len(line) for line in shown}) == 1
    cells = [line.split() for line in expected]
    if not breakdown.counts:
        cells = [row[:-1] for row in cells]
    assert [line.split() for line in shown] == cells


def test_without_groups_there_is_no_table() -> None:
    assert list(group_lines("", {})) == []
