"""The graph cuts text as SentencePiece itself does."""

import functools
import gzip
import io
import itertools
import random

import keras
import numpy as np
import pytest
import sentencepiece
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError

if keras.backend.backend() != "tensorflow":
    pytest.skip("TensorFlow writes the graph", allow_module_level=True)

import tensorflow as tf
from sentencepiece.sentencepiece_model_pb2 import ModelProto

from s2s_zoo.export.savedmodel import as_saved_model
from s2s_zoo.export.text_graph.tokenizer import GraphTokenizer
from s2s_zoo.tasks.serving import Reader, Serving

ANIMALS = ["cat", "dog", "horse", "mouse", "sparrow", "salmon", "badger"]
LINES = [
    f"the {a} sees a {b} and {i} other {a}s near the old river"
    for i in range(9)
    for a in ANIMALS
    for b in ANIMALS
]
NASTY = [
    *("", " ", "   ", " a  b ", "\t x\ny\r\n", "\u00a0a\u00a0\u00a0b\u00a0", "\u3000"),
    *("ｆｕｌｌ　ｗｉｄｔｈ　ｃａｔ", "ﬁsh ﬂy", "½ ① ²", "¨ ¨", "a¨ b", "İıſ"),
    *("e\u0301 a\u0300\u0323", "\u0301", "\u1112\u1161\u11ab 한", "각", "ｶﾞ"),
    *("a\u200bb", "\u200b \u200b a", "a\u00adb", "\ufeffthe", "\u202ethe"),
    *("ﷺ", "the ﷺ cat ﷻ", "犬が川を見る", "the 犬犬 犬 cat", "🐟👨‍👩‍👧🇩🇪", "the🐟cat"),
    *("▁", "▁▁", "the▁cat▁", "▁ the", "the▁ cat", "a▁▁b"),
    *("<unk>", "the <unk> cat", "<s></s><pad>", "<0x41>"),
    *("\x00", "a\x00b", "\x01", " \x01 ", "\x01 the", "the \x01 cat", "\x7f\x85"),
    *("\ufffd", "the \ufffd\ufffd cat", "\uffff\U0010ffff", "\ue000"),
    *("q" * 50, "x y z"),
]
UNTIDY = [
    *(b"\xff", b"the \xffcat", b"\xc3", b"\xc3 \xe2\x96", b"\xe2\x96\x81"),
    *(b"\xed\xa0\x80a", b"\xf4\x90\x80\x80", b"\xc0\x80", b"\xe0\x80\x80"),
    b"caf\xc3\xa9\xf0\x9f\x90\x9f\x80",
]
BOUNDS = bytes.fromhex("00 20 61 7f 80 8f 90 9f a0 bf c0 c1 c2 df e0 e1 ec ed ee ef")
BOUNDS += bytes.fromhex("f0 f1 f3 f4 f5 ff")
"""The first and last of each range that bytes of UTF-8 are in (Unicode, table 3-7)."""
KINDS = {
    "unigram": (44, False),
    "unigram, bytes": (296, True),
    "bpe": (60, False),
    "bpe, bytes": (300, True),
    "word": (20, False),
    "char": (26, False),
}
SPECIAL = {"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3}
QUIET = {"num_threads": 1, "minloglevel": 2}
ALPHABET = "ab the▁\u3000\u200b\u0301ﬁ犬ж<>\x00"
ANY_TEXT = st.text(max_size=30) | st.text(st.sampled_from(ALPHABET), max_size=40)


@functools.cache
def in_graph(model):
    spec = [tf.TensorSpec([None], tf.string)]
    return tf.function(GraphTokenizer(model), spec, autograph=False)


@functools.cache
def by_sentencepiece(model):
    return sentencepiece.SentencePieceProcessor(model_proto=model)


def check(model, texts):
    """All texts in one batch."""
    ids, lengths = (x.numpy() for x in in_graph(model)(tf.constant(texts, tf.string)))
    expected = by_sentencepiece(model).encode(texts)
    found = [row[:size].tolist() for row, size in zip(ids, lengths, strict=True)]
    assert dict(zip(texts, found, strict=True)) == dict(
        zip(texts, expected, strict=True)
    )
    assert (ids.dtype, lengths.dtype) == (np.int32, np.int32)
    assert ids.shape == (len(texts), max(map(len, expected), default=0))
    assert not ids[np.arange(ids.shape[1]) >= lengths[:, None]].any()


def learned(lines=LINES, **options):
    """A model of SentencePiece's own trainer, with the special ids of this package."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=model,
        hard_vocab_limit=False,
        **SPECIAL,
        **QUIET,
        **options,
    )
    return model.getvalue()


def changed(model, change):
    """The model with `change` called on each piece that stands for text."""
    proto = ModelProto.FromString(model)
    for piece in proto.pieces:
        if piece.type == piece.NORMAL:
            change(piece)
    return proto.SerializeToString()


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    size, bytes_too = KINDS[request.param]
    kind = request.param.split(",")[0]
    return Tokenizer.train(LINES, size, kind, byte_fallback=bytes_too).model


def test_lines_like_those_learned_from(model):
    check(model, [*LINES[:60], "thethe cat badgers", "ratcat 99"])


def test_what_is_hard(model):
    check(model, NASTY)
    for text in NASTY:
        check(model, [text])


def test_what_is_no_utf8(model):
    check(model, UNTIDY)


def test_bytes_in_any_order(model):
    leads = bytes(byte for byte in BOUNDS if byte >= 0xE0)
    tails = bytes(byte for byte in BOUNDS if 0x80 <= byte < 0xC0)
    check(model, [bytes(pair) for pair in itertools.product(BOUNDS, repeat=2)])
    check(model, [bytes(x) for x in itertools.product(leads, tails, b"\x61\x80\xbf")])
    found = itertools.product(leads[-6:], tails, b"\x80\xbf", b"\x20\x80\xc2")
    check(model, [bytes(x) for x in found])


def test_characters_that_are_cut(model):
    """Anywhere, at the end of a text and at its start."""
    whole = [text.encode() for text in NASTY]
    places = [(text, n) for text in whole for n in range(min(len(text), 24))]
    parts = {text[:n] for text, n in places} | {text[n:] for text, n in places}
    check(model, sorted(parts))
    check(model, sorted({part + b" the cat" for part in parts}))


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["the cat", "", "a"]])
def test_small_batches(model, texts):
    check(model, texts)


@settings(max_examples=40, deadline=None)
@given(texts=st.lists(ANY_TEXT, max_size=5))
def test_any_text(model, texts):
    check(model, texts)


@settings(max_examples=20, deadline=None)
@given(texts=st.lists(st.binary(max_size=12), max_size=5))
def test_any_bytes(model, texts):
    check(model, texts)


@pytest.fixture(scope="module")
def real_lines(data_dir):
    """English, German, French and Czech."""
    lines = []
    for language in ("en", "de", "fr", "cs"):
        path = data_dir / f"mt_multi30k/val.{language}.gz"
        lines += gzip.decompress(path.read_bytes()).decode().splitlines()[:150]
    return lines


@pytest.mark.parametrize("kind", KINDS)
def test_real_lines(kind, real_lines):
    """Of two languages and a half, and of others the tokenizer has not seen."""
    options = {
        "model_type": kind.split(",")[0],
        "vocab_size": {"char": 80}.get(kind, 1500),
        "byte_fallback": "," in kind,
        "character_coverage": 0.999,
    }
    check(learned(real_lines[:400], **options), real_lines)


@pytest.mark.parametrize(
    "options",
    [
        {"normalization_rule_name": "identity"},
        {"normalization_rule_name": "nfkc_cf", "remove_extra_whitespaces": False},
        {"add_dummy_prefix": False},
        {"add_dummy_prefix": False, "remove_extra_whitespaces": False},
    ],
    ids=str,
)
def test_ways_to_normalize(options):
    check(learned(model_type="char", vocab_size=60, **options), NASTY)


def test_spaces_as_they_are():
    proto = ModelProto.FromString(learned(model_type="char", vocab_size=60))
    proto.normalizer_spec.escape_whitespaces = False
    check(proto.SerializeToString(), NASTY)


def test_rules_of_ones_own(tmp_path):
    """Spaces that rules bring along, long ones over short ones, one for nothing."""
    rules = {"c a": "dog", "c": "  ", "ca": " x  y ", "ab": "", "d": "e ", "ж": "▁"}
    lines = (
        f"{' '.join(f'{ord(c):X}' for c in k)}\t{' '.join(f'{ord(c):X}' for c in v)}\n"
        for k, v in rules.items()
    )
    (tmp_path / "rules.tsv").write_text("".join(lines))
    for tidy in (True, False):
        model = learned(
            model_type="char",
            vocab_size=60,
            normalization_rule_tsv=str(tmp_path / "rules.tsv"),
            remove_extra_whitespaces=tidy,
        )
        draw = random.Random(1)
        texts = ["".join(draw.choices("abcdж ", k=9)) for _ in range(200)]
        check(model, texts)


@pytest.mark.parametrize("kind", ["unigram", "bpe", "word", "char"])
def test_user_defined_pieces(kind):
    pieces = ["<sep>", "ab", "aba", "the", "▁s", "  x", "ﬁ", "é x", " c", "ca t"]
    model = learned(model_type=kind, vocab_size=60, user_defined_symbols=pieces)
    assert set(pieces) < set(Tokenizer.from_bytes(model).pieces)
    parts = [*pieces, *"abxts ", "the cat", "▁", "e\u0301", "犬", "salmon", "\u3000"]
    draw = random.Random(1)
    texts = ["".join(draw.choices(parts, k=draw.randrange(12))) for _ in range(200)]
    check(model, [*texts, *NASTY])


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_equal_scores(kind):
    """Small whole numbers as scores, so that most sums are equal."""
    draw = random.Random(2)

    def draw_score(piece):
        piece.score = draw.choice([-2.0, -1.0, 0.0])

    model = changed(learned(model_type=kind, vocab_size=60), draw_score)
    texts = ["".join(draw.choices("these ando", k=25)) for _ in range(300)]
    check(model, [*texts, *LINES[:50]])


@pytest.mark.parametrize("kind", ["unigram", "bpe"])
def test_pieces_across_spaces(kind):
    model = learned(model_type=kind, vocab_size=90, split_by_whitespace=False)
    assert any("▁" in p[1:] for p in Tokenizer.from_bytes(model).pieces)
    check(model, [*LINES[:60], *NASTY])


def test_characters_that_are_only_parts_of_pieces():
    """Merges go through them, yet alone they are unknown."""

    def rename(piece):
        if piece.piece in "tho":
            piece.piece += "@"

    check(changed(learned(model_type="bpe", vocab_size=60), rename), LINES[:60])


def test_sums_too_large_for_float32():
    """SentencePiece counts anew, or rounding would decide between close scores."""
    draw = random.Random(3)

    def draw_score(piece):
        piece.score = -len(piece.piece) - draw.random() / 100

    model = changed(learned(model_type="unigram", vocab_size=60), draw_score)
    check(model, ["ж" * 8000 + " ".join(LINES[:60])])


@pytest.mark.parametrize("kind", ["unigram", "char"])
def test_unused_pieces(kind):
    def leave_out(piece):
        if "e" in piece.piece:
            piece.type = piece.UNUSED

    model = changed(learned(model_type=kind, vocab_size=60), leave_out)
    check(model, LINES[:60])


def test_what_no_graph_does_is_refused():
    def leave_out(piece):
        piece.type = piece.UNUSED

    model = learned(model_type="bpe", vocab_size=60)
    with pytest.raises(UserError, match=r"unused pieces .* '\w+'"):
        GraphTokenizer(changed(model, leave_out))
    model = learned(model_type="bpe", vocab_size=60, treat_whitespace_as_suffix=True)
    with pytest.raises(UserError, match="puts spaces after words"):
        GraphTokenizer(model)


def test_what_no_graph_does_is_exported_by_ids():
    models = [
        learned(model_type="bpe", vocab_size=60, treat_whitespace_as_suffix=after)
        for after in (False, True)
    ]
    able, unable = (
        Serving(None, {}, {}, (), [], dict, {}, reader=Reader(model))
        for model in models
    )
    assert as_saved_model(able) == able
    found = as_saved_model(unable)
    assert found.reader is None
    assert "puts spaces after words" in found.description["takes"]


def test_is_saved_with_its_tables(tmp_path):
    tokenizer = Tokenizer.train(LINES, 60, "bpe")
    module = tf.Module()
    module.tokenizer = GraphTokenizer(tokenizer.model)
    spec = [tf.TensorSpec([None], tf.string)]
    module.encode = tf.function(module.tokenizer, spec, autograph=False)
    tf.saved_model.save(module, str(tmp_path))
    del module
    ids, lengths = tf.saved_model.load(str(tmp_path)).encode(tf.constant(LINES[:9]))
    found = [
        row[:size].tolist() for row, size in zip(ids.numpy(), lengths, strict=True)
    ]
    assert found == [row.tolist() for row in tokenizer.encode(LINES[:9])]
