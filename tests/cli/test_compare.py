"""`compare` on two tiny runs: what it prints, as JSON, and the mistakes."""

import json
import shutil

import pytest

from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.tasks.speech_to_text import SpeechToText
from tests.cli.conftest import read_json


@pytest.fixture(scope="module")
def single(trained, tmp_path_factory):
    """A run that hears a single b, and another that hears nothing."""
    return (
        hearing("b", trained, tmp_path_factory.mktemp("b")),
        hearing("", trained, tmp_path_factory.mktemp("nothing")),
    )


def hearing(text, trained, directory):
    """A copy of a run whose output is that text, whatever is said."""
    run = directory / "run"
    shutil.copytree(trained, run)
    model = Seq2Seq.from_preset(run / "preset")
    for variable in model.decoder.trainable_variables:
        variable.assign(0 * variable)
    bias = next(v for v in model.decoder.trainable_variables if v.ndim == 1)
    index = model.task.alphabet.index(text) if text else model.task.vocabulary_size
    bias.assign([9.0 if i == index else 0.0 for i in range(bias.shape[0])])
    model.save_to_preset(run / "preset")
    return run


def test_json(zoo, single, corpus):
    code, out, err = zoo("compare", *single, "--json")
    assert code == 0, err
    found = read_json(out)
    assert set(found) == {"systems", "difference", "p_value", "examples", "signature"}
    assert [system["run"] for system in found["systems"]] == [str(r) for r in single]
    assert found["examples"] == 3

    lines = (corpus / "test.csv").read_text().splitlines()[1:]
    texts = [line.split(",")[2] for line in lines]
    letters = sum(map(len, texts))
    right = sum("b" in text for text in texts)
    rates = [s["metrics"]["character_error_rate"] for s in found["systems"]]
    assert rates == pytest.approx([(letters - right) / letters, 1.0])
    low, mean, high = found["difference"]["character_error_rate"]
    assert low <= mean <= high
    assert mean == pytest.approx(right / letters)
    assert 0 < found["p_value"]["character_error_rate"] <= 1
    assert "paired-bootstrap1000" in found["signature"]


def test_people_read_a_sentence(zoo, single):
    code, out, err = zoo("compare", *single, "--split", "validation")
    assert code == 0, err
    one, other = map(str, single)
    assert f"The character error rate of {other} is" in out
    assert f"points above that of {one}" in out
    assert "p = " in out or "p < " in out
    assert "4 examples" in out


def test_a_run_does_not_differ_from_itself(zoo, single):
    code, out, err = zoo("compare", single[0], single[0])
    assert code == 0, err
    assert f"{single[0]} and {single[0]} have the same word error rate" in out


def test_misuse_and_missing_runs(zoo, single, tmp_path):
    assert zoo("compare", single[0])[0] == 2
    code, _, err = zoo("compare", single[0], tmp_path / "none")
    assert code == 1
    assert str(tmp_path / "none") in err


def test_runs_of_different_tasks_are_refused(zoo, single, tmp_path, monkeypatch):
    class Singing(SpeechToText):
        name = "singing"

    monkeypatch.setitem(TASKS._entries, "singing", Singing)
    other = changed(single[1], tmp_path, "preset/task.json", task="singing")
    code, _, err = zoo("compare", single[0], other)
    assert code == 1
    assert f"{single[0]} (speech_to_text), {other} (singing)" in err


def test_runs_of_different_corpora_need_data(zoo, single, tmp_path, corpus):
    other = changed(single[1], tmp_path, "run.json", data="fsdd")
    code, _, err = zoo("compare", single[0], other)
    assert code == 1
    assert "fsdd" in err
    assert "--data" in err
    assert zoo("compare", single[0], other, "--data", corpus)[0] == 0


def test_other_references_are_refused(zoo, single, tmp_path, monkeypatch):
    class Shouting(SpeechToText):
        def evaluate(self, *arguments):
            found = super().evaluate(*arguments)
            shouted = [(n, r.upper(), o.upper()) for n, r, o in found.outputs]
            found.outputs[:] = shouted
            return found

    monkeypatch.setitem(TASKS._entries, "shouting", Shouting)
    other = changed(single[1], tmp_path, "preset/task.json", task="shouting")
    code, _, err = zoo("compare", single[0], other)
    assert code == 1
    assert "references of both runs must be the same" in err
    assert "test_0.wav" in err


def changed(run, directory, file, **values):
    """A copy of a run with other values in one of its JSON files."""
    copy = directory / "changed"
    shutil.copytree(run, copy)
    path = copy / file
    path.write_text(json.dumps(json.loads(path.read_text()) | values))
    return copy
