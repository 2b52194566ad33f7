"""The style of a text: against PyTorch, and what it follows from."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.encoders.styled import StyledEncoder
from s2s_zoo.encoders.tacotron2 import Tacotron2Encoder
from tests.gradients import compiled
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

B, T, D, U, M = 3, 4, 5, 23, 9
TOKENS, LENGTHS = np.array([4, 2, 3]), np.array([23, 6, 0], "int32")
MASK = np.arange(T)[None] < TOKENS[:, None]
SIZES = {
    "frame_size": M,
    "filters": (3, 4, 2),
    "units": 6,
    "tokens": 5,
    "heads": 2,
    "width": 8,
}
EXAMPLES = {StyledEncoder: {"text": Tacotron2Encoder(units=3, filters=4), **SIZES}}


@pytest.fixture(scope="module")
def encoder():
    keras.utils.set_random_seed(0)
    encoder = StyledEncoder(Tacotron2Encoder(units=3, filters=4), **SIZES)
    encoder.build((None, None, D))
    draw_weights(encoder)
    mean = np.random.default_rng(5).dirichlet(np.ones(5), size=2)
    encoder.bank.mean.assign(mean.astype("float32"))
    return encoder


def frames(more=0):
    """Recordings with four channels that are not read; anything may lie behind."""
    x = np.random.default_rng(3).uniform(0, 2, (B, U, M + 4)).astype("float32")
    real = np.arange(U)[None] < LENGTHS[:, None]
    x = np.where(real[..., None], x, 7.0)
    return np.pad(x, ((0, 0), (0, more), (0, 0)), constant_values=9.0).astype("float32")


def texts():
    return np.random.default_rng(4).normal(size=(B, T, D)).astype("float32")


def weigh(encoder, target, lengths):
    found = compiled(lambda *both: encoder.weigh(*both))(
        *map(ops.convert_to_tensor, (target, lengths))
    )
    return ops.convert_to_numpy(found)


def encode(encoder, **inputs):
    def run(inputs):
        return encoder(texts(), MASK, **inputs).sequence

    tensors = {name: ops.convert_to_tensor(value) for name, value in inputs.items()}
    return ops.convert_to_numpy(compiled(run)(tensors))


def test_a_recording_is_weighed_as_pytorch_weighs_it(encoder):
    import_torch()
    from tests.pytorch_style import StyleWeights, double

    theirs = StyleWeights(encoder)
    weights = weigh(encoder, frames(), LENGTHS)
    styles = ops.convert_to_numpy(encoder.bank(ops.convert_to_tensor(weights)))
    for row, length in enumerate(LENGTHS[:2]):
        expected = theirs(double(frames()[row, :length, :M]))
        for found, wanted in zip((weights[row], styles[row]), expected, strict=True):
            np.testing.assert_allclose(found, wanted.detach().numpy(), atol=1e-5)


def test_padding_and_neighbours_change_no_style(encoder):
    together = weigh(encoder, frames(), LENGTHS)
    padded = weigh(encoder, frames(more=10), LENGTHS)
    np.testing.assert_allclose(padded, together, atol=1e-6)
    alone = weigh(encoder, frames()[1:2, :6], LENGTHS[1:2])
    np.testing.assert_allclose(alone[0], together[1], atol=1e-6)
    assert np.abs(together[0] - together[1]).max() > 1e-3


def test_the_style_lies_beside_every_frame_of_the_text(encoder):
    recordings = {"target": frames(), "target_lengths": LENGTHS}
    found = encode(encoder, **recordings)
    weights = weigh(encoder, frames(), LENGTHS)
    style = ops.convert_to_numpy(encoder.bank(ops.convert_to_tensor(weights)))
    text = ops.convert_to_numpy(encoder.text(texts(), MASK).sequence)
    np.testing.assert_allclose(found[..., :6], text, atol=1e-6)
    expected = np.where(MASK[..., None], style[:, None], 0)
    np.testing.assert_allclose(found[..., 6:], expected, atol=1e-6)
    same = encode(encoder, style=3 * weights)
    np.testing.assert_allclose(same, found, atol=1e-5)


def test_a_style_that_is_asked_for_goes_before_that_of_the_recording(encoder):
    recordings = {"target": frames(), "target_lengths": LENGTHS}
    style = np.zeros((B, 2, 5), "float32")
    mean = encode(encoder)
    np.testing.assert_allclose(
        encode(encoder, style=style, **recordings), mean, atol=1e-6
    )
    np.testing.assert_allclose(encode(encoder, **recordings)[2], mean[2], atol=1e-6)
    style[..., 3] = 1
    asked = encode(encoder, style=style, **recordings)
    token = ops.convert_to_numpy(encoder.bank(ops.convert_to_tensor(style)))
    np.testing.assert_allclose(asked[0, 0, 6:], token[0], atol=1e-6)
    assert np.abs(asked[0] - mean[0]).max() > 1e-3
