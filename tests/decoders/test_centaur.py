"""Centaur against PyTorch, and attention that is held to what a search allows."""

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.compilation import CompiledLoop
from s2s_zoo.decoders.centaur import CentaurDecoder
from s2s_zoo.encoders.centaur import CentaurEncoder
from s2s_zoo.layers.convolutional_attention import (
    ConvolutionalAttention,
    ConvolutionalAttentionStack,
)
from s2s_zoo.layers.residual_convolution import ResidualConvolution, ResidualStack
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.frames import FrameSearch
from s2s_zoo.search.loop import while_loop
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled
from tests.pytorch_reference import import_torch
from tests.tiny import draw_weights

DROPS = {"convolution_dropout": 0.3, "attention_dropout": 0.2, "dropout": 0.4}
EXAMPLES = {
    ResidualConvolution: {"kernel": 2, "causal": True, "dropout": 0.3},
    ResidualStack: {"layers": 2, "kernel": 5, "causal": True, "dropout": 0.2},
    ConvolutionalAttention: {"units": 6, "kernel": 3, **DROPS},
    ConvolutionalAttentionStack: {
        "blocks": 3,
        "forced": (0, 2),
        "units": 6,
        "kernel": 3,
        **DROPS,
    },
    CentaurEncoder: {"units": 6, "layers": 2, "kernel": 4, "dropout": 0.2},
    CentaurDecoder: {
        "frame_size": 4,
        "units": 6,
        "blocks": 3,
        "kernel": 3,
        "mel_layers": 2,
        "magnitude_layers": 1,
        "forced": (0, 2),
        "prenet_units": 7,
        "prenet_dropout": 0.3,
        "prenet_always": True,
        "reduction": 3,
        "magnitude_size": 9,
        **DROPS,
    },
}
B, U, T, D = 3, 7, 6, 5
LENGTHS, TOKENS = np.array([7, 4, 2]), np.array([6, 3, 1])
MASK = np.arange(T)[None] < TOKENS[:, None]


def make(**settings):
    keras.utils.set_random_seed(0)
    arguments = EXAMPLES[CentaurDecoder] | {"prenet_always": False} | settings
    decoder = CentaurDecoder(**arguments)
    decoder.build(EncoderOutput((None, None, D), (None, None)))
    draw_weights(decoder)
    return decoder


def memory_of():
    sequence = np.random.default_rng(0).normal(size=(B, T, D)) * MASK[..., None]
    parts = (sequence.astype("float32"), MASK)
    return EncoderOutput(*map(ops.convert_to_tensor, parts))


def write(decoder, search):
    def run():
        return search.write(decoder, memory_of(), {}, while_loop)

    return {n: ops.convert_to_numpy(value) for n, value in compiled(run)().items()}


def test_an_encoder_is_pytorch_s():
    import_torch()
    from tests.pytorch_centaur import Encoder, row

    encoder = CentaurEncoder(units=6, layers=2)
    encoder.build((None, None, D))
    draw_weights(encoder)
    x = np.random.default_rng(2).normal(size=(B, T, D)).astype("float32")
    found = ops.convert_to_numpy(compiled(encoder)(x, MASK).sequence)
    theirs = Encoder(encoder)
    for i, length in enumerate(TOKENS):
        expected = theirs(row(x[i], length)).detach().numpy()
        np.testing.assert_allclose(found[i, :length], expected, atol=1e-5)


