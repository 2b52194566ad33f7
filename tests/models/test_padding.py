"""From waveforms to logits: padding and neighbours change nothing."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.normalization import MaskedBatchNormalization
from tests.gradients import compiled
from tests.tiny import draw_weights, exact_model

ROWS = 8
LENGTHS = np.random.default_rng(0).permutation(np.linspace(161, 4800, ROWS))
LENGTHS = LENGTHS.astype("int32")
SIZES = np.sort(LENGTHS)[1::2]
"""Of a row alone, the least that holds it: four rows are not padded at all."""

BUILT = {}


@pytest.fixture(params=["deepspeech2_small", "deepspeech2_medium", "lstm_ctc_small"])
def model(request):
    """The scaled model of a preset, without dropout, dither and augmentation."""
    if request.param not in BUILT:
        model = BUILT[request.param] = exact_model(request.param)
        draw_weights(model)
    assert BUILT[request.param].augmentation is None
    assert not BUILT[request.param].features.dither
    return BUILT[request.param]


def utterances():
    rng = np.random.default_rng(7)
    return [rng.normal(0, 0.1, size).astype("float32") for size in LENGTHS]


def padded(rows, size):
    """What lies beyond a row is not even a number."""
    source = np.full((len(rows), size), np.nan, "float32")
    for i, row in enumerate(rows):
        source[i, : len(row)] = row
    lengths = np.array([len(row) for row in rows], "int32")
    return {"source": source, "source_lengths": lengths}


def check(model, training):
    call = compiled(lambda inputs: model(inputs, training=training))

    def score(rows, size):
        output = call(padded(rows, size))
        logits, mask = (ops.convert_to_numpy(output[k]) for k in ("ctc_logits", "mask"))
        return [row[real] for row, real in zip(logits, mask, strict=True)]

    rows = utterances()
    sizes = SIZES[np.searchsorted(SIZES, LENGTHS)]
    alone = [score([row], size)[0] for row, size in zip(rows, sizes, strict=True)]
    for row, logits in zip(rows, alone, strict=True):
        frames = 1 + len(row) // model.features.stride_samples
        assert len(logits) == model.encoder.output_lengths(frames)
    for size in (LENGTHS.max(), LENGTHS.max() + 1777):
        for logits, expected in zip(score(rows, size), alone, strict=True):
            np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-4)


def test_an_utterance_alone_equals_it_in_any_batch(model):
    check(model, training=False)


def test_also_in_training_where_batch_statistics_do_not_enter(model):
    layers = model.encoder._flatten_layers()
    if any(isinstance(layer, MaskedBatchNormalization) for layer in layers):
        pytest.skip("batch normalization in training reads the whole batch")
    check(model, training=True)
