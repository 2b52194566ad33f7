"""`lm build` and `lm score` from text, compressed text, and corpora."""

import gzip
import json

import pytest

from s2s_zoo.ngrams import load_language_model, split_units
from tests.cli.conftest import read_json

LINES = ["to be or not to be", "be not", "", "or to be", "to or"]


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(LINES) + "\n")
    return path


def test_a_model_of_words_is_built_and_measured(zoo, text, tmp_path):
    path = tmp_path / "lm.arpa.gz"
    code, out, err = zoo(
        *("lm", "build", text, "--order", 2, "--prune", "0 1", "--output", path),
        "--json",
    )
    assert code == 0, err
    found = read_json(out)
    assert (found["lines"], found["units"], found["unit"]) == (4, 13, "words")
    # to be, be </s>, <s> to occur twice or more, the rest once
    assert found["ngrams"] == [7, 3]
    assert found["path"] == str(path)
    code, out, err = zoo("lm", "score", path, text, "--json")
    assert code == 0, err
    found = read_json(out)
    model = load_language_model(path)
    expected = sum(model.score(line.split()) for line in LINES if line)
    assert found["log_probability"] == pytest.approx(expected)
    assert (found["lines"], found["units"], found["unknown"]) == (4, 17, 0)


def test_what_people_read(zoo, text, tmp_path):
    path = tmp_path / "lm.arpa"
    code, out, err = zoo("lm", "build", text, "--output", path)
    assert code == 0, err
    first, second, third = out.splitlines()
    assert first == "4 lines, 13 words"
    assert second.startswith("7 + ")
    assert second.endswith(f" n-grams in {path}")
    assert third.startswith("Too little or artificial text: fixed discounts for order")
    other = tmp_path / "other.txt"
    other.write_text("to see or not\n")
    code, out, err = zoo("lm", "score", path, other)
    assert code == 0, err
    first, *perplexities = out.splitlines()
    assert first == "1 lines, 5 words and ends of lines, 1 unknown"
    assert [line.rsplit(" ", 1)[0] for line in perplexities] == [
        "perplexity",
        "perplexity without unknown",
    ]


def test_compressed_texts_and_characters(zoo, text, tmp_path):
    packed = tmp_path / "text.gz"
    packed.write_bytes(gzip.compress(text.read_bytes()))
    outputs = []
    for source in (text, packed):
        path = tmp_path / "lm.arpa"
        code, _, err = zoo(
            "lm", "build", source, "--units", "characters", "--output", path
        )
        assert code == 0, err
        outputs.append(path.read_bytes())
    assert outputs[0] == outputs[1]
    code, out, err = zoo("lm", "score", path, packed, "--json")
    assert code == 0, err
    found = read_json(out)
    units = [len(split_units(line, "characters")) for line in LINES if line]
    assert (found["unit"], found["units"]) == ("characters", sum(units) + len(units))


def test_the_transcripts_of_a_corpus(zoo, corpus, tmp_path):
    path = tmp_path / "lm.arpa"
    options = ("--units", "characters", "--output", path, "--json")
    code, out, err = zoo("lm", "build", "--corpus", corpus, *options)
    assert code == 0, err
    rows = (corpus / "train.csv").read_text().splitlines()[1:]
    assert json.loads(out)["lines"] == len(rows) == 12
    code, out, err = zoo("lm", "score", path, "--corpus", corpus, "--split", "test")
    assert code == 0, err
    assert out.startswith("3 lines, ")


def test_transcripts_are_in_the_alphabet_of_the_preset(zoo, corpus, tmp_path):
    path = tmp_path / "lm.arpa"
    code, _, err = zoo(
        *("lm", "build", "--corpus", corpus, "--output", path),
        *("--preset", "deepspeech2-small", "--set", "task.alphabet=ABCDEFGHIJKLM "),
    )
    assert code == 0, err
    words = set(load_language_model(path).vocabulary) - {"<unk>", "<s>", "</s>"}
    assert words
    assert all(word.isupper() for word in words)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["build"], "no text was named: no line of text"),
        (["build", "nowhere.txt"], "nowhere.txt: cannot be read: No such file"),
        (["build", "TEXT", "--output", "lm.bin"], "ends in .arpa or .arpa.gz"),
        (["build", "TEXT", "--output", "no/lm.arpa"], "no is no directory"),
        (["build", "TEXT", "--order", 0], "order is 1 to 10. Received: 0"),
        (["build", "TEXT", "--prune", "1 1"], "thresholds more, none below the one be"),
        (["build", "--corpus", "nothing_of_that_name"], "neither a corpus by name nor"),
        (["score", "TEXT", "TEXT"], r"text.txt:1: want \data\, received 'to be or"),
        (["score", "nowhere.arpa", "TEXT"], "nowhere.arpa: cannot be read"),
    ],
)
def test_mistakes(zoo, text, tmp_path, monkeypatch, arguments, message):
    monkeypatch.chdir(tmp_path)
    code, _, err = zoo("lm", *[text if a == "TEXT" else a for a in arguments])
    assert code == 1
    assert message in " ".join(err.split())


def test_thresholds_are_numbers(zoo, text):
    code, _, err = zoo("lm", "build", text, "--prune", "0 x")
    assert code == 2
    assert "want whole numbers, such as '0 1 1', not '0 x'" in " ".join(err.split())


def test_reserved_words_are_told_with_their_line(zoo, text, tmp_path):
    text.write_text("a b\n\nc <unk> d\n")
    code, _, err = zoo("lm", "build", text, "--output", tmp_path / "lm.arpa")
    assert code == 1
    assert "text.txt:3: <unk>, <s>, </s> have a meaning" in err
    assert not (tmp_path / "lm.arpa").exists()
