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
    """The scaled encoder of a preset in float32, dropout 0, and its features' shape."""
    if request.param not in BUILT:
        BUILT[request.param] = exact_model(request.param)
    model = BUILT[request.param]
    shape = model.features.feature_shape(model.features.source_shape)
    return model.encoder, shape[1:]


def batch(shape, padding):
    """16 examples of random lengths; anything may lie in the padding."""
    if len(shape) == 3:
        return images(shape, padding)
    rng = np.random.default_rng(7)
    x = rng.normal(size=(len(LENGTHS), LENGTHS.max(), shape[-1]))
    rest = np.random.default_rng(padding).normal(size=(len(x), padding, shape[-1]))
    x = np.concatenate([x, rest], axis=1).astype("float32")
    return x, np.arange(x.shape[1])[None] < LENGTHS[:, None]


def images(shape, padding):
    """16 images, of which some are none; anything may lie there."""
    x = np.random.default_rng(7).normal(size=(len(LENGTHS), *shape))
    mask = np.arange(len(x))[:, None] % 5 < 4
    rest = np.random.default_rng(padding).normal(size=x.shape)
    x = np.where(mask[..., None, None], x, rest)
    return x.astype("float32"), mask


def row_alone(x, mask, row):
    """A row without its padding, and its mask."""
    length = mask[row].sum()
    x = x[row : row + 1] if mask.shape[1] == 1 else x[row : row + 1, :length]
    return x, np.ones((1, length), bool)


def encode(encoder, x, mask, training=False):
    def run(x, mask):
        return encoder(x, mask, training=training)[:2]

    sequence, mask = map(ops.convert_to_numpy, compiled(run)(x, mask))
    return sequence, mask


def check(encoder, shape, training):
    x, mask = batch(shape, padding=5)
    together, out_mask = encode(encoder, x, mask, training)
    expected = [encoder.output_lengths(n) for n in mask.sum(1)]
    assert out_mask.sum(1).tolist() == expected
    assert (together[~out_mask] == 0).all()
    assert np.isfinite(together).all()
    for row in range(ALONE):
        found, kept = encode(encoder, *row_alone(x, mask, row), training)
        assert kept.all()
        expected = together[row : row + 1][out_mask[row : row + 1]]
        np.testing.assert_allclose(found[0], expected, atol=1e-5)
    padded = encode(encoder, *batch(shape, padding=12), training)[0]
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
    layer, shape = encoder
    x, mask = batch(shape, padding=5)
    sequence, out_mask = encode(layer, x, np.zeros_like(mask))
    assert not out_mask.any()
    assert (sequence == 0).all()


def test_output_shape_is_the_one_announced(encoder):
    layer, shape = encoder
    x, mask = batch(shape, padding=5)
    sequence, out_mask = encode(layer, x, mask)
    assert sequence.shape == layer.compute_output_shape(x.shape)
    assert out_mask.shape == sequence.shape[:2]
    assert sequence.shape[1] == layer.output_lengths(mask.shape[1])
