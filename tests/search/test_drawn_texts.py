"""What is drawn for a source follows from what it holds, not from where it stands."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.search.keys import content_keys
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.typing import EncoderOutput
from tests.tiny import exact_model

SEARCH = TokenSearch(temperature=1.0, n_best=2, length_extra=4)


def keys(rows, size=None):
    """Of sources, padded to the longest or to `size` with whatever."""
    lengths = np.array([len(row) for row in rows], "int32")
    padded = np.full((len(rows), size or lengths.max(), *rows[0].shape[1:]), 9)
    padded = padded.astype(rows[0].dtype)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = row
    return ops.convert_to_numpy(content_keys(padded, lengths)).tolist()


@pytest.mark.parametrize(
    "make",
    [
        lambda rng, size: rng.integers(4, 1000, size).astype("int32"),
        lambda rng, size: (rng.integers(-999, 999, size) / 2**15).astype("float32"),
        lambda rng, size: rng.normal(size=(size, 3)).astype("float32"),
    ],
    ids=["tokens", "waveforms", "frames"],
)
def test_keys_follow_the_content_alone(make):
    rng = np.random.default_rng(0)
    rows = [make(rng, size) for size in (7, 3, 5, 5)]
    together = keys(rows)
    assert len(set(together)) == 4
    assert keys(rows[::-1]) == together[::-1]
    assert keys(rows, size=20) == together
    assert [keys([row])[0] for row in rows] == together
    changed = rows[0].copy()
    changed[3] = changed[4]
    changed[4] = rows[0][3]
    assert keys([changed]) != together[:1]


def test_a_source_gives_the_same_texts_wherever_it_stands():
    model = exact_model("reversal_rr")
    model.search_with(SEARCH)
    rng = np.random.default_rng(1)
    source = rng.integers(4, 14, (4, 6)).astype("int32")
    lengths = np.array([6, 4, 5, 6], "int32")
    source *= np.arange(6) < lengths[:, None]
    order = np.array([2, 0, 3, 1])
    first, second = (texts(model, source[o], lengths[o]) for o in (np.arange(4), order))
    assert [first[i] for i in order] == second
    assert len({text for found in first for text in found}) > 4
    alone = texts(model, source[1:2, :4], lengths[1:2])
    assert alone == first[1:2]


def texts(model, source, lengths):
    output = model.predict_on_batch({"source": source, "source_lengths": lengths})
    return [
        tuple(tuple(found.tokens.tolist()) for found in row)
        for row in SEARCH.read(output)
    ]


class Spy:
    """Stands for a decoder; keeps what it was started with."""

    def start(self, memory, beams, length, reordered=True):
        self.length = length
        raise StopIteration


@pytest.mark.parametrize("search", [TokenSearch(), TokenSearch(length_factor=0.5)])
def test_the_room_of_a_search_follows_the_memory(search):
    """Ten seconds of audio are 160,000 samples and 25 frames of memory."""
    memory = EncoderOutput(ops.zeros((1, 25, 2)), ops.ones((1, 25), "bool"))
    source = np.zeros((1, 160_000), "float32")
    spy = Spy()
    inputs = {"source": source, "source_lengths": np.array([160_000])}
    with pytest.raises(StopIteration):
        search.write(spy, memory, inputs, None)
    assert spy.length == search.size(25) + 1
