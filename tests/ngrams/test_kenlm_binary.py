"""Binaries of KenLM give the scores of the ARPA file that they were made of."""

import math
import random
import struct
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.errors import UserError
from s2s_zoo.ngrams import load_language_model
from s2s_zoo.ngrams.probing import MIDDLE, ProbingTable

DATA = Path(__file__).parent / "data"
BINARY = (DATA / "pruned.bin").read_bytes()
"""build_binary pruned.arpa pruned.bin, KenLM 0.3.0."""
FIXED, COUNTS = 88, 108
TABLES = 108 + 4 * 8 + 4  # aligned to 8 bytes


@pytest.fixture(scope="module")
def models():
    return [load_language_model(DATA / f"pruned.{end}") for end in ("bin", "arpa")]


def test_vocabulary_and_order_are_those_of_the_arpa(models):
    binary, arpa = models
    assert binary.vocabulary == arpa.vocabulary
    assert (binary.order, binary.unit) == (4, "words")


def test_every_word_after_every_state_scores_as_in_the_arpa(models):
    binary, arpa = models
    words = [*binary.vocabulary, "unseen"]
    states = {binary.start()} | {
        state
        for line in (DATA / "text.txt").read_text("utf-8").splitlines()
        for state in _states(binary, line.split())
    }
    assert {len(state.words) for state in states} == {0, 1, 2, 3}
    for state, word in product(states, words):
        assert binary.advance(state, word) == arpa.advance(state, word)


def test_random_lines_score_as_in_the_arpa(models):
    rng = random.Random(3)
    words = [*models[0].vocabulary, "unseen"]
    for _ in range(300):
        line = rng.choices(words, k=rng.randrange(12))
        assert models[0].score(line) == models[1].score(line)


def test_flashlights_kenlm_loads_the_binary_with_equal_scores(models):
    reason = "needs flashlight-text, which has KenLM inside"
    kenlm = pytest.importorskip("flashlight.lib.text.decoder.kenlm", reason=reason)
    from flashlight.lib.text.dictionary import Dictionary

    words = list(models[0].vocabulary)
    theirs = kenlm.KenLM(str(DATA / "pruned.bin"), Dictionary(words))
    for line in (DATA / "text.txt").read_text("utf-8").splitlines():
        state, mine = theirs.start(False), models[0].start()
        for word in line.split():
            state, expected = theirs.score(state, words.index(word))
            found, mine = models[0].advance(mine, word)
            assert found / math.log(10) == pytest.approx(expected, abs=1e-5)


def _states(model, words):
    state = model.start()
    for word in words:
        _, state = model.advance(state, word)
        yield state


@pytest.fixture
def load(tmp_path):
    """Loads a model from bytes."""

    def read(content):
        path = tmp_path / "lm.bin"
        path.write_bytes(content)
        return load_language_model(path)

    return read


def patched(place, kind, value):
    content = bytearray(BINARY)
    struct.pack_into(kind, content, place, value)
    return bytes(content)


@pytest.mark.parametrize(
    ("place", "kind", "value", "message"),
    [
        (FIXED + 8, "<I", 1, r"is of type rest probing \(-r\); only type probing"),
        (
            FIXED + 8,
            "<I",
            2,
            "is of type trie; only type probing is read, which 'build",
        ),
        (FIXED + 8, "<I", 3, r"is of type quantized trie \(-q\)"),
        (FIXED + 8, "<I", 5, r"is of type quantized trie \(-q, -a\)"),
        (FIXED + 8, "<I", 9, "is of type 9"),
        (FIXED + 12, "<B", 0, "make it without build_binary's option -v"),
        (
            49,
            "<c",
            b"4",
            "want 'format version 5' of KenLM, received 'format version 4'",
        ),
        (FIXED - 8, "<Q", 2, "was made on a machine with other numbers"),
        (FIXED + 16, "<I", 1, "damaged: order 4 of version 1"),
        (FIXED, "<B", 1, "damaged: order 1 of version 0; accepted are orders 2 to 20"),
        (FIXED, "<B", 200, "damaged: order 200"),
        (FIXED + 4, "<f", 0.5, "damaged: 0.5 buckets an n-gram"),
        (FIXED + 4, "<f", math.nan, "damaged: nan buckets an n-gram"),
        (COUNTS, "<Q", 2**63, "damaged: says it has"),
        (COUNTS, "<Q", 0, "damaged: 36 words"),
        (COUNTS + 16, "<Q", 10**9, "cut off: 7,668 bytes of at least"),
        (TABLES, "<I", 7, "damaged: 36 words of version 7"),
        (TABLES + 4, "<I", 0, "damaged: 0 words of version 0"),
        (TABLES + 4, "<I", 35, "damaged: does not end in its 35 words"),
        (len(BINARY) - 3, "<B", 255, "words are not UTF-8"),
    ],
)
def test_what_is_refused(load, place, kind, value, message):
    content = patched(place, kind, value)
    assert content != BINARY
    with pytest.raises(UserError, match=rf"lm\.bin: .*{message}"):
        load(content)


def test_it_is_refused_wherever_it_is_cut_off(load):
    for length in {*range(40, 400, 9), *range(400, len(BINARY), 499), len(BINARY) - 1}:
        with pytest.raises(UserError, match=r"lm\.bin:.*(cut off|damaged|want)"):
            load(BINARY[:length])


def test_numbers_are_finite(load):
    unigram = TABLES + 8 + 12 * 54
    assert BINARY[unigram : unigram + 4] == struct.pack("<f", -2.4026053)
    for place in (unigram, unigram + 4, unigram + 8 * 37 + 8):
        with pytest.raises(UserError, match="no finite number"):
            load(patched(place, "<f", math.nan))


def test_damage_that_is_read_neither_hangs_nor_leaves_its_bounds(load):
    rng = random.Random(0)
    line = ["the", "dog", "sees", "a", "zebra", "in", "the", "garden", "unseen"]
    for _ in range(300):
        content = bytearray(BINARY)
        for _ in range(rng.randrange(1, 200)):
            content[rng.randrange(FIXED, len(content))] = rng.randrange(256)
        try:
            found = load(bytes(content)).score(line)
        except UserError:
            continue
        assert not math.isnan(found)


def test_a_look_up_in_a_full_table_ends():
    entries = np.zeros(5, MIDDLE)
    entries["key"] = [5, 6, 7, 8, 9]
    assert ProbingTable(entries).find(4) is None
    assert ProbingTable(entries).find(9) == (9, 0, 0)
