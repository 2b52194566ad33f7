"""A user's mistake ends in one clear message, before anything long starts."""

import errno
import json
import shutil

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.audio import write_wav
from tests.cli.conftest import read_json, settings_options
from tests.text_corpus import SMALL, write_pairs


def test_unknown_preset_names_close_ones(zoo):
    code, _, err = zoo("train", "deepspeach2-small")
    assert code == 1
    assert "deepspeech2_small" in err


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("encoder.rnn_layer=3", "encoder.rnn_layers"),
        ("recipe.epochs=many", "recipe.epochs"),
        ("recipe.schedule.initial_learning_rate=-1", "above 0"),
        ("recipe.batch=0", "above 0"),
        ("recipe.precision=float64", "mixed_float16"),
        ("nonsense", "PATH=VALUE"),
    ],
)
def test_wrong_settings(zoo, corpus, tmp_path, setting, expected):
    run = tmp_path / "run"
    code, _, err = zoo(
        *("train", "deepspeech2-small", "--data", corpus, "--run-dir", run),
        *("--set", setting),
    )
    assert code == 1
    assert expected in err
    assert not (run / "run.json").exists()


def test_misuse_exits_with_2(zoo):
    assert zoo("train")[0] == 2
    assert zoo("dance")[0] == 2
    assert zoo("train", "deepspeech2-small", "--epochs", "0")[0] == 2


def test_an_existing_run_is_refused(zoo, trained, corpus):
    code, _, err = zoo("train", "deepspeech2-small", "--run-dir", trained)
    assert code == 1
    assert "--resume" in err


def test_resume_needs_a_run(zoo, tmp_path):
    code, _, err = zoo("train", "deepspeech2-small", "--resume")
    assert code == 1
    assert "--run-dir" in err
    missing = tmp_path / "none"
    code, _, err = zoo("train", "deepspeech2-small", "--run-dir", missing, "--resume")
    assert code == 1
    assert "nothing to resume" in err


def test_a_resumed_run_keeps_its_settings(zoo, trained):
    code, _, err = zoo(
        *("train", "deepspeech2-large", "--run-dir", trained, "--resume")
    )
    assert code == 1
    assert "deepspeech2_small" in err


def test_what_a_resumed_run_cannot_change_is_refused_by_name(zoo, trained, tmp_path):
    run = shutil.copytree(trained, tmp_path / "run")
    again = ("train", "deepspeech2-small", "--run-dir", run, "--resume")
    code, _, err = zoo(
        *(*again, "--seed", 7, "--precision", "mixed_bfloat16", "--epochs", 3),
        *("--loss-scaling", "logmax", "--set", "encoder.projection=9"),
    )
    assert code == 1
    for told in (
        "recipe.seed = 0, received 7",
        "recipe.precision = 'float32', received 'mixed_bfloat16'",
        "recipe.loss_scaling.algorithm = 'backoff', received 'logmax'",
        "encoder.projection = 8, received 9",
    ):
        assert told in err
    code, out, err = zoo(*again, "--epochs", 3, "--seed", 0, *settings_options())
    assert code == 0, err
    assert "To step 9 instead of 6" in " ".join(err.split())
    assert "of 9, after" in out


def test_characters_outside_the_alphabet_are_listed(zoo, corpus, tmp_path):
    other = tmp_path / "corpus"
    shutil.copytree(corpus, other)
    manifest = other / "train.csv"
    manifest.write_text(manifest.read_text().replace(",a", ",7").replace("b", "%"))
    code, _, err = zoo(
        *("train", "deepspeech2-small", "--data", other),
        *("--run-dir", tmp_path / "run", *settings_options()),
    )
    assert code == 1
    assert "'%'" in err
    assert "times" in err


@pytest.fixture
def without_words(corpus, tmp_path):
    """A corpus whose validation and test have no transcripts."""
    other = shutil.copytree(corpus, tmp_path / "without_words")
    for split in ("validation", "test"):
        names = sorted(path.name for path in other.glob(f"{split}_*.wav"))
        rows = "".join(f"{name},\n" for name in names)
        (other / f"{split}.csv").write_text(f"wav_filename,transcript\n{rows}")
    return other


def test_without_reference_words_no_metric_is_made_up(zoo, trained, without_words):
    for verb in (("evaluate", trained), ("compare", trained, trained)):
        code, out, err = zoo(*verb, "--data", without_words)
        assert code == 1
        assert out == ""
        assert "no reference words in 3 utterances" in err
        assert "s2s-zoo infer" in err


def test_a_validation_without_reference_words_is_refused_before_training(
    zoo, without_words, tmp_path
):
    code, _, err = zoo(
        *("train", "deepspeech2-small", "--data", without_words),
        *("--run-dir", tmp_path / "run", *settings_options()),
    )
    assert code == 1
    assert "validation: no reference words in 4 utterances" in " ".join(err.split())
    assert not (tmp_path / "run").exists()


def test_damaged_audio_is_left_out_by_name(zoo, corpus, tmp_path):
    other = tmp_path / "corpus"
    shutil.copytree(corpus, other)
    (other / "train_0.wav").write_bytes(b"")
    (other / "train_1.wav").write_bytes(b"<html>not audio</html>")
    code, out, err = zoo(
        *("train", "deepspeech2-small", "--data", other, "--max-steps", 4, "--json"),
        *("--run-dir", tmp_path / "run", *settings_options()),
    )
    assert code == 0, err
    assert "train_0.wav left out" in err
    assert "train_1.wav left out" in err
    assert read_json(out)["dropped"] == {"unreadable": 2}


