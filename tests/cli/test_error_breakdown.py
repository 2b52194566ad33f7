"""`evaluate` of a recognizer that hears a single b, whatever is said."""

import pytest

from tests.cli.conftest import read_json
from tests.cli.test_compare import hearing

KINDS = ("substitutions", "insertions", "deletions")
LINES = (
    "wav_filename,transcript,room",
    "test_0.wav,a,hall",
    "test_1.wav,b c,hall",
    "test_2.wav,b,kitchen",
)


@pytest.fixture(scope="module")
def run(trained, tmp_path_factory):
    return hearing("b", trained, tmp_path_factory.mktemp("b"))


@pytest.fixture
def measured(zoo, run, corpus, tmp_path):
    """Call `evaluate` on three utterances in two rooms."""
    manifest = tmp_path / "test.csv"
    manifest.write_text("\n".join(LINES))
    data = ("--data", manifest, "--audio-root", corpus)
    return lambda *options: zoo("evaluate", run, *data, *options)


def test_json(measured):
    code, out, err = measured("--json", "--by", "room")
    assert code == 0, err
    found = read_json(out)
    kinds = {"substitutions": 1, "insertions": 0, "deletions": 1, "words": 4}
    assert found["errors"] == kinds
    assert found["confusions"] == [{"said": "a", "heard": "b", "count": 1}]
    hall, kitchen = found["groups"].items()
    assert hall[0] == "hall"
    assert hall[1] == {
        "word_error_rate": pytest.approx(2 / 3),
        "confidence": [1 / 2, 1.0],
        "examples": 2,
        "errors": 2,
    }
    assert kitchen[0] == "kitchen"
    assert kitchen[1]["word_error_rate"] == kitchen[1]["errors"] == 0


def test_people_read_kinds_confusions_and_groups(measured):
    code, out, err = measured("--by", "room")
    assert code == 0, err
    lines = [line.split() for line in out.splitlines()]
    told = "errors: 2 in 4 words; substitutions 1, insertions 0, deletions 1"
    at = lines.index(told.split())
    assert lines[at + 2 :] == [
        ["a", "→", "b", "1"],
        ["room", "word", "error", "rate", "examples", "errors"],
        ["hall", "66.67%", "[50.00%,", "100.00%]", "2", "2"],
        ["kitchen", "0.00%", "[0.00%,", "0.00%]", "1", "0"],
    ]


def test_outputs_tell_the_errors_of_each_utterance(measured, tmp_path):
    code, _, err = measured("--outputs", tmp_path / "heard.tsv")
    assert code == 0, err
    rows = [line.split("\t") for line in (tmp_path / "heard.tsv").open()]
    assert [[cell.strip() for cell in row[1:]] for row in rows] == [
        ["reference", "output", "errors", "words", *KINDS],
        ["a", "b", "1", "1", "1", "0", "0"],
        ["b c", "b", "1", "2", "0", "0", "1"],
        ["b", "b", "0", "1", "0", "0", "0"],
    ]


def test_a_column_that_is_not_there(measured):
    code, out, err = measured("--by", "rooms")
    assert code == 1
    assert not out
    assert "transcript, seconds, room. Received: 'rooms'" in " ".join(err.split())
