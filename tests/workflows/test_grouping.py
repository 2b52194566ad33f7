"""Examples by a column, each group with the metric of its task."""

from dataclasses import dataclass, field

import pytest

from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.pairs import Pair
from s2s_zoo.errors import UserError
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.tasks.speech_to_text import SpeechToText
from s2s_zoo.tasks.text_to_text import TextToText
from s2s_zoo.workflows.grouping import measure_groups, rows_by


def said(text: str, speaker: str = "", **further: object) -> Utterance:
    return Utterance(text, f"/{text}.wav", 1.0, text, speaker, further)


def test_rows_are_told_apart_by_any_column() -> None:
    task = SpeechToText()
    examples = [said("a", "x", room=1, far=True), said("b", "y", room=2), said("a")]
    assert rows_by(task, examples, "speaker", "d") == {"x": [0], "y": [1], "": [2]}
    assert rows_by(task, examples, "room", "d") == {"1": [0], "2": [1], "": [2]}
    assert rows_by(task, examples, "far", "d") == {"true": [0], "": [1, 2]}
    assert rows_by(task, examples, "transcript", "d") == {"a": [0, 2], "b": [1]}


def test_an_unknown_column_is_refused_with_those_there_are() -> None:
    """A column without a value in any row is none."""
    examples = [said("a", room=1), said("b", far="", accent="scots")]
    told = "the columns with values are wav_filename, transcript, seconds, room, accent"
    for column in ("rooms", "speaker", "far"):
        with pytest.raises(UserError, match=rf"d, test: {told}\. .*: '{column}'"):
            rows_by(SpeechToText(), examples, column, "d, test")


def test_pairs_have_no_columns() -> None:
    pairs = [Pair("a.tsv:1", "a", "b")]
    with pytest.raises(UserError, match=r"d, test: pairs have no columns.*'source'"):
        rows_by(TextToText(), pairs, "source", "d, test")


def test_groups_of_a_recognizer_start_with_the_worst() -> None:
    """Rates by hand; a group without words comes last."""
    texts = [("a b", "a b"), ("a b", "c b"), ("", "d"), ("a b c", ""), ("b", "b")]
    outcomes = [Outcome(str(i), *pair) for i, pair in enumerate(texts)]
    task = SpeechToText()
    found = Evaluation({}, {}, 5, "", outcomes, breakdown=task.breakdown(outcomes))
    rows = {"good": [0, 4], "empty": [2], "fair": [1], "poor": [3, 4]}
    groups = measure_groups(task, found, rows)
    told = [(value, group.value, group.errors) for value, group in groups.items()]
    assert told[:3] == [("poor", 3 / 4, 3), ("fair", 1 / 2, 1), ("good", 0.0, 0)]
    assert (told[3][0], told[3][2]) == ("empty", 1)
    assert groups["empty"].summary()["word_error_rate"] is None


@dataclass(frozen=True)
class Labelled:
    """An example of a kind that only a test knows."""

    name: str
    columns: dict[str, str] = field(default_factory=dict)


def test_groups_of_any_task_whose_examples_carry_columns() -> None:
    """Where a higher metric is better the lowest is the worst."""
    task = TextToText(measure="exact")
    examples = [Labelled(str(i), {"topic": topic}) for i, topic in enumerate("aabb")]
    outcomes = [Outcome(str(i), "x", text) for i, text in enumerate("xxxy")]
    rows = rows_by(task, examples, "topic", "d")
    groups = measure_groups(task, Evaluation({}, {}, 4, "", outcomes), rows)
    assert [(value, group.value) for value, group in groups.items()] == [
        ("b", 0.5),
        ("a", 1.0),
    ]
    assert groups["b"].confidence == (0.0, 1.0)
    assert groups["b"].errors is None
