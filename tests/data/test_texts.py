"""Plain texts in files, and vocabularies of their words."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_texts import DemoTexts
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.texts import Text, read_texts
from s2s_zoo.data.words import learn_words
from s2s_zoo.errors import UserError
from s2s_zoo.vocabulary import UNKNOWN
from s2s_zoo.workflows.check_data import check_data

STORY = " one two\nthree\n\n \nfour\n"
UNITS = {
    "line": [" one two", "three", "", " ", "four"],
    "paragraph": [" one two three", "four"],
    "document": [" one two three    four"],
}
TEXTS = KINDS.get("texts")


@pytest.mark.parametrize("unit", UNITS)
def test_a_text_is_a_line_a_paragraph_or_a_document(tmp_path: Path, unit: str):
    (tmp_path / "a.txt").write_text(STORY)
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(STORY.encode()))
    files = [tmp_path / name for name in ("a.txt", "b.txt.gz")]
    found = read_texts(files, unit)
    assert [text.text for text in found] == UNITS[unit] * 2
    assert found[0] == Text("a.txt:1", UNITS[unit][0])
    assert found[-1].text == UNITS[unit][-1]
    assert [text.text for text in found[1:]] == (UNITS[unit] * 2)[1:]
    rows = np.array([0, len(found) - 1])
    assert list(found.take(rows)) == [found[0], found[-1]]


def test_directories_of_files_and_of_folders(tmp_path: Path):
    (tmp_path / "train").mkdir()
    for name in ("b.txt", "a.tokens", "notes.md"):
        (tmp_path / "train" / name).write_text(f"{name}\n")
    (tmp_path / "valid.txt").write_text("held out\n")
    assert [text.text for text in TEXTS.read(str(tmp_path), "train")] == [
        "a.tokens",
        "b.txt",
    ]
    (held_out,) = TEXTS.read(str(tmp_path), "validation")
    assert held_out == Text("valid.txt:1", "held out")
    whole = TEXTS.with_options({"text_unit": "document"})
    assert len(whole.read(str(tmp_path / "train"), "test")) == 2


def test_the_end_of_a_lone_file_is_held_out(tmp_path: Path):
    """So that what is trained on stays one stream."""
    lines = [f"line {i}" for i in range(100)]
    (tmp_path / "book.txt").write_text("\n".join(lines))
    path = str(tmp_path / "book.txt")
    assert [text.text for text in TEXTS.read(path, "train")] == lines[:95]
    assert [text.text for text in TEXTS.read(path, "validation")] == lines[95:]


def test_words_are_numbered_by_frequency():
    """As frequent ones by code points; what a corpus has left out is unknown."""
    tokenizer = learn_words(["b c <unk> a", "c  b\tb d's", "<unk>"], most=7)
    assert tokenizer.pieces[4:] == ("▁b", "▁c", "▁a")
    b, c, a = 4, 5, 6
    expected = [a, UNKNOWN, b, UNKNOWN, c]
    assert tokenizer.encode(["a <unk> b  d's c"])[0].tolist() == expected
    assert learn_words(["a a", "b"], most=100).size == 6


def test_no_words_are_no_vocabulary():
    with pytest.raises(
        UserError, match=r"at least one word\. Received: 0 words, 10 tok"
    ):
        learn_words(["<unk>", " "], most=10)
    with pytest.raises(UserError, match="Received: 1 words, 4 tokens at most"):
        learn_words(["a"], most=4)


def test_check_finds_texts_that_are_in_train_too(tmp_path: Path):
    long = "a line of no less than eight words each"
    (tmp_path / "train.txt").write_text(f"{long}\nshort\n")
    (tmp_path / "valid.txt").write_text(f"{long}\nshort\nanother {long}\n")
    (tmp_path / "test.txt").write_text("\n \n")
    report = check_data(data=str(tmp_path))
    assert report.findings == {
        "overlap": [("validation:valid.txt:1", long)],
        "empty": [("test", "2 texts")],
    }
    assert report.headline == "7 texts, 30 words"


def test_the_demo_corpus_repeats_nothing_and_no_word_is_easy(tmp_path: Path):
    """The most frequent word alone is rarer than one in ten."""
    place = DemoTexts().prepare(tmp_path / "demo", progress=False)
    read = {split: TEXTS.read(str(place), split) for split in ("train", "test")}
    train, test = ([text.text for text in texts] for texts in read.values())
    assert len(train) > 3000
    assert not set(train) & set(test)
    words = " ".join(test).split()
    assert max(map(words.count, set(words[:200]))) < 0.1 * len(words)


def test_corpora_fetched_by_hand_say_where_from(tmp_path: Path):
    for name, file in (("ptb", "ptb.train.txt"), ("wikitext2", "wiki.train.tokens")):
        with pytest.raises(UserError, match=rf"Put {file}, .* into .*; they are from"):
            CORPORA.get(name).prepare(tmp_path, progress=False)


def test_the_sizes_of_wikitext_are_told_apart(tmp_path: Path):
    for name, text in (("valid", ""), ("test", " \n = Robert Boulter = \n")):
        (tmp_path / f"wiki.{name}.tokens").write_text(text)
    train = tmp_path / "wiki.train.tokens"
    for size, expected in ((2_000_000, "wikitext2"), (200_000_000, "wikitext103")):
        with train.open("wb") as file:
            file.truncate(size)
        names = ("wikitext2", "wikitext103")
        found = [name for name in names if CORPORA.get(name).found_in(tmp_path)]
        assert found == [expected]
