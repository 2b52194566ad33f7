"""Streams cut into windows whose frames make the whole again."""

import numpy as np
import pytest

from s2s_zoo.data.windows import Windows

HOP = 5


def blocks(samples, size):
    return [samples[i : i + size] for i in range(0, len(samples), size)]


def frames_of(samples):
    """A frame every hop, of which each knows the sample it is centred on."""
    return samples[::HOP]


@pytest.mark.parametrize("context", [0, 1, 3])
@pytest.mark.parametrize("size", [1, 7, 1000])
@pytest.mark.parametrize("length", [0, 1, 39, 40, 41, 45, 46, 99, 100, 200, 203])
def test_every_frame_is_kept_once_and_in_order(length, size, context):
    samples = np.arange(length, dtype="float32")
    windows = Windows(HOP, frames=8, context=context)
    kept = []
    for window in windows.cut(blocks(samples, size)):
        frames = frames_of(window.samples)
        assert len(window.samples) == windows.samples or window.is_last
        kept.append(frames[windows.kept(window, len(frames))])
    np.testing.assert_array_equal(np.concatenate(kept), frames_of(samples))


def test_a_kept_frame_has_its_context_or_the_end_of_the_stream():
    samples = np.arange(203, dtype="float32")
    windows = Windows(HOP, frames=8, context=3)
    seen = 0
    for window in windows.cut(blocks(samples, 11)):
        frames = frames_of(window.samples)
        for frame in frames[windows.kept(window, len(frames))]:
            first, last = window.samples[0], window.samples[-1]
            assert first == 0 or first <= frame - 3 * HOP
            assert last == 202 or last >= frame + 3 * HOP
            seen += 1
    assert seen == 41


def test_windows_are_cut_before_the_stream_ends():
    def endless():
        while True:
            yield np.ones(13, "float32")

    windows = Windows(HOP, frames=8, context=1)
    for _, window in zip(range(100), windows.cut(endless()), strict=False):
        assert len(window.samples) == 40
        assert not window.is_last
