"""Every decoder that writes frames: stepping, stopping, padding, neighbours."""

import math

import keras
import numpy as np
import pytest
from keras import ops

from s2s_zoo.decoders.frames import FrameDecoder
from s2s_zoo.registry import PRESETS
from s2s_zoo.search.frames import FrameSearch
from s2s_zoo.search.loop import while_loop
from s2s_zoo.typing import EncoderOutput
from tests.gradients import compiled
from tests.tiny import distinct, draw_weights

NAMES = [
    name
    for name in distinct("decoder", "task.spectrogram.magnitudes")
    if issubclass(PRESETS.get(name).decoder.func, FrameDecoder)
]
TOKENS = np.array([6, 3, 1])
B, T, D = len(TOKENS), 6, 5
FOREVER = FrameSearch(frames_per_token=1.5, extra_frames=2, stop=1 - 1e-9)
LIMITS = np.ceil(TOKENS * 1.5).astype(int) + 2
BUILT = {}


@pytest.fixture(params=NAMES)
def decoder(request):
    """The scaled decoder of a preset in float32, every weight drawn."""
    if request.param not in BUILT:
        preset = PRESETS.get(request.param).scaled()
        offered = preset.task.offers(1.0)["decoder"]
        decoder = preset.decoder.func(**preset.decoder.keywords, **offered)
        decoder.build(EncoderOutput((None, None, D), (None, None)))
        draw_weights(decoder)
        BUILT[request.param] = decoder
    return BUILT[request.param]


def memory_of(rows=slice(None), size=T):
    mask = np.arange(T)[None] < TOKENS[:, None]
    sequence = np.random.default_rng(0).normal(size=(B, T, D)) * mask[..., None]
    parts = (sequence.astype("float32"), mask)
    return EncoderOutput(*(ops.convert_to_tensor(p[rows, :size]) for p in parts))


def numbers(run, *arrays):
    found = compiled(run)(*map(ops.convert_to_tensor, arrays))
    return {name: ops.convert_to_numpy(value) for name, value in found.items()}


def write(decoder, search, memory=None):
    def run():
        return search.write(decoder, memory or memory_of(), {}, while_loop)

    return numbers(run)


def forced(decoder, target, lengths):
    def run(target, lengths):
        return decoder(target, memory_of(), target_lengths=lengths)

    return numbers(run, target, lengths)


def as_target(found):
    parts = [found[name] for name in ("frames", "magnitudes") if name in found]
    return np.concatenate(parts, axis=-1)


def drawn_target(decoder, size):
    channels = decoder.frame_size + decoder.magnitude_size
    rng = np.random.default_rng(1)
    return rng.uniform(0, 2, (B, size, channels)).astype("float32")


def assert_rows(found, expected, lengths):
    """The first `lengths` frames of each row are as expected, by each name."""
    for name, value in expected.items():
        for row, length in enumerate(lengths):
            np.testing.assert_allclose(
                found[name][row, :length], value[row, :length], atol=5e-5, err_msg=name
            )


def test_free_running_is_teacher_forcing_with_what_it_wrote(decoder):
    """The first row is made to stop where its stop is likeliest."""
    free = write(decoder, FOREVER)
    assert free["lengths"].tolist() == LIMITS.tolist()
    logits = forced(decoder, as_target(free), LIMITS)["stop"]
    level = float(logits[0, : LIMITS[0]].max()) - 1e-3
    found = write(decoder, FOREVER.with_settings({"stop": 1 / (1 + math.exp(-level))}))
    again = forced(decoder, as_target(found), found["lengths"])
    del again["stop"]
    assert_rows(found, again, found["lengths"])
    stop = forced(decoder, as_target(found), found["lengths"] + 1)["stop"]
    assert found["finished"][0]
    for row, length in enumerate(found["lengths"]):
        stops = np.flatnonzero(stop[row, : min(length + 1, LIMITS[row])] > level)
        assert found["finished"][row] == (len(stops) > 0)
        assert length == (stops[0] if len(stops) else LIMITS[row])


def test_a_source_alone_is_spoken_as_in_any_batch(decoder):
    together = write(decoder, FOREVER)
    alone = write(decoder, FOREVER, memory_of(slice(1, 2), size=TOKENS[1]))
    length = together["lengths"][1]
    assert alone["lengths"].tolist() == [length]
    np.testing.assert_allclose(
        alone["refined"][0, :length], together["refined"][1, :length], atol=1e-5
    )


def test_padding_changes_nothing(decoder):
    target, lengths = drawn_target(decoder, 7), np.array([7, 4, 1])
    before = forced(decoder, target, lengths)
    wider = np.pad(target, ((0, 0), (0, 3), (0, 0)), constant_values=9)
    after = forced(decoder, wider, lengths)
    assert_rows(after, before, lengths)


def test_frames_of_the_step_and_later_ones_are_not_read(decoder):
    """But by what mends frames that were written, which is not told here."""
    target, lengths = drawn_target(decoder, 8), np.full(B, 8)
    changed, kept = target.copy(), 2 * decoder.reduction
    changed[:, kept:] += 1
    names = ("frames", "stop", "alignments")
    before, after = (
        {name: forced(decoder, one, lengths)[name] for name in names}
        for one in (target, changed)
    )
    assert_rows(after, before, [kept + decoder.reduction] * B)
    last = kept + decoder.reduction
    assert np.abs(after["frames"][:, last:] - before["frames"][:, last:]).max() > 1e-4


@pytest.mark.skipif(
    keras.backend.backend() != "tensorflow", reason="only TensorFlow leaves sizes open"
)
def test_one_graph_writes_for_sources_of_any_length(decoder):
    import tensorflow as tf

    signature = [tf.TensorSpec((None, None, D)), tf.TensorSpec((None, None), tf.bool)]

    @tf.function(input_signature=signature, autograph=False)
    def traced(sequence, mask):
        return FOREVER.write(decoder, EncoderOutput(sequence, mask), {}, while_loop)

    expected = write(decoder, FOREVER)
    found = traced(*memory_of()[:2])
    np.testing.assert_array_equal(found["lengths"], expected["lengths"])
    assert_rows(found, {"refined": expected["refined"]}, LIMITS)


def test_two_rows_for_a_source_are_refused(decoder):
    with pytest.raises(ValueError, match="One row of frames"):
        decoder.start(memory_of(), beams=2, length=3)