def test_teacher_forcing_is_pytorch_s():
    """Three frames a step, the last of which is not whole."""
    import_torch()
    from tests.pytorch_centaur import Decoder, row

    decoder = make()
    target = np.random.default_rng(1).uniform(0, 2, (B, U, 13)).astype("float32")

    def run(target, lengths):
        return decoder(target, memory_of(), target_lengths=lengths)

    found = compiled(run)(*map(ops.convert_to_tensor, (target, LENGTHS)))
    found = {name: ops.convert_to_numpy(value) for name, value in found.items()}
    theirs, memory = Decoder(decoder), ops.convert_to_numpy(memory_of().sequence)
    for i, (length, tokens) in enumerate(zip(LENGTHS, TOKENS, strict=True)):
        expected = theirs(row(target[i], length), row(memory[i], tokens))
        assert set(found) == set(expected)
        expected["alignments"] = expected["alignments"].detach()
        for name, value in expected.items():
            ours = found[name][i, :length]
            if name == "alignments":
                assert not ours[:, tokens:].any()
                ours = ours[:, :tokens]
            np.testing.assert_allclose(
                ours, value.detach().numpy(), atol=2e-5, err_msg=name
            )


def test_forced_blocks_never_go_back_nor_far_ahead():
    decoder = make(reduction=1, forced=(1,))
    decoder.stop_dense.bias.assign(np.full(1, -99.0, "float32"))
    search = FrameSearch(frames_per_token=3.0, extra_frames=1)
    free, held = (write(decoder, search.parse(f"ahead={n}")) for n in (0, 2))
    places = [f["alignments"][0, :18].argmax(-1) for f in (free, held)]
    steps = [np.diff(place, prepend=0) for place in places]
    assert not ((steps[0] >= 0) & (steps[0] <= 2)).all()
    assert ((steps[1] >= 0) & (steps[1] <= 2)).all()


def test_each_forced_block_goes_on_from_its_own_place():
    decoder = make(reduction=1)
    state = decoder.start(memory_of(), 1, 9, ahead=1)
    written, step = ops.zeros((B, 1, 13)), compiled(decoder.step)
    places = []
    for _ in range(6):
        found, state = step(written, state)
        written = found["frames"]
        places.append(ops.convert_to_numpy(state.cache.blocks.places))
    steps = np.diff(np.stack(places), prepend=0, axis=0)
    assert ((steps == 0) | (steps == 1)).all()
    assert (places[-1][0] > 0).any()
    assert (places[-1][:, 0] != places[-1][:, 1]).any()


@pytest.mark.parametrize("always", [False, True])
def test_the_prenet_drops_in_use_where_it_is_told_to(always):
    decoder = make(prenet_always=always)

    def first(seed):
        state = decoder.start(memory_of(), 1, 9, seed=seed)
        return decoder.step(ops.ones((B, 3, 13)), state)[0]["frames"]

    first = compiled(first)
    one, other = (ops.convert_to_numpy(first(np.int32(seed))) for seed in (0, 1))
    assert (np.abs(one - other).max() > 1e-3) == always


def test_magnitudes_are_read_by_the_step_after():
    decoder = make()
    target = np.random.default_rng(1).uniform(0, 2, (B, 6, 13)).astype("float32")
    changed = target.copy()
    changed[:, 0, 5] += 1
    forced = compiled(lambda target: decoder(target, memory_of())["frames"])
    before, after = (
        ops.convert_to_numpy(forced(ops.convert_to_tensor(x)))
        for x in (target, changed)
    )
    np.testing.assert_allclose(before[:, :3], after[:, :3], atol=1e-6)
    assert np.abs(before[:, 3:] - after[:, 3:]).max() > 1e-4


def test_a_forced_block_that_there_is_not_is_refused():
    for forced in ((), (3,)):
        with pytest.raises(ValueError, match="blocks from 0 to 2"):
            make(forced=forced)


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


def test_a_model_speaks_by_the_magnitudes_that_it_tells():
    preset = PRESETS.get("centaur").scaled()
    model, spectrogram = preset.build(), preset.task.spectrogram
    search = "frames_per_token=2,extra_frames=1,stop=0.999"
    (found,) = preset.task.infer(model, ["abc"], search)
    speech = found["output"]
    assert speech.frames.shape == (9, spectrogram.num_mels + spectrogram.bins)
    assert speech.alignment.shape == (9, 4)
    assert len(speech.samples) == 8 * spectrogram.stride
