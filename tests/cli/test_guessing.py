"""What the command line makes of names and files that it is not told about."""

import io
import json
import shutil
from pathlib import Path

import pytest

from s2s_zoo.registry import PRESETS, TASKS
from tests.cli.conftest import read_json

pytestmark = pytest.mark.usefixtures("untraced")


def test_list_shows_one_task(zoo):
    for name in ("text_to_text", "text-to-text"):
        code, out, _ = zoo("list", "--task", name, "--json")
        assert code == 0
        found = {row["name"] for row in read_json(out)}
        assert found == {p.name for p in PRESETS if p.task.name == "text_to_text"}
    code, _, err = zoo("list", "--task", "nonsense")
    assert code == 1
    assert ", ".join(TASKS.names()) in err


PAIRS = [("a b c", "x y z"), ("b c d e", "y z w v"), ("a c", "x z"), ("d", "w")]


def write(directory, kind):
    if kind == "aligned":
        for side, ending in enumerate(("en", "de")):
            lines = "".join(f"{pair[side]}\n" for pair in PAIRS)
            (directory / f"train.{ending}").write_text(lines)
    elif kind == "tsv":
        lines = "".join(f"{a}\t{b}\n" for a, b in PAIRS)
        (directory / "train.tsv").write_text(lines)
    else:
        rows = (json.dumps({"source": a, "target": b}) for a, b in PAIRS)
        (directory / "train.jsonl").write_text("".join(f"{row}\n" for row in rows))


@pytest.mark.parametrize("kind", ["aligned", "tsv", "jsonl"])
def test_check_knows_pairs_of_texts_when_it_sees_them(zoo, tmp_path, kind):
    write(tmp_path, kind)
    code, out, err = zoo("data", "check", tmp_path, "--json")
    assert code in (0, 1)
    assert "Error" not in err
    assert read_json(out)["counts"]["pairs"] == len(PAIRS)


def test_check_says_why_pairs_cannot_be_read(zoo, tmp_path):
    write(tmp_path, "aligned")
    with (tmp_path / "train.de").open("a") as file:
        file.write("one more\n")
    _, out, err = zoo("data", "check", tmp_path)
    assert "train.de" in out + err
    assert "wav_filename" not in out + err


def test_a_path_to_nowhere_is_not_translated(zoo, translator):
    code, _, err = zoo("infer", "/no/such/run", "a b c")
    assert code == 1
    assert "/no/such/run does not exist" in err


def test_lines_of_a_file_stay_aligned(zoo, translator, tmp_path):
    listing = tmp_path / "in.txt"
    listing.write_bytes("a b\x0cc\r\nb\u2028c\n\nd\n".encode())
    code, out, err = zoo("infer", translator, "--input", listing, "--json")
    assert code == 0, err
    found = read_json(out)["outputs"]
    assert [x["input"] for x in found] == ["a b\x0cc", "b\u2028c", "", "d"]
    listing.write_bytes(b"a b\n\xff\n")
    code, _, err = zoo("infer", translator, "--input", listing)
    assert code == 1
    assert f"{listing}:2: not UTF-8" in err


@pytest.fixture
def typed(monkeypatch):
    """Gives bytes to standard input."""

    def give(content):
        stream = io.TextIOWrapper(io.BytesIO(content), encoding="ascii")
        monkeypatch.setattr("sys.stdin", stream)

    return give


def test_standard_input_is_a_file_of_inputs(zoo, translator, typed, tmp_path):
    typed("a b\x0cc\r\n\näöü\n".encode())
    code, out, err = zoo("infer", translator, "--input", "-", "--json")
    assert code == 0, err
    assert [x["input"] for x in read_json(out)["outputs"]] == ["a b\x0cc", "", "äöü"]


@pytest.mark.parametrize(
    ("content", "told"), [(b"a\n\xff\n", "not UTF-8"), (b"a\nb\0\n", "NUL byte")]
)
def test_standard_input_that_is_no_text_is_named(zoo, typed, content, told):
    typed(content)
    code, _, err = zoo("infer", "--input", "-")
    assert code == 1
    assert f"standard input:2: {told}" in err


@pytest.fixture
def asked(monkeypatch):
    """What `infer` is called with, which runs no model then."""
    from s2s_zoo.workflows import infer

    calls = []
    monkeypatch.setattr(infer, "infer", lambda **given: calls.append(given) or [])
    return calls


@pytest.fixture
def newest(tmp_path, monkeypatch):
    """A run that is meant where none is named."""
    (tmp_path / "runs/newest/preset").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    return Path("runs/newest")


def test_a_text_with_a_slash_is_no_path(zoo, asked, newest, tmp_path):
    listing = tmp_path / "in.txt"
    listing.write_text("and/or\n\nc")
    for inputs in (["and/or it", "b"], ["and/or"], ["word " * 100, "b"]):
        code, _, err = zoo("infer", *inputs)
        assert code == 0
        assert f"with {newest}\n" in err
        assert asked[-1]["run"] == newest
        assert asked[-1]["inputs"] == inputs
    assert zoo("infer", "--input", listing)[0] == 0
    assert asked[-1]["inputs"] == ["and/or", "", "c"]


def test_a_run_that_is_not_there_is_no_text(zoo, asked, newest):
    code, _, err = zoo("infer", "runs/newst")
    assert code == 1
    assert "runs/newst does not exist" in err
    assert asked == []


def test_a_missing_run_before_a_file_of_inputs(zoo, asked, tmp_path):
    listing = tmp_path / "in.txt"
    listing.write_text("")
    code, _, err = zoo("infer", "runs/none", "--input", listing)
    assert code == 1
    assert "runs/none does not exist" in err
    assert asked == []
    assert zoo("infer", tmp_path, "--input", listing)[0] == 0
    assert asked[-1]["run"] == str(tmp_path)
    assert asked[-1]["inputs"] == []


def test_check_names_the_option_where_files_do_not_tell(zoo, tmp_path):
    (tmp_path / "train.deu").write_text("eins\n")
    (tmp_path / "train.eng").write_text("one\n")
    code, _, err = zoo("data", "check", tmp_path)
    assert code == 1
    assert "--preset transformer_tiny" in err
    languages = ("--source", "eng", "--target", "deu")
    code, out, _ = zoo("data", "check", tmp_path, *languages)
    assert code == 1
    assert "1 pairs, too few" in out


def test_the_others_of_the_n_best_are_printed(zoo, translator):
    search = "beam=3,n_best=3,length_extra=5"
    code, out, err = zoo("infer", translator, "a b c", "--search", search)
    assert code == 0, err
    first, *others = out.rstrip("\n").split("\n")
    assert first.startswith("a b c\t")
    assert len(others) == 2
    assert all(line.startswith("\t") for line in others)


def test_runs_of_other_languages_are_not_compared(zoo, translator, tmp_path):
    turned = tmp_path / "turned"
    shutil.copytree(translator, turned)
    (task,) = (p for p in (turned / "preset").glob("*.json") if "task" in p.name)
    settings = task.read_text()
    for old, new in (('"en"', '"?"'), ('"de"', '"en"'), ('"?"', '"de"')):
        settings = settings.replace(old, new)
    task.write_text(settings)
    data = tmp_path / "data"
    data.mkdir()
    write(data, "aligned")
    (data / "test.en").write_text("a b\nc d\n")
    (data / "test.de").write_text("c\nd e\n")
    code, _, err = zoo("compare", translator, turned, "--data", data)
    assert code == 1
    assert "differently" in err
