"""How probable texts are to a language model."""

from collections.abc import Sequence

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.padding import pad
from s2s_zoo.data.streams import StreamBatches
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.data.words import encode_texts
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.vocabulary import END, PAD

ROWS = 32
BLOCK = 16


def stream_log_probabilities(
    model: Seq2Seq, batches: StreamBatches, streams: int
) -> NDArray[np.float64]:
    """(N,) natural logarithms of P of each token, given all before it in its stream.

    Args:
        model: a language model.
        batches: of the texts; N tokens with the ends.
        streams: as many parts are read side by side, each from its beginning.
    """
    found = np.zeros(len(batches.tokens.ids))
    plan = batches.plan(streams * batches.window, shuffle=False)
    state = np.zeros((streams, state_width(model)), np.float32)
    first = plan.length * np.arange(streams)
    for batch in plan.epoch(0):
        inputs, _ = batches.load(batch)
        inputs = {**inputs, "state": state}
        del inputs["fresh"]
        output = model.predict_on_batch(inputs)
        state = ops.convert_to_numpy(output["state"])
        scores = ops.convert_to_numpy(output["log_probabilities"])
        start = batch.indices[0]
        for row, count in enumerate(inputs["source_lengths"]):
            place = first[row] + start
            found[place : place + count] = scores[row, :count]
    return found


def text_log_probabilities(
    model: Seq2Seq, tokenizer: Tokenizer, texts: Sequence[str]
) -> list[NDArray[np.float64]]:
    """Natural logarithms of P of the tokens of each text and of its end (U+1,).

    A text begins as behind the end of another; nothing else is known before it.
    """
    every = [np.append(ids, np.int32(END)) for ids in encode_texts(tokenizer, texts)]
    found = [np.zeros(0)] * len(every)
    order = np.argsort([len(ids) for ids in every], kind="stable")
    for start in range(0, len(order), ROWS):
        rows = order[start : start + ROWS]
        scores = _score_batch(model, [every[row] for row in rows])
        for row, scored in zip(rows, scores, strict=True):
            found[row] = scored
    return found


def _score_batch(
    model: Seq2Seq, texts: Sequence[NDArray[np.int32]]
) -> list[NDArray[np.float64]]:
    """Shapes are few: rows a power of 2, tokens a multiple of 16."""
    size = -(-max(map(len, texts)) // BLOCK) * BLOCK
    rows = 1 << (len(texts) - 1).bit_length()
    target, lengths = pad(texts, rows, size, PAD)
    before = [np.insert(ids[:-1], 0, np.int32(END)) for ids in texts]
    source, _ = pad(before, rows, size, PAD)
    inputs = {"source": source, "source_lengths": lengths, "target": target}
    output = model.predict_on_batch(inputs)
    scores = ops.convert_to_numpy(output["log_probabilities"])
    pairs = zip(scores, texts, strict=False)
    return [row[: len(ids)].astype(np.float64) for row, ids in pairs]


def state_width(model: Seq2Seq) -> int:
    """S, numbers of the state of a row of a language model's encoder."""
    return sum(shape[-1] for state in model.encoder.state_shape for shape in state)
