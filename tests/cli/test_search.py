"""Recognizers with a language model, from the command line."""

import shutil

import pytest

from s2s_zoo.tasks.speech_to_text import ENGLISH
from tests.cli.conftest import read_json
from tests.search.language_models import character_arpa


@pytest.fixture
def search(tmp_path):
    path = tmp_path / "letters.arpa"
    path.write_text(character_arpa(ENGLISH))
    return f"beam=4,lm={path}"


def test_evaluate_and_infer(zoo, trained, corpus, search):
    code, out, err = zoo(
        "evaluate", trained, "--json", "--search", f"{search},alpha=0.5,beta=1"
    )
    assert code == 0, err
    expected = "ctc:beam4|lm:letters.arpa|alpha:0.5|beta:1|case:lower"
    assert read_json(out)["signature"].startswith(expected)
    audio = corpus / "test_1.wav"
    code, out, err = zoo("infer", trained, audio, "--search", f"{search},n_best=2")
    assert code == 0, err
    assert [line.count("\t") for line in out.splitlines()] == [1, 1]
    code, _, err = zoo("infer", trained, audio, "--search", "beam=4,lexicon=gone.txt")
    assert code == 1
    assert "lexicon gone.txt: No such file" in err


def test_tune(zoo, trained, search):
    code, out, err = zoo("evaluate", trained, "--tune", "--search", search, "--json")
    assert code == 0, err
    found = read_json(out)
    assert found["metric"] == "word_error_rate"
    assert found["value"] == min(trial["value"] for trial in found["trials"])
    assert found["search"].startswith(f"{search},alpha=")
    code, out, err = zoo("evaluate", trained, "--tune", "--search", search)
    assert code == 0, err
    figures, line = out.splitlines()
    assert f"{found['examples']} examples, {len(found['trials'])} searches" in figures
    assert line == f"--search {found['search']}"
    code, _, err = zoo("evaluate", trained, "--tune")
    assert code == 1
    assert "nothing to tune" in err


def test_a_search_that_is_kept_needs_its_file_no_more(zoo, trained, tmp_path, search):
    run = shutil.copytree(trained, tmp_path / "run")
    weights = (run / "preset/model.weights.h5").read_bytes()
    chosen = f"{search},alpha=0.5,beta=1"
    code, out, err = zoo("evaluate", run, "--search", chosen, "--keep-search", "--json")
    assert code == 0, err
    (tmp_path / "letters.arpa").unlink()
    code, again, err = zoo("evaluate", run, "--json")
    assert code == 0, err
    assert read_json(again) == read_json(out)
    assert (run / "preset/model.weights.h5").read_bytes() == weights
    tune = ("evaluate", run, "--tune", "--keep-search", "--json")
    code, out, err = zoo(*tune)
    assert code == 0, err
    found = read_json(out)
    code, out, err = zoo("evaluate", run, "--split", "validation", "--json")
    assert read_json(out)["metrics"]["word_error_rate"] == found["value"]
    alpha = found["search"].partition(",")[0].removeprefix("alpha=")
    assert f"alpha:{float(alpha):g}" in read_json(out)["signature"]
