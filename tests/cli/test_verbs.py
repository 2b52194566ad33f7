"""The verbs on a tiny run: what they print, and as JSON."""

import json
import subprocess
import sys
import time

from tests.cli.conftest import read_json


def test_help_answers_under_a_second():
    times = []
    for _ in range(3):
        start = time.monotonic()
        command = [sys.executable, "-m", "s2s_zoo.cli", "--help"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        times.append(time.monotonic() - start)
    assert min(times) < 1.0
    assert all(verb in done.stdout for verb in ("train", "evaluate", "infer", "export"))


def test_a_run_directory_holds_everything(trained):
    names = {p.name for p in trained.iterdir()}
    assert {"preset", "checkpoints", "plots", "metrics.jsonl", "run.json"} <= names
    assert list((trained / "tensorboard").glob("events.out.tfevents.*"))
    picture = (trained / "plots" / "example.png").read_bytes()
    assert picture.startswith(b"\x89PNG")


def test_train_json(zoo, corpus, tmp_path):
    from tests.cli.conftest import settings_options

    code, out, err = zoo(
        *(
            "train",
            "deepspeech2_small",
            "--data",
            corpus,
            "--run-dir",
            tmp_path / "run",
        ),
        *("--max-steps", 2, "--json", *settings_options()),
        *("--set", "task.alphabet= edcba"),
    )
    assert code == 0, err
    result = read_json(out)
    keys = "preset run_dir steps epochs seconds train_loss validation best loss_scale"
    assert {*keys.split(), "skipped_steps"} <= set(result)
    assert result["steps"] == 2
    assert set(result["best"]) == {"step", "metric", "value"}
    asked = json.loads((tmp_path / "run/run.json").read_text())["settings"]
    assert asked["task.alphabet"] == " edcba"
    assert asked["encoder.filters"] == [2]
    kept = json.loads((tmp_path / "run/preset/task.json").read_text())
    assert kept["alphabet"] == " edcba"


def test_evaluate(zoo, trained):
    code, out, err = zoo("evaluate", trained, "--json")
    assert code == 0, err
    result = read_json(out)
    asked = {"metrics", "confidence", "examples", "signature"}
    assert set(result) == asked | {"errors", "confusions"}
    low, high = result["confidence"]["word_error_rate"]
    assert low <= result["metrics"]["word_error_rate"] <= high
    assert result["examples"] == 3


def test_infer(zoo, trained, corpus, tmp_path):
    files = [corpus / "test_1.wav", corpus / "test_0.wav"]
    target = tmp_path / "out.txt"
    code, out, err = zoo("infer", trained, *files, "--json", "--output", target)
    assert code == 0, err
    outputs = read_json(out)["outputs"]
    assert [o["input"] for o in outputs] == [str(f) for f in files]
    assert target.read_text().splitlines() == [o["output"] for o in outputs]
    for word in outputs[0]["words"]:
        assert 0 <= word["start"] <= word["end"]
        assert 0 <= word["confidence"] <= 1


def test_infer_without_a_run_takes_the_newest(
    zoo, trained, corpus, monkeypatch, tmp_path
):
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "tiny").symlink_to(trained)
    monkeypatch.chdir(tmp_path)
    code, out, err = zoo("infer", corpus / "test_0.wav")
    assert code == 0, err
    assert out.startswith(f"{corpus / 'test_0.wav'}\t")


def test_list_and_show(zoo):
    code, out, _ = zoo("list", "--json")
    assert code == 0
    rows = {row["name"]: row for row in read_json(out)}
    assert set(rows["deepspeech2_small"]) == {
        *("name", "task", "parameters", "summary", "paper")
    }
    assert rows["deepspeech2_small"]["parameters"] == 9_993_469
    code, out, _ = zoo("show", "deepspeech2-small")
    assert code == 0
    assert "encoder.rnn_layers: 2" in out
    assert "recipe.batch: 400.0" in out


def test_data_list_and_check(zoo, corpus):
    code, out, _ = zoo("data", "list", "--json")
    assert code == 0
    assert {"demo_speech", "fsdd", "an4"} <= {row["name"] for row in read_json(out)}
    code, out, err = zoo("data", "check", corpus, "--json")
    assert code == 0, err
    assert read_json(out)["counts"]["utterances"] == 19


def test_benchmark_prints_one_object(zoo):
    code, out, _ = zoo(
        *("benchmark", "lstm-ctc-small", "--json", "--steps", 1),
        *("--set", "encoder.rnn_units=8", "--set", "recipe.batch=1"),
        *("--precision", "float32", "--precision", "decoder=mixed_bfloat16"),
    )
    assert code == 0
    found = read_json(out)
    assert found["preset"] == "lstm-ctc-small"
    names = [row["precision"] for row in found["precisions"]]
    assert names == ["float32", "decoder=mixed_bfloat16"]
