"""Tokenizers: exact round trips, determinism, refusals that say what is possible."""

import io
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sentencepiece

from s2s_zoo.data import tokenizer as tokenizer_module
from s2s_zoo.data.tokenizer import Tokenizer, read_tokenizer
from s2s_zoo.errors import UserError
from s2s_zoo.vocabulary import SPECIAL_PIECES

ANIMALS = ["cat", "dog", "horse", "mouse", "sparrow", "salmon", "badger"]
LINES = [
    f"the {a} sees a {b} and {i % 7} other {a}s near the old river"
    for i in range(30)
    for a in ANIMALS
    for b in ANIMALS
]


@pytest.fixture(scope="module", params=["unigram", "bpe"])
def tokenizer(request: pytest.FixtureRequest) -> Tokenizer:
    return Tokenizer.train(LINES, 40, request.param)


def test_special_ids_and_pieces(tokenizer: Tokenizer):
    assert tokenizer.size == 40
    assert len(set(tokenizer.pieces)) == 40
    assert tokenizer.pieces[:4] == SPECIAL_PIECES
    assert tokenizer.decode([2, *tokenizer.encode(["a cat"])[0], 1, 0, 0]) == "a cat"


def test_round_trip(tokenizer: Tokenizer):
    texts = [*LINES[:50], "", "the  salmon "]
    found = tokenizer.encode(texts)
    assert all(ids.dtype == np.int32 for ids in found)
    assert [tokenizer.decode(ids) for ids in found[:-1]] == texts[:-1]
    assert tokenizer.decode(found[-1]) == "the salmon"
    assert "".join(tokenizer.encode_pieces("a dog")) == "▁a▁dog"


def test_equal_to_sentencepiece_itself(tokenizer: Tokenizer):
    processor = sentencepiece.SentencePieceProcessor(model_proto=tokenizer.model)
    expected = processor.encode(LINES[:20], out_type=int)
    assert [ids.tolist() for ids in tokenizer.encode(LINES[:20])] == expected


def test_training_is_deterministic_and_silent(capfd: pytest.CaptureFixture[str]):
    for kind in ("unigram", "bpe", "char"):
        size = 26 if kind == "char" else 40
        first, second = (Tokenizer.train(LINES, size, kind) for _ in range(2))
        assert first == second
        assert first.kind == kind
        assert hash(first) == hash(second)
        assert pickle.loads(pickle.dumps(first)) == first
    assert capfd.readouterr() == ("", "")


def test_words_are_cut_at_spaces_only():
    lines = ["ａ-b c.d ﬁ"] * 3
    tokenizer = Tokenizer.train(lines, 7, "word")
    assert sorted(tokenizer.pieces[4:]) == ["▁c.d", "▁ﬁ", "▁ａ-b"]
    assert tokenizer.decode(tokenizer.encode(lines)[0]) == lines[0]
    assert tokenizer.encode(["c.d new"])[0][1] == 3


def test_byte_fallback_leaves_nothing_unknown():
    tokenizer = Tokenizer.train(LINES, 320, "bpe", byte_fallback=True)
    text = "a 犬 near the river 🐟"
    assert tokenizer.decode(tokenizer.encode([text])[0]) == text
    without = Tokenizer.train(LINES, 60, "bpe")
    assert 3 in without.encode([text])[0]


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word", "char"])
def test_a_vocabulary_too_large_names_the_largest(kind: str):
    """Fault 18: the size that is named works, one more does not."""
    message = r"task\.vocabulary = 5000 is too large .* largest possible is (\d+)$"
    with pytest.raises(UserError, match=message) as caught:
        Tokenizer.train(LINES, 5000, kind)
    largest = int(str(caught.value).split()[-1])
    assert Tokenizer.train(LINES, largest, kind).size == largest
    with pytest.raises(UserError, match=f"task.target = {largest + 1} is too large"):
        Tokenizer.train(LINES, largest + 1, kind, setting="task.target")


def test_a_vocabulary_too_small_names_the_smallest():
    with pytest.raises(UserError, match=r"too small .* alone need (\d+)$") as caught:
        Tokenizer.train(LINES, 8, "bpe")
    smallest = int(str(caught.value).split()[-1])
    assert Tokenizer.train(LINES, smallest, "bpe").size == smallest


@pytest.mark.parametrize("lines", [[], ["", "  "]])
def test_no_text(lines: list[str]):
    with pytest.raises(UserError, match="there is no text"):
        Tokenizer.train(lines, 100)


def test_other_kinds_are_refused():
    with pytest.raises(UserError, match="one of unigram, bpe, word, char"):
        Tokenizer.train(LINES, 100, "wordpiece")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="kind='word'"):
        Tokenizer.train(LINES, 300, "word", byte_fallback=True)


def test_documents_are_learned_from_in_pieces():
    """SentencePiece itself leaves out lines of more than 4192 bytes."""
    document = " ".join(["zebra"] * 3000) + " " + "q" * 10_000
    tokenizer = Tokenizer.train([document, *LINES[:100]], 40, "bpe")
    assert 3 not in tokenizer.encode(["zebra q"])[0]


