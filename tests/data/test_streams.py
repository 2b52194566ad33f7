"""Texts as streams: every token once, in order, in windows that follow each other."""

import numpy as np
import pytest

from s2s_zoo.data.streams import StreamBatches, StreamPlan, Tokens
from s2s_zoo.data.texts import Text
from s2s_zoo.data.words import learn_words
from s2s_zoo.vocabulary import END, PAD, UNKNOWN

TEXTS = [Text(str(i), " ".join(f"w{j}" for j in range(i % 7))) for i in range(60)]
TOKENIZER = learn_words((text.text for text in TEXTS), most=100)


def test_ends_of_texts_are_tokens_blank_ones_too():
    """Unknown words are one each, also next to each other."""
    tokens = Tokens.of([*TEXTS[:3], Text("4", "x y w0")], TOKENIZER)
    w0, w1 = TOKENIZER.encode(["w0 w1"])[0]
    expected = [END, w0, END, w0, w1, END, UNKNOWN, UNKNOWN, w0, END]
    assert tokens.ids.tolist() == expected
    assert tokens.ends.tolist() == [1, 3, 6, 10]


@pytest.mark.parametrize("epoch", [0, 1])
@pytest.mark.parametrize(
    ("window", "varies", "budget"), [(5, False, 20), (9, True, 27), (500, False, 500)]
)
def test_each_token_is_a_target_once_and_follows_its_source(
    window, varies, budget, epoch
):
    batches = StreamBatches(TEXTS, TOKENIZER, window, varies)
    plan, ids = batches.plan(budget, shuffle=True), batches.tokens.ids
    order = plan.epoch(epoch)
    assert len(order) == len(plan)
    loaded = [batches.load(batch, epoch)[0] for batch in order]
    rows = [[], []]
    for inputs in loaded:
        for found, name in zip(rows, ("source", "target"), strict=True):
            pairs = zip(inputs[name], inputs["source_lengths"], strict=True)
            found.append([row[:count] for row, count in pairs])
    source, target = (
        np.concatenate([np.concatenate(row) for row in zip(*found, strict=True)])
        for found in rows
    )
    assert target.tolist() == ids.tolist()
    assert source.tolist() == [END, *ids[:-1].tolist()]
    for inputs, batch in zip(loaded, order, strict=True):
        assert batch.bucket in plan.buckets
        real = np.arange(batch.bucket.size) < inputs["source_lengths"][:, None]
        assert (inputs["source"][~real] == PAD).all()
        assert (inputs["target"][~real] == PAD).all()


def test_streams_begin_in_the_first_window_alone():
    batches = StreamBatches(TEXTS, TOKENIZER, 5)
    order = batches.plan(20, shuffle=True).epoch(0)
    fresh = [batches.load(batch, 0)[0]["fresh"] for batch in order]
    assert fresh[0].all()
    assert not np.any(fresh[1:])
    each = StreamBatches(TEXTS, TOKENIZER, 5, carried=False)
    assert all(each.load(batch, 0)[0]["fresh"].all() for batch in order)


def test_some_rows_of_training_start_anew():
    batches = StreamBatches(TEXTS * 40, TOKENIZER, 5, restart=0.25, seed=1)
    order = batches.plan(100, shuffle=True).epoch(0)[1:]

    def drawn(epoch):
        return np.array([batches.load(batch, epoch)[0]["fresh"] for batch in order])

    assert drawn(0).mean() == pytest.approx(0.25, abs=4 * (0.19 / drawn(0).size) ** 0.5)
    assert (drawn(0) == drawn(0)).all()
    assert (drawn(0) != drawn(1)).any()
    assert not drawn(None).any()


def test_windows_vary_as_the_paper_says():
    """Of 70: a normal with deviation 5, one in twenty around 35."""
    plan = StreamPlan(40 * 68 * 2000, streams=40, window=70, varies=True, seed=3)
    sizes = np.diff(plan.cuts(0))
    long = sizes[sizes > 52]
    assert np.mean(sizes <= 52) == pytest.approx(0.05, abs=0.015)
    assert long.mean() == pytest.approx(70, abs=1)
    assert long.std() == pytest.approx(5, abs=0.4)
    assert sizes.max() <= 82
    assert sizes[sizes <= 52].mean() == pytest.approx(35, abs=2)


def test_windows_follow_from_seed_and_epoch():
    def cuts(seed, epoch):
        plan = StreamPlan(9000, streams=4, window=30, varies=True, seed=seed)
        return plan.cuts(epoch).tolist()

    assert cuts(1, 2) == cuts(1, 2)
    assert len({str(cuts(*key)) for key in ((1, 2), (1, 3), (2, 2))}) == 3
    assert len(cuts(1, 2)) == len(cuts(2, 5))


def test_rows_count_for_their_tokens_or_where_windows_vary_for_as_many_each():
    fixed = StreamBatches(TEXTS, TOKENIZER, 16)
    last = fixed.plan(64, shuffle=True).epoch(0)[-1]
    inputs, target = fixed.load(last, 0)
    assert target["weights"].tolist() == inputs["source_lengths"].tolist()
    varied = StreamBatches(TEXTS, TOKENIZER, 16, varies=True)
    first = varied.plan(64, shuffle=True).epoch(0)[0]
    assert varied.load(first, 0)[1]["weights"].tolist() == [16.0] * 4


@pytest.mark.parametrize("varies", [True, False])
@pytest.mark.parametrize("tokens", [1, 3, 50, 800])
def test_a_text_may_be_as_short_as_it_likes(tokens, varies):
    plan = StreamPlan(tokens, streams=8, window=70, varies=varies)
    assert plan.cuts(0)[-1] == plan.length
    assert all(batch.bucket.size >= np.ptp(batch.indices) for batch in plan.epoch(0))
