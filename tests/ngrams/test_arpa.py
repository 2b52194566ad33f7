"""ARPA files are read as they come, written as KenLM reads them."""

import gzip
import os
import re
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.ngrams import (
    NGramModel,
    estimate_kneser_ney,
    load_language_model,
    read_arpa,
    write_arpa,
)

DATA = Path(__file__).parent / "data"
TEXT = (DATA / "text.txt").read_text("utf-8").splitlines()
LINES = [line.split() for line in TEXT]

SMALL = """\\data\\
ngram 1=4
ngram 2=2

\\1-grams:
-1\t<unk>
0\t<s>\t-0.5
-0.25\t</s>
-0.5\tä\t-0.125

\\2-grams:
-0.75\t<s> ä
-0.125\tä </s>

\\end\\
"""


@pytest.fixture
def arpa(tmp_path):
    """Writes a text as an ARPA file and gives its path."""

    def write(text):
        path = tmp_path / "lm.arpa"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def same(one, other):
    assert one.vocabulary == other.vocabulary
    for mine, its in zip(one.orders, other.orders, strict=True):
        np.testing.assert_array_equal(mine.words, its.words)
        np.testing.assert_array_equal(mine.log_probabilities, its.log_probabilities)
        np.testing.assert_array_equal(mine.backoffs, its.backoffs)


def test_the_numbers_of_a_file(arpa):
    found = read_arpa(arpa(SMALL))
    assert found.vocabulary == ("<unk>", "<s>", "</s>", "ä")
    unigrams, bigrams = found.orders
    assert unigrams.log_probabilities.tolist() == [-1, 0, -0.25, -0.5]
    assert unigrams.backoffs.tolist() == [0, -0.5, 0, -0.125]
    assert bigrams.words.tolist() == [[1, 3], [3, 2]]
    assert bigrams.log_probabilities.tolist() == [-0.75, -0.125]


@pytest.mark.parametrize("order", [1, 2, 3, 5])
@pytest.mark.parametrize("name", ["lm.arpa", "lm.arpa.gz"])
def test_what_is_written_is_read_back(tmp_path, name, order):
    ngrams = estimate_kneser_ney(LINES, order, (0, 1)[:order]).ngrams
    write_arpa(tmp_path / name, ngrams)
    same(read_arpa(tmp_path / name), ngrams)
    packed = (tmp_path / name).read_bytes()[:2] == b"\x1f\x8b"
    assert packed == name.endswith(".gz")
    assert os.listdir(tmp_path) == [name]


def test_the_same_model_gives_the_same_bytes(tmp_path):
    for name in ("one.arpa.gz", "other.arpa.gz"):
        write_arpa(tmp_path / name, estimate_kneser_ney(LINES, 3).ngrams)
    one, other = ((tmp_path / f"{n}.arpa.gz").read_bytes() for n in ("one", "other"))
    assert one == other
    assert one[4:8] == b"\0\0\0\0"  # no time of day


def test_kenlms_own_file_keeps_its_numbers(tmp_path):
    expected = read_arpa(DATA / "pruned.arpa")
    write_arpa(tmp_path / "lm.arpa", expected)
    same(read_arpa(tmp_path / "lm.arpa"), expected)


def test_what_stands_there_stays_until_all_is_written(tmp_path, monkeypatch):
    path = tmp_path / "lm.arpa"
    path.write_text("before")

    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("s2s_zoo.ngrams.arpa.os.fsync", refuse)
    with pytest.raises(UserError, match=r"lm\.arpa: cannot be written: No space"):
        write_arpa(path, estimate_kneser_ney(LINES, 2).ngrams)
    assert path.read_text() == "before"
    assert os.listdir(tmp_path) == ["lm.arpa"]


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\t", "  "),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: "\n# made by hand\n\n" + text,
        lambda text: text.replace("ngram 1=4", "ngram  1 = 4"),
        lambda text: text.replace("<s> ä", "<s>\tä"),
        lambda text: text.replace("-0.125\tä </s>", "-0.125\tä </s>\t0"),
        lambda text: text + "\n \n",
        lambda text: text.replace("<unk>", "<UNK>"),
        lambda text: text.replace("-0.5\tä", "-5e-1\tä"),
    ],
)
def test_other_ways_to_write_the_same(arpa, change):
    expected = read_arpa(arpa(SMALL))
    assert change(SMALL) != SMALL
    same(read_arpa(arpa(change(SMALL))), expected)