def test_a_huge_corpus_is_drawn_from(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(tokenizer_module, "MAX_SENTENCES", 500)
    numbers = (str(n) for n in range(100_000))
    drawn = tokenizer_module._draw(numbers, seed=3)
    assert len(drawn) == len(set(drawn)) == 500
    share = np.mean([int(n) for n in drawn]) / 100_000
    assert abs(share - 0.5) < 4 * (1 / 12 / 500) ** 0.5
    again = tokenizer_module._draw((str(n) for n in range(100_000)), seed=3)
    assert again == drawn
    assert tokenizer_module._draw(map(str, range(100_000)), seed=4) != drawn


def as_lists(found: list[np.ndarray]) -> list[list[int]]:
    return [ids.tolist() for ids in found]


SEEDS = [f"seed {i}" for i in range(len(LINES))]


def test_random_cuts_follow_from_their_seeds_alone(tokenizer: Tokenizer):
    texts = LINES[:40]
    expected = as_lists(tokenizer.encode_randomly(texts, 0.3, SEEDS[:40]))
    assert expected != as_lists(tokenizer.encode(texts))
    assert [tokenizer.decode(ids) for ids in expected] == texts
    backwards = tokenizer.encode_randomly(texts[::-1], 0.3, SEEDS[39::-1])
    assert as_lists(backwards)[::-1] == expected
    other = tokenizer.encode_randomly(texts, 0.3, SEEDS[1:41])
    assert as_lists(other) != expected


def test_random_cuts_are_the_same_in_another_process(
    tokenizer: Tokenizer, tmp_path: Path
):
    (tmp_path / "m.model").write_bytes(tokenizer.model)
    code = (
        "from s2s_zoo.data.tokenizer import read_tokenizer as r;"
        f"t = r({str(tmp_path / 'm.model')!r});"
        f"found = t.encode_randomly({LINES[:5]!r}, 0.4, {SEEDS[:5]!r});"
        "print([i.tolist() for i in found])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    expected = as_lists(tokenizer.encode_randomly(LINES[:5], 0.4, SEEDS[:5]))
    assert done.stdout.strip() == str(expected)
    assert done.stderr == ""


def test_more_dropout_gives_more_tokens(tokenizer: Tokenizer):
    cuts = [
        tokenizer.encode(LINES),
        *(tokenizer.encode_randomly(LINES, rate, SEEDS) for rate in (0.2, 0.5, 0.9)),
    ]
    counts = [sum(map(len, cut)) for cut in cuts]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1]


def test_without_dropout_cuts_are_those_of_sentencepiece():
    texts = [*LINES[:60], "", "qq the é ée x", "  two  spaces "]
    for bytes_too, size in ((False, 40), (True, 300)):
        tokenizer = Tokenizer.train(LINES, size, "bpe", byte_fallback=bytes_too)
        found = tokenizer.encode_randomly(texts, 0.0, texts)
        assert as_lists(found) == as_lists(tokenizer.encode(texts))
    unigram = Tokenizer.train(LINES, 40, "unigram")
    found = unigram.encode_randomly(texts, -200.0, texts)  # a high power: the best
    assert as_lists(found) == as_lists(unigram.encode(texts))


def test_words_and_characters_have_one_cut():
    tokenizer = Tokenizer.train(LINES, 20, "word")
    random = tokenizer.encode_randomly(LINES[:9], 0.5, SEEDS[:9])
    assert as_lists(random) == as_lists(tokenizer.encode(LINES[:9]))


def test_surrogates_are_named(tokenizer: Tokenizer):
    with pytest.raises(UserError, match=r"lone surrogate.*character 2 of 'a "):
        tokenizer.encode(["fine", "a \ud800"])


@pytest.mark.parametrize("model", [b"", b"<html>", b"\x00\xff" * 50])
def test_what_is_no_model_is_refused(model: bytes, capfd: pytest.CaptureFixture[str]):
    with pytest.raises(UserError, match="spm: not a SentencePiece model"):
        Tokenizer.from_bytes(model, "spm")
    assert capfd.readouterr().err == ""


def test_models_from_elsewhere(tmp_path: Path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(LINES), model_writer=model, vocab_size=40, minloglevel=2
    )
    path = tmp_path / "old.model"
    path.write_bytes(model.getvalue())
    with pytest.raises(UserError, match=r"old\.model: other special ids \(padding -1"):
        read_tokenizer(path)
    with pytest.raises(UserError, match=r"none\.model: cannot be read: No such file"):
        read_tokenizer(tmp_path / "none.model")


def test_from_bytes(tokenizer: Tokenizer):
    assert Tokenizer.from_bytes(tokenizer.model) == tokenizer
    assert Tokenizer.from_bytes(tokenizer.model).kind == tokenizer.kind