def test_an_impossible_transcript_is_left_out_by_name(zoo, corpus, tmp_path):
    other = tmp_path / "corpus"
    shutil.copytree(corpus, other)
    manifest = other / "train.csv"
    lines = manifest.read_text().splitlines()
    cells = lines[1].split(",")
    cells[2] = "a" * 400
    manifest.write_text("\n".join([lines[0], ",".join(cells), *lines[2:]]) + "\n")
    code, out, err = zoo(
        *("train", "deepspeech2-small", "--data", other, "--max-steps", 1, "--json"),
        *("--run-dir", tmp_path / "run", *settings_options()),
        *("--set", "task.min_seconds=0.45"),
    )
    assert code == 0, err
    assert "fewer frames than its transcript needs" in err
    assert cells[0] in err
    short = sum(
        soundfile.info(path).duration < 0.45
        for split in ("train", "validation")
        for path in other.glob(f"{split}_*.wav")
    )
    assert short > 1
    assert read_json(out)["dropped"] == {
        "with fewer frames than its transcript needs": 1,
        "shorter than 0.45 s": short,
    }


def test_infer_names_what_it_cannot_read(zoo, trained, tmp_path):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF")
    good = tmp_path / "good.wav"
    write_wav(good, np.zeros(4000, "float32"), 16000)
    code, out, err = zoo("infer", trained, good, broken, good)
    assert code == 1
    assert str(broken) in err
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(good)] * 2
    code, out, _ = zoo("infer", trained, good, broken, "--json")
    assert code == 1
    first, second = json.loads(out)["outputs"]
    assert "output" in first
    assert str(broken) in second["error"]
    code, _, err = zoo("infer", trained)
    assert code == 1
    assert "--input" in err


def test_no_run_yet(zoo, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, err = zoo("evaluate")
    assert code == 1
    assert "s2s-zoo train" in err


def test_the_demo_without_its_extra_says_both_ways_to_go_on(zoo, monkeypatch, tmp_path):
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(__import__("sys").modules, "espeakng_loader", None)
    code, _, err = zoo("train", "deepspeech2-small", "--run-dir", tmp_path / "run")
    assert code == 1
    assert "s2s-zoo[demo]" in err
    assert "--data" in err


def test_an_unknown_backend(zoo, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "theano")
    code, _, err = zoo("list")
    assert code == 1
    assert "theano" in err


def test_a_full_disk_is_one_clear_line_wherever_it_is_met(zoo, monkeypatch):
    from s2s_zoo.workflows import evaluate

    def full(**given):
        raise OSError(errno.ENOSPC, "No space left on device", "/cache/x")

    monkeypatch.setattr(evaluate, "evaluate", full)
    code, _, err = zoo("evaluate")
    assert code == 1
    assert "Error: /cache/x: No space left on device" in err


@pytest.mark.parametrize("option", ["--outputs", "--plot"])
def test_nothing_is_evaluated_where_its_file_cannot_be(zoo, trained, tmp_path, option):
    place = tmp_path / "none" / "x"
    code, out, err = zoo("evaluate", trained, option, place)
    assert (code, out) == (1, "")
    assert f"{place}: cannot be written: there is no directory {place.parent}" in err


@pytest.mark.parametrize("option", ["--output", "--plot"])
def test_nothing_is_inferred_where_its_file_cannot_be(zoo, trained, tmp_path, option):
    place = tmp_path / "none" / "x"
    code, out, err = zoo("infer", trained, "a.wav", option, place)
    assert (code, out) == (1, "")
    assert f"there is no directory {place.parent}" in err


def test_a_picture_that_nobody_draws_is_refused_first(zoo, trained, tmp_path):
    code, out, err = zoo("evaluate", trained, "--plot", tmp_path / "x.png")
    assert (code, out) == (1, "")
    assert "--plot: speech_to_text draws no evaluation" in err


@pytest.mark.parametrize(
    ("mode", "given"),
    [
        (["--tune"], ["--outputs", "x.tsv"]),
        (["--tune"], ["--judge", "runs/other"]),
        (["--judge", "runs/other"], ["--by", "speaker"]),
        (["--judge", "runs/other"], ["--keep-search"]),
    ],
)
def test_what_a_mode_would_not_do_is_refused(zoo, mode, given):
    code, _, err = zoo("evaluate", *mode, *given)
    assert code == 1
    assert f"{mode[0]} takes no {given[0]}" in err


def test_a_run_is_found_again_from_anywhere(zoo, tmp_path, monkeypatch):
    write_pairs(tmp_path / "pairs")
    monkeypatch.chdir(tmp_path)
    settings = [f"{path}={value}" for path, value in SMALL.items()]
    sets = [part for setting in settings for part in ("--set", setting)]
    how = ("--data", "pairs", "--run-dir", "run", "--max-steps", 1, *sets)
    code, _, err = zoo("train", "transformer-tiny", *how)
    assert code == 0, err
    for name in ("pairs", "moved"):
        (tmp_path / "elsewhere" / name).mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "elsewhere")
    code, _, err = zoo("evaluate", "../run", "--json")
    assert code == 0, err
    moved = (tmp_path / "pairs").rename(tmp_path / "elsewhere/moved/pairs")
    shutil.copytree(tmp_path / "run", moved.parent / "run")
    monkeypatch.chdir(moved.parent)
    code, _, err = zoo("evaluate", "run", "--json")
    assert code == 0, err


def test_a_model_without_its_run_is_found(zoo, trained, tmp_path, monkeypatch):
    shutil.copytree(trained / "preset", tmp_path / "runs/mine/preset")
    monkeypatch.chdir(tmp_path)
    recording = tmp_path / "a.wav"
    write_wav(recording, np.zeros(16000, "float32"), 16000)
    code, _, err = zoo("infer", recording)
    assert code == 0, err
