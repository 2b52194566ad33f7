"""Audio of any length through a recognizer of frames, window by window."""

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.padding import pad
from s2s_zoo.data.windows import Window, Windows
from s2s_zoo.features.audio import AudioFeatures
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.typing import Tensors

CONTEXT_SECONDS = 8.0
"""Left to the neighbour on each side where an encoder sees without limit."""

BATCH_SECONDS = 120.0
MEASURED_FRAMES = 2048
"""Frames of features that are held at once to measure them."""

Waveform = NDArray[np.float32]
Stream = Callable[[], Iterable[Waveform]]
"""Starts a waveform anew, in blocks (S,)."""


@dataclass(frozen=True)
class LongAudio:
    """Joins what a model gives for windows to what it gives for the whole.

    Features are normalized by the statistics of the whole, which a first pass measures.
    Where the encoder says how far it sees, the frames kept are those of the whole.

    Attributes:
        model: gives `ctc_logits` of each frame.
        features: of the model.
        seconds: length of a window, as far as contexts leave most of it.
    """

    model: Seq2Seq
    features: AudioFeatures
    seconds: float

    @cached_property
    def windows(self) -> Windows:
        """At least half of each is kept."""
        features, encoder = self.features, self.model.encoder
        reach = encoder.context_frames
        if reach is None:
            reach = math.ceil(CONTEXT_SECONDS * features.frame_rate)
        stride = encoder.time_stride
        context = math.ceil((reach + features.context_frames) / stride)
        frames = math.ceil(self.seconds * features.frame_rate / stride)
        hop = features.stride_samples * stride
        return Windows(hop, max(frames, 4 * context, 1), context)

    def output(
        self, stream: Stream, hear: Callable[[int], None] = lambda _: None
    ) -> Tensors:
        """`ctc_logits` (1, T, V+1) and `mask` (1, T) of a waveform as of one row.

        Args:
            stream: the waveform.
            hear: is told how many samples have been read so far.
        """
        parts = list(self._parts(stream, hear))
        logits = np.concatenate(parts)[None]
        return {"ctc_logits": logits, "mask": np.ones(logits.shape[:2], bool)}

    def _parts(
        self, stream: Stream, hear: Callable[[int], None]
    ) -> Iterator[NDArray[np.float32]]:
        """The logits (T, V+1) of each window that are kept."""
        statistics = self.features.measure(self._raw(stream))
        windows = self.windows.cut(stream())
        seconds = self.windows.samples / self.features.sample_rate
        seen, rows, size = 0, 0, max(1, int(BATCH_SECONDS / seconds))
        while group := list(islice(windows, size)):
            rows = rows or len(group)
            inputs = self._inputs(group, rows, statistics)
            output = self.model.predict_on_batch(inputs)
            logits = ops.convert_to_numpy(output["ctc_logits"])
            lengths = ops.convert_to_numpy(output["mask"]).sum(axis=1)
            for window, row, length in zip(group, logits, lengths, strict=False):
                yield row[self.windows.kept(window, length)].copy()
            seen += len(group) * self.windows.step
            hear(seen)

    def _inputs(
        self, group: list[Window], rows: int, statistics: NDArray[Any] | None
    ) -> dict[str, NDArray[Any]]:
        waveforms = [window.samples for window in group]
        source, lengths = pad(waveforms, rows, self.windows.samples, 0)
        inputs = {"source": source, "source_lengths": lengths}
        if statistics is None:
            return inputs
        return inputs | {"statistics": np.repeat(statistics[None], rows, axis=0)}

    def _raw(self, stream: Stream) -> Iterator[NDArray[np.float32]]:
        """The frames (T, D) of features of the whole, before they are normalized."""
        context = self.features.context_frames
        frames = max(MEASURED_FRAMES, 4 * context)
        windows = Windows(self.features.stride_samples, frames, context)
        for window in windows.cut(stream()):
            source, lengths = pad([window.samples], 1, windows.samples, 0)
            raw, mask = self.features.raw(source, lengths)
            kept = windows.kept(window, int(ops.convert_to_numpy(mask).sum()))
            yield ops.convert_to_numpy(raw)[0, kept]
