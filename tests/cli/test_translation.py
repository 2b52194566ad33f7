"""The verbs on text: train, evaluate, infer, compare, export."""

import itertools
import json
import shutil

import keras
import pytest
from sacrebleu.metrics.bleu import BLEU
from sacrebleu.tokenizers import tokenizer_ja_mecab

from s2s_zoo.registry import PRESETS
from s2s_zoo.workflows.train import train
from tests.cli.conftest import read_json

pytestmark = pytest.mark.usefixtures("untraced")


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


def test_infer_an_argument(zoo, translator, tmp_path):
    run = shutil.copytree(translator, tmp_path / "run")
    code, out, _ = zoo("infer", run, "a b c", "--compile", "--search", "beam=1")
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


@pytest.mark.usefixtures("warm_exports")
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


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    """A run and its corpus: names and what they are in Chinese, without spaces."""
    directory = tmp_path_factory.mktemp("chinese")
    signs = dict(zip("abcdefgh", "一二三四五六七八", strict=True))
    sources = ["".join(s) for s in itertools.permutations("abcdefgh", 3)]
    for split, lines in (("train", sources[:60]), ("test", sources[60:70])):
        targets = ["".join(signs[letter] for letter in line) for line in lines]
        (directory / f"{split}.en").write_text("\n".join(lines) + "\n")
        (directory / f"{split}.zh").write_text("\n".join(targets) + "\n")
    for ending in ("en", "zh"):
        test = directory / f"test.{ending}"
        (directory / f"validation.{ending}").write_bytes(test.read_bytes())
    settings = {"task.target": "zh", "task.vocabulary": 20, "task.tokenizer": "char"}
    widths = PRESETS.get("transformer_tiny").scaled().settings()
    settings |= {
        path: value
        for path, value in widths.items()
        if path.startswith(("features.", "encoder.", "decoder."))
    }
    settings |= {"recipe.max_steps": 2, "task.search.length_extra": 4}
    run = directory / "run"
    train(
        preset="transformer-tiny", data=str(directory), run_dir=run, settings=settings
    )
    return run, directory


def test_chinese_is_measured_with_its_tokenizer(zoo, chinese, tmp_path):
    run, corpus = chinese
    outputs = tmp_path / "outputs.tsv"
    code, out, err = zoo("evaluate", run, "--outputs", outputs, "--json")
    assert code == 0, err
    found = read_json(out)
    assert "|tok:zh|" in found["signature"]
    rows = [line.split("\t") for line in outputs.read_text().split("\n")[1:-1]]
    assert [row[1] for row in rows] == (corpus / "test.zh").read_text().splitlines()
    expected = BLEU(tokenize="zh").corpus_score(
        [row[2] for row in rows], [[row[1] for row in rows]]
    )
    assert found["metrics"]["bleu"] == pytest.approx(expected.score)


@pytest.mark.parametrize(
    ("tokenizer", "told"),
    [("moses", "is one of auto, 13a, intl, ja-mecab"), ("ja-mecab", "s2s-zoo[ja]")],
)
def test_a_tokenizer_of_bleu_is_checked_before_training(
    zoo, chinese, tmp_path, monkeypatch, tokenizer, told
):
    monkeypatch.setattr(tokenizer_ja_mecab, "MeCab", None)
    code, _, err = zoo(
        *("train", "transformer-tiny", "--data", chinese[1], "--set", "task.target=zh"),
        *("--run-dir", tmp_path / "run", "--set", f"task.bleu_tokenizer={tokenizer}"),
    )
    assert code == 1
    assert told in err
    assert not (tmp_path / "run").exists()
