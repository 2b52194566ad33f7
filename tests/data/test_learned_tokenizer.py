"""A tokenizer is learned once for many pairs, and each time for few."""

import pytest

from s2s_zoo.data import learned_tokenizer
from s2s_zoo.data.learned_tokenizer import learn_tokenizer
from s2s_zoo.data.pair_formats import read_columns
from s2s_zoo.data.tokenizer import Tokenizer

BOTH = ("source", "target")
ROWS = [("one two three", "eins zwei drei"), ("two one", "zwei eins")] * 10


@pytest.fixture
def pairs(tmp_path, monkeypatch):
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(learned_tokenizer, "STORED_FROM", 20)
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"{a}\t{b}\n" for a, b in ROWS))
    return read_columns(path)


def forbidden(*arguments):
    raise AssertionError("learned again")


def test_it_is_that_of_the_text(pairs):
    for sides in (BOTH, ("source",), ("target",)):
        size = 10 if sides == BOTH else 7
        texts = [getattr(pair, side) for pair in pairs for side in sides]
        expected = Tokenizer.train(texts, size, "word")
        for _ in range(2):
            assert learn_tokenizer(pairs, sides, size, "word") == expected


def test_many_pairs_are_read_once_for_the_same_settings(pairs, monkeypatch):
    first = learn_tokenizer(pairs, BOTH, 10, "word")
    monkeypatch.setattr(Tokenizer, "train", forbidden)
    assert learn_tokenizer(pairs, BOTH, 10, "word") == first
    for sides, size, kind in ((BOTH, 9, "word"), (BOTH, 10, "char")):
        with pytest.raises(AssertionError, match="learned again"):
            learn_tokenizer(pairs, sides, size, kind)
    with pytest.raises(AssertionError, match="learned again"):
        learn_tokenizer(pairs[:19], BOTH, 10, "word")


def test_other_text_is_learned_anew(pairs, monkeypatch, tmp_path):
    learn_tokenizer(pairs, BOTH, 10, "word")
    path = tmp_path / "pairs.tsv"
    path.write_text(path.read_text().replace("three", "seven"))
    monkeypatch.setattr(Tokenizer, "train", forbidden)
    with pytest.raises(AssertionError, match="learned again"):
        learn_tokenizer(read_columns(path), BOTH, 10, "word")
