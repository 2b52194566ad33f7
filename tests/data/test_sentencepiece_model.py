"""What is read of a SentencePiece model is what SentencePiece reads."""

import numpy as np
import pytest
import sentencepiece

from s2s_zoo.data.sentencepiece_model import read_sentencepiece_model
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError

LINES = ["the badger sees a cat", "a salmon near the river sees no horse"] * 20


@pytest.mark.parametrize(
    ("kind", "size", "bytes_too"),
    [("unigram", 24, False), ("bpe", 300, True), ("word", 12, False)],
)
def test_pieces(kind: str, size: int, bytes_too: bool):
    model = Tokenizer.train(LINES, size, kind, byte_fallback=bytes_too).model
    found = read_sentencepiece_model(model)
    processor = sentencepiece.SentencePieceProcessor(model_proto=model)
    ids = range(processor.get_piece_size())
    special = [i for i in ids if processor.is_control(i) or processor.is_unknown(i)]
    assert found.kind == kind
    assert found.byte_ids == tuple(i for i in ids if processor.is_byte(i))
    assert len(found.byte_ids) == (256 if bytes_too else 0)
    assert found.user_defined == {}
    assert found.ids == {
        processor.id_to_piece(i): i
        for i in ids
        if i not in special and not processor.is_byte(i)
    }
    assert found.scores.tolist() == [processor.get_score(i) for i in ids]
    assert found.scores.dtype == np.float32


def test_normalization():
    """The word kind leaves characters as they are, the others bring rules along."""
    rules = read_sentencepiece_model(Tokenizer.train(LINES, 30, "bpe").model)
    rules = rules.normalization
    assert rules.dummy_prefix
    assert rules.collapse_spaces
    assert rules.escape_spaces
    assert len(rules.units) % 256 == 0
    replacements = rules.replacements.decode().split("\0")
    assert "fi" in replacements
    assert "ﬁ" not in replacements
    words = read_sentencepiece_model(Tokenizer.train(LINES, 12, "word").model)
    assert len(words.normalization.units) == 0
    assert words.normalization.replacements == b""


MODEL = Tokenizer.train(LINES, 24, "unigram").model


@pytest.mark.parametrize(
    "damaged",
    [
        MODEL[:-1],
        MODEL + b"\xff",
        MODEL + b"\xff" * 20,
        MODEL + b"\x08\x01",
        MODEL + b"\x0a\x04\x0a\x02\xff\xfe",
        MODEL + b"\x0a\x02\x08\x01",
        MODEL + b"\x0a\x04\x12\x02ab",
        MODEL + b"\x12\x02\x18\x00",
        MODEL + b"\x12\x02\x18\x05",
        MODEL + b"\x12\x03\x1a\x01a",
        MODEL + b"\x1a\x02\x10\x01",
        MODEL + b"\x1a\x09\x12\x07\x03\x00\x00\x00abc",
    ],
)
def test_damaged_models_are_refused(damaged: bytes):
    with pytest.raises(ValueError, match=r"\S"):
        read_sentencepiece_model(damaged)
    with pytest.raises(UserError, match="spm: not a SentencePiece model"):
        Tokenizer.from_bytes(damaged, "spm")
