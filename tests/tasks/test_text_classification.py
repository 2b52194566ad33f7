"""Texts to ids and labels: tokenizers, cuts, batches, what is saved."""

import numpy as np
import pytest

from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.text_codec import KerasHubCodec, PieceCodec
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError
from s2s_zoo.hub import tokenizer_assets
from s2s_zoo.tasks import TextClassification
from s2s_zoo.vocabulary import END, UNKNOWN

TEXTS = (
    ("good", "a fine film"),
    ("bad", "a dull film"),
    ("bad", "dull"),
    ("good", "a fine fine film of films"),
)
EXAMPLES = [Labelled(str(i), text, label) for i, (label, text) in enumerate(TEXTS)]
WORDS = TextClassification(tokenizer="word", vocabulary=8, max_tokens=5)


def ids(task, text):
    return task.fitted.encode([text], task.max_tokens)[0].tolist()


def test_words_end_with_the_end_and_the_rare_are_unknown():
    task = WORDS.fit(EXAMPLES)
    # "a", "film" and "fine" three times each, "dull" twice: 4 words beside 4 of ours
    assert [task.fitted.tokenizer.pieces[i] for i in range(4, 8)] == [
        "▁a",
        "▁film",
        "▁fine",
        "▁dull",
    ]
    assert ids(task, "a film of a") == [4, 5, UNKNOWN, 4, END]


def test_long_texts_are_cut_before_their_end():
    task = WORDS.fit(EXAMPLES)
    assert ids(task, "a fine fine film of films") == [4, 6, 6, 5, END]


def test_batches_hold_every_text_once():
    task = WORDS.fit(EXAMPLES)
    batches = task.batches(EXAMPLES)
    met, plan = [], batches.plan(budget=10, shuffle=False)
    for batch in plan.epoch(0):
        inputs, target = batches.load(batch)
        assert inputs["source"].shape == (batch.bucket.rows, batch.bucket.size)
        assert inputs["source"].size <= 10
        for row, index in enumerate(batch.indices):
            met.append(index)
            length = inputs["source_lengths"][row]
            assert inputs["source"][row, :length].tolist() == ids(
                task, EXAMPLES[index].source
            )
            label = task.labels[target["target"][row, 0]]
            assert label == EXAMPLES[index].label
        assert batches.units(inputs) == inputs["source_lengths"].sum()
    assert sorted(met) == list(range(len(EXAMPLES)))


def test_in_training_texts_are_cut_at_random_by_epoch_and_seed():
    task = TextClassification(vocabulary=18, subword_dropout=0.9, buckets=1)
    task = task.fit(EXAMPLES)
    batches = task.batches(EXAMPLES, training=True, seed=3)
    (batch,) = batches.plan(1000, shuffle=False).epoch(0)[:1]
    drawn = [batches.load(batch, epoch)[0]["source"] for epoch in range(5)]
    assert len({source.tobytes() for source in drawn}) > 1
    np.testing.assert_array_equal(batches.load(batch, 2)[0]["source"], drawn[2])
    for source in drawn:
        texts = [task.fitted.tokenizer.decode(row) for row in source]
        assert texts == [EXAMPLES[i].source for i in batch.indices]
    plain = task.batches(EXAMPLES)
    assert plain.dropout == 0.0


def test_a_tokenizer_can_be_given(tmp_path):
    tokenizer = Tokenizer.train([text for _, text in TEXTS], 18, "unigram")
    file = tmp_path / "my.model"
    file.write_bytes(tokenizer.model)
    task = TextClassification(tokenizer_file=str(file)).fit(EXAMPLES)
    assert task.fitted == PieceCodec(tokenizer)
    assert task.offers(1.0)["features"] == {"vocabulary_size": 18}


def test_labels_and_tokenizer_come_back_from_their_files():
    task = WORDS.fit(EXAMPLES)
    again = WORDS.with_assets(task.assets())
    assert (again.labels, again.counts) == (("bad", "good"), (2, 2))
    assert ids(again, "a dull film") == ids(task, "a dull film")
    with pytest.raises(UserError, match=r"The tokenizer is tokens.model"):
        WORDS.with_assets({"other.model": b""})


def test_a_start_gives_the_tokenizer_and_the_data_the_labels():
    other = Tokenizer.train(["a b c dull"], 8, "word")
    found = WORDS.started_from(PieceCodec(other).assets, EXAMPLES)
    assert found.fitted.tokenizer == other
    assert found.labels == ("bad", "good")


def test_a_text_without_words_is_refused():
    task = WORDS.fit(EXAMPLES)
    reader = task.runner(None, task.search)
    with pytest.raises(UserError, match="a text without words has no label"):
        reader.source("  ")


def test_a_tokenizer_of_keras_hub_puts_texts_between_its_ends():
    hub = pytest.importorskip("keras_hub", reason="keras-hub is not installed")
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "fine", "film", "##s"]
    tokenizer = hub.tokenizers.BertTokenizer(pieces, lowercase=True)
    codec = KerasHubCodec(tokenizer, tokenizer_assets(tokenizer))
    assert codec.size == len(pieces)
    found = codec.encode(["A fine films", "a"], 5)
    assert [row.tolist() for row in found] == [[2, 5, 6, 7, 3], [2, 5, 3]]
    assert found[0].dtype == np.int32
    again = KerasHubCodec.from_assets(codec.assets)
    assert again.encode(["a"], 5)[0].tolist() == [2, 5, 3]
