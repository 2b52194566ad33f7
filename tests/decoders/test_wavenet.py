"""WaveNet against PyTorch, and sample by sample against all at once."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.data.mu_law import decode_mu_law, encode_mu_law
from s2s_zoo.decoders.wavenet import WaveNetDecoder
from s2s_zoo.encoders.frames import FrameEncoder
from s2s_zoo.features.frames import FrameFeatures
from s2s_zoo.layers.dilated_layer import DilatedLayer
from s2s_zoo.search.loop import while_loop
from s2s_zoo.search.samples import SampleSearch
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

EXAMPLES = {
    FrameFeatures: {"frame_size": 3},
    FrameEncoder: {},
    DilatedLayer: {"channels": 6, "kernel": 2, "dilation": 4},
    WaveNetDecoder: {
        "classes": 11,
        "channels": 6,
        "blocks": 2,
        "layers": 3,
        "kernel": 2,
        "stride": 4,
    },
}
B, T, M, V = 2, 9, 5, 11
DRAWN = 600


def make(**settings):
    keras.utils.set_random_seed(0)
    decoder = WaveNetDecoder(**EXAMPLES[WaveNetDecoder] | settings)
    decoder.build(EncoderOutput((None, None, M), (None, None)))
    draw_weights(decoder)
    return decoder


def frames(rows=slice(None), size=T):
    x = np.random.default_rng(0).normal(size=(B, T, M)).astype("float32")
    mask = np.arange(T)[None] < np.array([T, 5])[:, None]
    parts = (x * mask[..., None])[rows, :size], mask[rows, :size]
    return EncoderOutput(*map(ops.convert_to_tensor, parts))


def in_a_graph(function):
    """Of TensorFlow too, whose loops take long outside."""
    if keras.backend.backend() == "tensorflow":
        import tensorflow as tf

        return tf.function(function, autograph=False)
    return compiled(function)


def forced(decoder, target, memory=None):
    def run(target):
        return decoder(target, memory or frames())["logits"]

    return ops.convert_to_numpy(compiled(run)(ops.convert_to_tensor(target)))


def write(decoder, search, memory=None):
    def run():
        return search.write(decoder, memory or frames(), {}, while_loop)

    found = in_a_graph(run)()
    return [ops.convert_to_numpy(found[name]) for name in ("samples", "lengths")]


def targets(size=4 * T):
    return np.random.default_rng(1).integers(0, V, (B, size)).astype("int32")


@pytest.mark.parametrize("kernel", [2, 3])
def test_logits_are_pytorch_s(kernel):
    import_torch()
    from tests.pytorch_wavenet import WaveNet

    decoder = make(kernel=kernel)
    target = targets(4 * T - 2)
    expected = WaveNet(decoder)(target, ops.convert_to_numpy(frames().sequence))
    found = forced(decoder, target)
    np.testing.assert_allclose(found, expected.detach().numpy(), atol=2e-5)


@pytest.mark.parametrize("kernel", [2, 3])
def test_sample_by_sample_gives_what_all_at_once_gives(kernel):
    """Far beyond the receptive field, so that every queue went round."""
    decoder, target = make(kernel=kernel), targets()
    assert target.shape[1] > decoder.receptive_field

    def stepped(target):
        state, found = decoder.start(frames(), 1, target.shape[1]), []
        before = np.pad(target[:, :-1], ((0, 0), (1, 0)), constant_values=-1)
        for u in range(target.shape[1]):
            logits, state = decoder.step(ops.convert_to_tensor(before[:, u]), state)
            found.append(logits)
        return ops.stack(found, axis=1)

    found = ops.convert_to_numpy(compiled(lambda: stepped(target))())
    np.testing.assert_allclose(found, forced(decoder, target), atol=2e-5)


def test_a_sample_follows_from_its_receptive_field():
    decoder, target = make(), targets()
    field = decoder.receptive_field + decoder.kernel - 1
    changed = target.copy()
    changed[:, 3] = (changed[:, 3] + 1) % V
    difference = np.abs(forced(decoder, changed) - forced(decoder, target)).max((0, 2))
    assert not difference[:4].any()
    assert difference[4] > 0
    assert difference[3 + field] > 0
    assert not difference[4 + field :].any()


def test_the_receptive_field_of_openseq2seq_is_6139():
    assert WaveNetDecoder().receptive_field == 6139


def test_what_is_drawn_is_as_likely_as_the_logits_say():
    """One frame's worth of rows that differ in nothing but the number of the sample."""
    decoder = make(blocks=1, layers=1, stride=DRAWN)
    for weight in decoder.weights:
        weight.assign(np.zeros(weight.shape))
    logits = np.log(np.linspace(1, 3, V))
    decoder.exits[0].kernel.assign(np.eye(6))
    decoder.entry.normalizer.beta.assign(np.ones(6))
    decoder.exits[1].kernel.assign(np.tile(logits / 6, (6, 1)))
    memory = frames(slice(0, 1), size=1)
    samples, _ = write(decoder, SampleSearch(), memory)
    share = np.bincount(samples[0], minlength=V) / DRAWN
    wanted = np.exp(logits) / np.exp(logits).sum()
    assert np.abs(share - wanted).max() < 4 * (0.14 * 0.86 / DRAWN) ** 0.5
    again, _ = write(decoder, SampleSearch(), memory)
    np.testing.assert_array_equal(again, samples)
    other, _ = write(decoder, SampleSearch(seed=1), memory)
    assert (other != samples).mean() > 0.5


def test_the_likeliest_samples_are_those_of_teacher_forcing():
    decoder, search = make(), SampleSearch(temperature=0.0)
    samples, lengths = write(decoder, search)
    assert lengths.tolist() == [36, 20]
    again = forced(decoder, samples).argmax(-1)
    np.testing.assert_array_equal(again, samples)
    alone, _ = write(decoder, search, frames(slice(1, 2), size=5))
    np.testing.assert_array_equal(alone[0], samples[1, :20])
    read = search.read({"samples": samples, "lengths": lengths})
    assert [len(row[0].tokens) for row in read] == [36, 20]


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the others compile every search"
)
def test_a_compiled_loop_writes_the_same():
    decoder, search = make(), SampleSearch(temperature=0.0)
    loops = while_loop, CompiledLoop("eager")
    expected, found = (search.write(decoder, frames(), {}, loop) for loop in loops)
    for name, value in expected.items():
        np.testing.assert_array_equal(*map(ops.convert_to_numpy, (found[name], value)))


@pytest.mark.parametrize("classes", [16, 256])
def test_mu_law_is_that_of_the_paper(classes):
    audio = np.linspace(-1, 1, 2001)
    mu = classes - 1
    level = np.sign(audio) * np.log(1 + mu * np.abs(audio)) / np.log(1 + mu)
    found = encode_mu_law(audio, classes)
    assert found.min() == 0
    assert found.max() == mu
    np.testing.assert_allclose(found / mu * 2 - 1, level, atol=1 / mu + 1e-9)
    again = encode_mu_law(decode_mu_law(found, classes), classes)
    np.testing.assert_array_equal(again, found)


def test_odd_channels_and_several_rows_are_refused():
    with pytest.raises(ValueError, match=r"channels is even\. Received: 5"):
        DilatedLayer(5)
    with pytest.raises(ValueError, match="One row of samples"):
        make().start(frames(), beams=2, length=9)
