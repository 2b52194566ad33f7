"""The verbs on text: train, evaluate, infer, compare, export."""

import json

import keras
import pytest

from tests.cli.conftest import read_json


def test_train_leaves_everything_behind(translator):
    assert (translator / "preset" / "assets" / "joint.model").is_file()
    assert (translator / "plots" / "example.png").is_file()
    rows = (translator / "metrics.jsonl").read_text().splitlines()
    validations = [json.loads(r)["validation"] for r in rows if "validation" in r]
    assert {"exact_match", "loss"} <= set(validations[0])


def test_evaluate_json(zoo, translator):
    code, out, _ = zoo("evaluate", translator, "--json", "--search", "beam=2")
    assert code == 0
    found = read_json(out)
    assert found["examples"] == 5
    assert 0 <= found["metrics"]["exact_match"] <= 1
    assert "beam:2" in found["signature"]


def test_infer_lines(zoo, translator, tmp_path):
    lines, output = tmp_path / "lines.txt", tmp_path / "out.txt"
    lines.write_text("a b c\n\nd e\n", encoding="utf-8")
    plot = tmp_path / "alignment.png"
    options = ("--input", lines, "--output", output, "--plot", plot, "--json")
    code, out, _ = zoo("infer", translator, *options)
    assert code == 0
    found = read_json(out)["outputs"]
    assert [o["input"] for o in found] == ["a b c", "", "d e"]
    assert found[1]["output"] == ""
    assert output.read_text(encoding="utf-8").splitlines() == [
        o["output"] for o in found
    ]
    assert plot.is_file()


def test_infer_an_argument(zoo, translator):
    code, out, _ = zoo("infer", translator, "a b c", "--compile", "--search", "beam=1")
    assert code == 0
    assert out.startswith("a b c\t")


def test_a_wrong_search_is_one_clear_line(zoo, translator):
    code, _, err = zoo("infer", translator, "a", "--search", "beem=2")
    assert code == 1
    assert "the keys are beam, length_penalty" in err


def test_a_run_compared_with_itself_does_not_differ(zoo, translator):
    code, out, _ = zoo("compare", translator, translator, "--json")
    assert code == 0
    found = read_json(out)
    assert found["difference"]["exact_match"] == [0, 0, 0]


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="the tensorflow backend writes SavedModels",
)
def test_export_searches_inside_the_graph(zoo, translator, tmp_path):
    served = tmp_path / "served"
    code, out, err = zoo("export", translator, "--output", served, "--json")
    assert code == 0, err
    assert read_json(out)["max_abs_difference"] < 1e-4
    assert (served / "assets.extra" / "joint.model").is_file()

    code, out, err = zoo("export", translator, "--output", served)
    assert (code, out) == (1, "")
    assert f"Error: {served} exists" in err


def test_training_from_a_run_tells_whose_tokenizer_it_has(
    zoo, translator, pairs, tmp_path
):
    settings = json.loads((translator / "run.json").read_bytes())["settings"]
    changes = [("--set", f"{path}={value}") for path, value in settings.items()]
    run, model = tmp_path / "run", "assets/joint.model"
    options = ("--data", pairs, "--run-dir", run, "--max-steps", 1)
    start = ("--init-from", translator)
    code, _, err = zoo("train", "transformer-tiny", *options, *sum(changes, start))
    assert code == 0, err
    assert "joint.model: taken from" in err
    assert (run / model).read_bytes() == (translator / model).read_bytes()


def test_vocabulary_too_large(zoo, pairs, tmp_path):
    options = ("--data", pairs, "--run-dir", tmp_path / "run")
    code, _, err = zoo("train", "transformer-tiny", *options)
    assert code == 1
    assert "task.vocabulary = 10000 is too large" in err


def test_unequal_line_counts_are_refused(zoo, tmp_path):
    for split in ("train", "validation"):
        (tmp_path / f"{split}.en").write_text("a\nb\nc\n")
        (tmp_path / f"{split}.de").write_text("x\ny\n")
    options = ("--data", tmp_path, "--run-dir", tmp_path / "run")
    code, _, err = zoo("train", "transformer-tiny", *options)
    assert code == 1
    assert "3" in err
    assert "2" in err


def test_without_a_pair_no_metric_is_made_up(zoo, translator, tmp_path):
    (tmp_path / "test.tsv").write_text("a b\t\n\tc d\n")
    code, out, err = zoo("evaluate", translator, "--data", tmp_path)
    assert code == 1
    assert out == ""
    assert "no pair with text on both sides" in err
