"""SpecAugment: how many masks, how wide, where, and from which state."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.features.spec_augment import SpecAugment
from tests.gradients import value_and_gradients

EXAMPLES = {
    SpecAugment: {
        "num_frequency_masks": 1,
        "frequency_width": 3,
        "num_time_masks": 4,
        "time_width": 5,
        "time_share": 0.2,
        "seed": 3,
    }
}


def masked(layer, lengths, frames, size):
    """(B, T, D) bool, True where a batch of ones was masked."""
    features = np.ones((len(lengths), frames, size), "float32")
    mask = np.arange(frames) < np.asarray(lengths)[:, None]
    return ops.convert_to_numpy(layer(features, mask, training=True)) == 0


def runs(row):
    """Widths of the stretches of True in a (N,) bool row."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], row, [0]]).astype(int)))
    return (edges[1::2] - edges[::2]).tolist()


def test_identity_outside_training():
    layer = SpecAugment(2, 10, 2, 50)
    features = np.random.default_rng(0).normal(size=(2, 60, 20)).astype("float32")
    mask = np.ones((2, 60), bool)
    for training in (None, False):
        out = ops.convert_to_numpy(layer(features, mask, training=training))
        np.testing.assert_array_equal(out, features)


def test_widths_and_places_of_one_frequency_mask_are_uniform():
    count, size, width = 40000, 12, 5
    hidden = masked(SpecAugment(1, width, 0, 0), [3] * count, 3, size)
    assert (hidden == hidden[:, :1]).all()
    rows = hidden[:, 0]
    widths = rows.sum(axis=1)
    assert all(len(runs(row)) <= 1 for row in rows)
    shares = np.bincount(widths, minlength=width + 1) / count
    np.testing.assert_allclose(shares, 1 / (width + 1), atol=0.012)
    starts = rows[widths == 3].argmax(axis=1)
    shares = np.bincount(starts, minlength=size - 2) / len(starts)
    np.testing.assert_allclose(shares, 1 / (size - 2), atol=0.02)


def test_widths_and_places_of_one_time_mask_are_uniform_in_the_real_frames():
    count, length, frames, width = 40000, 9, 14, 4
    hidden = masked(SpecAugment(0, 0, 1, width), [length] * count, frames, 3)
    assert (hidden == hidden[..., :1]).all()
    rows = hidden[..., 0]
    assert not rows[:, length:].any()
    widths = rows.sum(axis=1)
    shares = np.bincount(widths, minlength=width + 1) / count
    np.testing.assert_allclose(shares, 1 / (width + 1), atol=0.012)
    starts = rows[widths == 2].argmax(axis=1)
    shares = np.bincount(starts, minlength=length - 1) / len(starts)
    np.testing.assert_allclose(shares, 1 / (length - 1), atol=0.02)


def test_every_mask_and_example_draws_its_own():
    count = 2000
    hidden = masked(SpecAugment(2, 3, 3, 4), [200] * count, 200, 100)
    bands, spans = hidden.all(axis=1), hidden.all(axis=2)
    assert max(len(runs(row)) for row in bands) == 2
    assert max(len(runs(row)) for row in spans) == 3
    assert max(bands.sum(axis=1)) == 6
    assert max(spans.sum(axis=1)) == 12
    assert len({row.tobytes() for row in bands}) > count / 2


@pytest.mark.parametrize(("share", "widest"), [(1.0, 10), (0.5, 5), (0.25, 2)])
def test_time_masks_obey_the_share_of_the_utterance(share, widest):
    layer = SpecAugment(0, 0, 1, 50, time_share=share)
    widths = masked(layer, [10] * 2000, 30, 2)[..., 0].sum(axis=1)
    assert widths.max() == widest


def test_empty_rows_and_widths_beyond_the_features():
    hidden = masked(SpecAugment(1, 50, 1, 50), [0, 1, 4] * 300, 4, 3)
    assert hidden.shape == (900, 4, 3)
    spans = masked(SpecAugment(0, 0, 1, 50), [0] * 100, 4, 3)
    assert not spans.any()


def test_the_seed_gives_the_masks_and_its_state_is_a_variable():
    lengths = [50] * 8
    layer = SpecAugment(2, 5, 2, 10, seed=3)
    state = [ops.convert_to_numpy(v).copy() for v in layer.variables]
    first, second = (masked(layer, lengths, 50, 20) for _ in range(2))
    assert (first != second).any()
    again = SpecAugment.from_config(layer.get_config())
    np.testing.assert_array_equal(masked(again, lengths, 50, 20), first)
    assert len(layer.variables) == 1
    layer.variables[0].assign(state[0])
    np.testing.assert_array_equal(masked(layer, lengths, 50, 20), first)
    other = masked(SpecAugment(2, 5, 2, 10, seed=4), lengths, 50, 20)
    assert (other != first).any()


def test_gradients_pass_where_nothing_is_masked():
    layer = SpecAugment(1, 5, 1, 10, seed=1)
    features, mask = np.ones((4, 30, 12), "float32"), np.ones((4, 30), bool)
    state = ops.convert_to_numpy(layer.seed_generator.state).copy()

    def augment(x):
        layer.seed_generator.state.assign(state)
        return layer(x, mask, training=True)

    if keras.backend.backend() == "jax":
        pytest.skip("a jitted function of jax may not assign a variable")
    value, gradients = value_and_gradients(augment, [features])
    np.testing.assert_array_equal(gradients[0], value)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_features_keep_their_dtype(dtype):
    layer = SpecAugment()
    out = layer(ops.ones((2, 9, 4), dtype), np.ones((2, 9), bool), training=True)
    assert keras.backend.standardize_dtype(out.dtype) == dtype


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow has such shapes"
)
def test_traced_with_unknown_shapes():
    import tensorflow as tf

    layer = SpecAugment(1, 3, 1, 5)

    @tf.function(
        input_signature=[
            tf.TensorSpec((None, None, 8), "float32"),
            tf.TensorSpec((None, None), "bool"),
        ]
    )
    def run(features, mask):
        return layer(features, mask, training=True)

    for batch, frames in ((3, 20), (1, 7)):
        out = run(np.ones((batch, frames, 8), "f"), np.ones((batch, frames), bool))
        assert out.shape == (batch, frames, 8)
