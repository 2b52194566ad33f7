"""Every encoder: padding and neighbours change nothing."""

import numpy as np
import pytest
from keras import ops

from s2s_zoo.layers.normalization import MaskedBatchNormalization
from tests.gradients import compiled
from tests.tiny import distinct, exact_model

BUILT = {}
LENGTHS = np.random.default_rng(0).permutation(np.arange(2, 34, 2))
ALONE = 3


@pytest.fixture(params=distinct("features", "encoder"))
def encoder(request):
    """The scaled encoder of a preset in float32, dropout 0, and its features' size."""
    if request.param not in BUILT:
        BUILT[request.param] = exact_model(request.param)
    model = BUILT[request.param]
    *_, width = model.features.feature_shape(model.features.source_shape)
    return model.encoder, width


def batch(size, padding):
    """16 examples of random lengths; anything may lie in the padding."""
    rng = np.random.default_rng(7)
    x = rng.normal(size=(len(LENGTHS), LENGTHS.max(), size))
    rest = np.random.default_rng(padding).normal(size=(len(LENGTHS), padding, size))
    x = np.concatenate([x, rest], axis=1).astype("float32")
    return x, np.arange(x.shape[1])[None] < LENGTHS[:, None]


def encode(encoder, x, mask, training=False):
    def run(x, mask):
        return encoder(x, mask, training=training)[:2]

    sequence, mask = map(ops.convert_to_numpy, compiled(run)(x, mask))
    return sequence, mask


def check(encoder, size, training):
    x, mask = batch(size, padding=5)
    together, out_mask = encode(encoder, x, mask, training)
    assert out_mask.sum(1).tolist() == [encoder.output_lengths(n) for n in LENGTHS]
    assert (together[~out_mask] == 0).all()
    assert np.isfinite(together).all()
    for row in range(ALONE):
        length = LENGTHS[row]
        alone = x[row : row + 1, :length]
        found, kept = encode(encoder, alone, np.ones((1, length), bool), training)
        assert kept.all()
        expected = together[row : row + 1][out_mask[row : row + 1]]
        np.testing.assert_allclose(found[0], expected, atol=1e-5)
    padded = encode(encoder, *batch(size, padding=12), training)[0]
    overlap = together.shape[1]
    np.testing.assert_allclose(padded[:, :overlap], together, atol=1e-5)


def test_an_example_alone_equals_it_in_any_batch(encoder):
    check(*encoder, training=False)


def test_also_in_training_where_batch_statistics_do_not_enter(encoder):
    layers = encoder[0]._flatten_layers()
    if any(isinstance(layer, MaskedBatchNormalization) for layer in layers):
        pytest.skip("batch normalization in training reads the whole batch")
    check(*encoder, training=True)


def test_rows_without_frames_encode_to_nothing(encoder):
    layer, size = encoder
    x, mask = batch(size, padding=5)
    sequence, out_mask = encode(layer, x, np.zeros_like(mask))
    assert not out_mask.any()
    assert (sequence == 0).all()


def test_output_shape_is_the_one_announced(encoder):
    layer, size = encoder
    x, mask = batch(size, padding=5)
    sequence, out_mask = encode(layer, x, mask)
    assert sequence.shape == layer.compute_output_shape(x.shape)
    assert out_mask.shape == sequence.shape[:2]
    assert sequence.shape[1] == layer.output_lengths(x.shape[1])
