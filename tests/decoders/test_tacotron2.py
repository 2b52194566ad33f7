"""Tacotron 2 against PyTorch; where it stops, and how far attention may go."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.decoders.tacotron2 import Tacotron2Decoder
from s2s_zoo.encoders.tacotron2 import Tacotron2Encoder
from s2s_zoo.layers.postnet import MagnitudeHead, Postnet
from s2s_zoo.search.frames import FrameSearch
from s2s_zoo.search.loop import while_loop
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

EXAMPLES = {
    Tacotron2Encoder: {
        "units": 3,
        "filters": 5,
        "layers": 2,
        "kernel": 4,
        "dropout": 0.2,
    },
    Tacotron2Decoder: {
        "frame_size": 4,
        "units": 6,
        "prenet_units": 5,
        "attention_units": 3,
        "attention_filters": 2,
        "attention_kernel": 5,
        "reduction": 2,
        "dropout": 0.2,
        "prenet_dropout": 0.3,
        "postnet_layers": 3,
        "postnet_filters": 7,
        "postnet_kernel": 3,
        "postnet_dropout": 0.4,
        "magnitude_size": 9,
    },
    Postnet: {"layers": 2, "filters": 3, "kernel": 4, "dropout": 0.1},
    MagnitudeHead: {"size": 5, "filters": (3, 4), "kernel": 2},
}
B, U, T, D = 3, 7, 6, 5
LENGTHS, TOKENS = np.array([7, 4, 2]), np.array([6, 3, 1])
MASK = np.arange(T)[None] < TOKENS[:, None]


def make(**settings):
    keras.utils.set_random_seed(0)
    arguments = EXAMPLES[Tacotron2Decoder] | {"prenet_dropout": 0.5} | settings
    decoder = Tacotron2Decoder(**arguments)
    decoder.build(EncoderOutput((None, None, D), (None, None)))
    draw_weights(decoder)
    return decoder


def memory_of(rows=slice(None), size=T):
    sequence = np.random.default_rng(0).normal(size=(B, T, D)) * MASK[..., None]
    parts = (sequence.astype("float32"), MASK)
    return EncoderOutput(*(ops.convert_to_tensor(p[rows, :size]) for p in parts))


def targets():
    return np.random.default_rng(1).uniform(0, 2, (B, U, 4)).astype("float32")


def forced(decoder, target, lengths, memory=None):
    def run(target, lengths):
        found = decoder(target, memory or memory_of(), target_lengths=lengths)
        return {name: ops.cast(value, "float32") for name, value in found.items()}

    found = compiled(run)(*map(ops.convert_to_tensor, (target, lengths)))
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def write(decoder, search, memory=None):
    def run():
        return search.write(decoder, memory or memory_of(), {}, while_loop)

    return {n: ops.convert_to_numpy(value) for n, value in compiled(run)().items()}


def test_an_encoder_is_pytorch_s():
    torch = import_torch()
    from tests.pytorch_tacotron2 import Encoder, double

    keras.utils.set_random_seed(0)
    encoder = Tacotron2Encoder(units=3, filters=5, kernel=5)
    encoder.build((None, None, D))
    draw_weights(encoder)
    x = np.random.default_rng(2).normal(size=(1, T, D)).astype("float32")
    found = encoder(x, np.ones((1, T), bool)).sequence
    expected = Encoder(encoder)(double(x)).detach().numpy()
    np.testing.assert_allclose(ops.convert_to_numpy(found), expected, atol=1e-5)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("reduction", [1, 3])
def test_teacher_forcing_is_pytorch_s(reduction):
    import_torch()
    from tests.pytorch_tacotron2 import Decoder, double

    decoder = make(reduction=reduction)
    found = forced(decoder, targets(), LENGTHS)
    theirs = Decoder(decoder)
    memory, mask = map(ops.convert_to_numpy, memory_of()[:2])
    expected = theirs(double(targets()), double(memory), mask, LENGTHS)
    assert set(found) == set(expected)
    real = np.arange(U)[None] < LENGTHS[:, None]
    for name, value in expected.items():
        assert found[name].shape == tuple(value.shape)
        np.testing.assert_allclose(
            found[name][real], value.detach().numpy()[real], atol=2e-5, err_msg=name
        )


def test_a_decoder_that_never_stops_is_told_so():
    decoder = make()
    for bias, finished in ((-99.0, False), (99.0, True)):
        decoder.stop_dense.bias.assign(np.full(2, bias, "float32"))
        found = write(decoder, FrameSearch(frames_per_token=2.0, extra_frames=1))
        expected = [0, 0, 0] if finished else (2 * TOKENS + 1).tolist()
        assert found["lengths"].tolist() == expected
        assert found["finished"].tolist() == [finished] * B
        read = FrameSearch().read(found)
        assert [len(row[0].tokens) for row in read] == expected
        assert [row[0].finished for row in read] == [finished] * B


def test_a_source_alone_is_spoken_as_in_any_batch():
    decoder, search = make(), FrameSearch(frames_per_token=2.0, extra_frames=3, seed=4)
    together = write(decoder, search)
    alone = write(decoder, search, memory_of(slice(1, 2), size=3))
    length = together["lengths"][1]
    assert alone["lengths"].tolist() == [length]
    np.testing.assert_allclose(
        alone["refined"][0, :length], together["refined"][1, :length], atol=1e-5
    )
    other = write(decoder, FrameSearch(frames_per_token=2.0, extra_frames=3))
    assert np.abs(other["frames"][:, 0] - together["frames"][:, 0]).max() > 1e-3


def test_forced_attention_never_goes_back_nor_far_ahead():
    decoder = make(reduction=1)
    decoder.stop_dense.bias.assign(np.full(1, -99.0, "float32"))
    search = FrameSearch(frames_per_token=3.0, extra_frames=1)
    free, held = (write(decoder, search.parse(f"ahead={n}")) for n in (0, 2))
    places = [f["alignments"][0, :18].argmax(-1) for f in (free, held)]
    steps = [np.diff(place, prepend=0) for place in places]
    assert not ((steps[0] >= 0) & (steps[0] <= 2)).all()
    assert ((steps[1] >= 0) & (steps[1] <= 2)).all()


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the others compile every search"
)
def test_a_compiled_loop_writes_the_same():
    decoder, search = make(), FrameSearch(frames_per_token=1.5, extra_frames=2)
    expected = search.write(decoder, memory_of(), {}, while_loop)
    found = search.write(decoder, memory_of(), {}, CompiledLoop("eager"))
    for name, value in expected.items():
        np.testing.assert_allclose(
            ops.convert_to_numpy(found[name]), ops.convert_to_numpy(value), atol=1e-6
        )