@pytest.mark.parametrize(
    ("old", "new", "line", "message"),
    [
        ("\\data\\", "data", 1, r"want \\data\\, received 'data'"),
        ("\\data\\", "mmap lm", 1, r"want \\data\\"),
        ("ngram 1=4", "ngram 2=4", 2, '"ngram 1=" and their number, received'),
        ("ngram 2=2", "ngram 2=two", 3, 'want "ngram 2="'),
        ("ngram 2=2\n", "ngram 2=3\n", 14, "each of 3 lines, received nothing"),
        ("ngram 2=2\n", "ngram 2=1\n", 13, r"want \\end\\, received '-0.125"),
        ("ngram 2=2\n", f"ngram 2={10**30}\n", 14, "received nothing"),
        ("\\2-grams:", "\\3-grams:", 11, r"want \\2-grams:, received"),
        ("-0.75\t<s> ä", "-0.75\t<s>", 12, "want a log-probability, 2 words"),
        ("-0.75\t<s> ä", "-0.75\t<s> ä ä ä", 12, "want a log-probability, 2 words"),
        ("-0.75\t<s> ä", "-0.75\t<s> b", 12, "'b' is not among the 1-grams"),
        ("-0.75\t", "0.75\t", 12, "want a log-probability, received 0.75"),
        ("-0.75\t", "nan\t", 12, "want a finite log-probability, received 'nan'"),
        ("-0.75\t", "-1e39\t", 12, "want a finite log-probability"),
        ("-0.75\t", "one\t", 12, "want a finite log-probability, received 'one'"),
        ("ä\t-0.125", "ä\tinf", 9, "want a finite backoff, received 'inf'"),
        ("ä </s>", "ä </s>\t-1", 13, "the longest n-grams have no backoff"),
        ("ä </s>", "<s> ä", 13, "this n-gram is there twice"),
        ("-1\t<unk>", "-1\t<s>", 7, "this n-gram is there twice"),
        ("\\end\\", "", 16, r"want \\end\\, received nothing"),
        ("\\end\\\n", "\\end\\\nmore\n", 16, r"text after \\end\\"),
    ],
)
def test_damage_is_told_with_its_line(arpa, old, new, line, message):
    assert SMALL.count(old) == 1, old
    path = arpa(SMALL.replace(old, new))
    with pytest.raises(UserError, match=f"{re.escape(str(path))}:{line}: .*{message}"):
        load_language_model(path)


def test_an_ngram_needs_its_context(arpa):
    text = SMALL.replace("ngram 2=2\n", "ngram 2=2\nngram 3=1\n")
    text = text.replace("\\end", "\\3-grams:\n-1\tä ä </s>\n\n\\end")
    path = arpa(text)
    with pytest.raises(UserError, match=":17: its first words are not among the 2-g"):
        load_language_model(path)


def test_words_are_utf8(arpa):
    path = arpa(SMALL.encode().replace("ä".encode(), b"\xe4"))
    with pytest.raises(UserError, match=":9: not UTF-8: unexpected end of data"):
        load_language_model(path)


@pytest.mark.parametrize("length", [2, 10, 30, 60, 90])
def test_a_compressed_file_that_is_cut_off(tmp_path, length):
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(gzip.compress(SMALL.encode(), mtime=0)[:length])
    with pytest.raises(UserError, match=r"lm\.arpa\.gz: damaged"):
        load_language_model(path)


def test_a_compressed_file_that_is_damaged(tmp_path):
    content = bytearray(gzip.compress(SMALL.encode(), mtime=0))
    content[-6] ^= 255
    path = tmp_path / "lm.arpa.gz"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"lm\.arpa\.gz: .*CRC"):
        load_language_model(path)


def test_a_file_that_is_not_there(tmp_path):
    for name in ("lm.arpa", "."):
        with pytest.raises(UserError, match="cannot be read"):
            load_language_model(tmp_path / name)


def test_what_is_written_loads_in_kenlm_with_equal_scores(tmp_path):
    reason = "needs flashlight-text, which has KenLM inside"
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm", reason=reason)
    from flashlight.lib.text.dictionary import Dictionary

    ngrams = estimate_kneser_ney(LINES, 4, (0, 0, 1)).ngrams
    write_arpa(tmp_path / "lm.arpa", ngrams)
    ours = NGramModel.from_ngrams(ngrams)
    dictionary = Dictionary(sorted({word for line in LINES for word in line}))
    theirs = kenlm.KenLM(str(tmp_path / "lm.arpa"), dictionary)
    for line in LINES:
        state, mine = theirs.start(False), ours.start()
        for word in line:
            state, expected = theirs.score(state, dictionary.get_index(word))
            found, mine = ours.advance(mine, word)
            assert found / np.log(10) == pytest.approx(expected, abs=1e-5)
        found, expected = ours.end(mine), theirs.finish(state)[1]
        assert found / np.log(10) == pytest.approx(expected, abs=1e-5)
