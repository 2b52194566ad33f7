"""Batches of pairs: what is in them, their shapes, and what random cuts do to them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.plan import Batch, Bucket
from s2s_zoo.data.text import TextBatches, usable_pairs
from s2s_zoo.data.token_store import token_store
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.vocabulary import END, PAD

LETTERS = "abcdefghij"


@pytest.fixture(scope="module")
def words() -> Tokenizer:
    return Tokenizer.train([" ".join(LETTERS)], 14, "word")


@pytest.fixture(scope="module")
def pieces() -> Tokenizer:
    rng = np.random.default_rng(0)
    stems = ["".join(rng.choice([*LETTERS], 5)) for _ in range(30)]
    return Tokenizer.train(
        [" ".join(rng.choice(stems, 8)) for _ in range(200)], 80, "bpe"
    )


def make(lengths: list[tuple[int, int]]) -> list[Pair]:
    rng = np.random.default_rng(1)
    return [
        Pair(
            f"p:{i}",
            " ".join(rng.choice([*LETTERS], n)),
            " ".join(rng.choice([*LETTERS], m)),
        )
        for i, (n, m) in enumerate(lengths)
    ]


def test_a_batch(words: Tokenizer):
    pairs = [Pair("x:1", "a b c", "c b"), Pair("x:2", "d", "e f a b")]
    batches = TextBatches(pairs, words, words)
    inputs, target = batches.load(Batch((1, 0), Bucket(6, 5, 3)))
    ids = {letter: words.encode([letter])[0][0] for letter in LETTERS}
    source = [[ids["d"], END], [ids["a"], ids["b"], ids["c"], END], []]
    wanted = [[*(ids[x] for x in "efab"), END], [ids["c"], ids["b"], END], []]
    assert inputs["source"].tolist() == [row + [PAD] * (6 - len(row)) for row in source]
    assert inputs["source_lengths"].tolist() == [2, 4, 0]
    assert target["target"].tolist() == [row + [PAD] * (5 - len(row)) for row in wanted]
    assert target["target_lengths"].tolist() == [5, 3, 0]
    assert inputs["target"] is target["target"]
    assert {array.dtype for array in [*inputs.values(), *target.values()]} == {
        np.dtype(np.int32)
    }
    assert batches.names(Batch((1, 0), Bucket(6, 5, 3))) == ["x:2", "x:1"]
    assert batches.units(inputs) == 6.0
    assert batches.unreadable == {}


LENGTHS = st.lists(
    st.tuples(st.integers(0, 30), st.integers(0, 30)), min_size=1, max_size=40
)


@settings(max_examples=40, deadline=None)
@given(LENGTHS, st.integers(1, 200), st.integers(1, 5), st.booleans())
def test_plans_keep_the_budget_and_hold_every_pair(
    words: Tokenizer, lengths, budget, buckets, shuffle
):
    batches = TextBatches(make(lengths), words, words, buckets=buckets)
    plan = batches.plan(budget, shuffle)
    seen = []
    for batch in plan.epoch(2):
        rows, size = batch.bucket.rows, batch.bucket.size
        assert rows * size <= budget or rows == 1
        inputs, target = batches.load(batch, epoch=2)
        assert inputs["source"].shape == (rows, size)
        assert target["target"].shape == (rows, batch.bucket.target_size)
        assert batch.bucket.target_size <= size
        for row, i in enumerate(batch.indices):
            assert inputs["source_lengths"][row] == lengths[i][0] + 1
            assert target["target_lengths"][row] == lengths[i][1] + 1
        seen += batch.indices
    assert sorted(seen) == list(range(len(lengths)))
    assert len({batch.bucket for batch in plan.epoch(0)}) <= buckets


def test_sources_are_cut_and_counted(words: Tokenizer):
    pairs = make([(3, 2), (7, 2), (8, 2), (30, 4)])
    batches = TextBatches(pairs, words, words, cut=8)
    assert batches.cut_count == 2
    plan = batches.plan(100, shuffle=False)
    assert max(bucket.size for bucket in plan.buckets) == 8
    (batch,) = (b for b in plan.epoch(0) if 3 in b.indices)
    inputs, _ = batches.load(batch)
    row = inputs["source"][batch.indices.index(3)]
    expected = words.encode([pairs[3].source])[0][:7].tolist()
    assert row.tolist() == [*expected, END]
    assert TextBatches(pairs, words, words).cut_count == 0


def test_an_overlong_source_stays_bounded(pieces: Tokenizer):
    """Fault 17: 100,000 tokens are cut, or set aside; an empty side too."""
    pairs = [
        Pair("x:1", "a " * 100_000, "b"),
        Pair("x:2", "a", "b"),
        Pair("x:3", " ", "b"),
        Pair("x:4", "a", "b c d " * 9),
    ]
    tokens = token_store(pairs, pieces, pieces)
    rows, dropped = usable_pairs(tokens, 20)
    assert rows.tolist() == [1]
    assert {reason: found.tolist() for reason, found in dropped.items()} == {
        "with an empty side": [2],
        "longer than 20 tokens": [0, 3],
    }
    rows, dropped = usable_pairs(tokens, 20, cut=True)
    assert rows.tolist() == [0, 1]
    batches = TextBatches(pairs[:2], pieces, pieces, cut=20, dropout=0.2)
    for batch in batches.plan(100, shuffle=False).epoch(0):
        inputs, _ = batches.load(batch, epoch=0)
        assert inputs["source"].shape[1] <= 20


def test_limits_count_the_end(words: Tokenizer):
    tokens = token_store(make([(4, 1), (5, 1), (1, 4), (1, 5)]), words, words)
    assert usable_pairs(tokens, 5)[0].tolist() == [0, 2]


@pytest.mark.parametrize("dropout", [0.1, 0.8])
def test_random_cuts_fit_and_say_the_same(pieces: Tokenizer, dropout: float):
    rng = np.random.default_rng(2)
    stems = [p[1:] for p in pieces.pieces[4:] if len(p) > 3]
    texts = [" ".join(rng.choice(stems, rng.integers(1, 9))) for _ in range(120)]
    pairs = [
        Pair(str(i), a, b)
        for i, (a, b) in enumerate(zip(texts, texts[::-1], strict=True))
    ]
    batches = TextBatches(pairs, pieces, pieces, dropout=dropout)
    plan = batches.plan(200, shuffle=True)
    loaded: dict[int, list[tuple]] = {}
    for epoch in (0, 0, 1):
        for batch in plan.epoch(epoch):
            inputs, target = batches.load(batch, epoch=epoch)
            for row, i in enumerate(batch.indices):
                source = inputs["source"][row, : inputs["source_lengths"][row]]
                wanted = target["target"][row, : target["target_lengths"][row]]
                assert source[-1] == wanted[-1] == END
                assert pieces.decode(source) == pairs[i].source
                assert pieces.decode(wanted) == pairs[i].target
                loaded.setdefault(i, []).append((tuple(source), tuple(wanted)))
    assert all(first == again for first, again, _ in loaded.values())
    changed = sum(first != later for first, _, later in loaded.values())
    assert changed > 60
    plain = [batches.load(batch)[0]["source"].sum() for batch in plan.epoch(0)]
    without = TextBatches(pairs, pieces, pieces)
    assert plain == [without.load(batch)[0]["source"].sum() for batch in plan.epoch(0)]


def test_random_cuts_do_not_depend_on_the_batch(pieces: Tokenizer):
    pairs = make([(9, 9)] * 8)
    batches = TextBatches(pairs, pieces, pieces, dropout=0.5)
    together, _ = batches.load(Batch((0, 1, 2), Bucket(60, 60, 3)), epoch=4)
    alone, _ = batches.load(Batch((2,), Bucket(60, 60, 1)), epoch=4)
    assert (together["source"][2] == alone["source"][0]).all()
    other_seed = TextBatches(pairs, pieces, pieces, dropout=0.5, seed=1)
    other, _ = other_seed.load(Batch((0, 1, 2), Bucket(60, 60, 3)), epoch=4)
    assert (other["source"] != together["source"]).any()
