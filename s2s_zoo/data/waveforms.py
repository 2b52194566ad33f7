"""Recordings to padded batches of frames and of the samples they stand for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import read_audio
from s2s_zoo.data.manifests import Utterance, is_features
from s2s_zoo.data.mu_law import encode_mu_law
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.errors import UserError
from s2s_zoo.typing import Arrays


@dataclass(frozen=True)
class WaveformBatches:
    """The batches of a set of recordings, a piece of each.

    Attributes:
        utterances: what is read.
        spectrogram: what frames are.
        classes: of a sample.
        crop: frames of a piece at most.
        context: samples at the beginning of a piece that are not scored, unless the
            recording begins there.
        seed: of the order, and of the pieces of each (epoch, utterance).
        buckets: static shapes at most.
        unreadable: why recordings met so far could not be read, by name.
    """

    utterances: Sequence[Utterance]
    spectrogram: SpeechSpectrogram
    classes: int
    crop: int
    context: int
    seed: int = 0
    buckets: int = 1
    unreadable: dict[str, str] = field(default_factory=dict)

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` seconds of padded frames."""
        rate = self.spectrogram.frame_rate
        frames = [int(np.ceil(u.seconds * rate)) + 2 for u in self.utterances]
        sizes = [min(count, self.crop) for count in frames]
        samples = [size * self.spectrogram.stride for size in sizes]
        limit = int(budget * rate)
        return BatchPlan(sizes, samples, limit, self.buckets, self.seed, shuffle)

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; rows without a readable example are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: pieces are drawn when given; else they are the beginnings.

        Returns:
            Inputs: frames `source` (R, T, M) with `source_lengths`, and classes
            `target` (R, S) int32 with `target_lengths`. Target: the same, -1 where a
            sample is padding or is not scored.
        """
        rows, size = batch.bucket.rows, batch.bucket.size
        pieces = [self._piece_or_nothing(i, epoch, size) for i in batch.indices]
        frames, samples, skipped = zip(*pieces, strict=True)
        source, source_lengths = pad(frames, rows, size, 0)
        target, lengths = pad(samples, rows, size * self.spectrogram.stride, -1)
        inputs = {"source": source, "source_lengths": source_lengths}
        inputs |= {"target": target, "target_lengths": lengths}
        place = np.arange(target.shape[1])[None]
        begins = pad([np.full(1, count) for count in skipped], rows, 1, 0)[0]
        scored = np.where(place >= begins, target, -1).astype(np.int32)
        return inputs, {"target": scored, "target_lengths": lengths}

    def units(self, inputs: Arrays) -> float:
        """Seconds of speech in the inputs of a batch."""
        return float(inputs["source_lengths"].sum()) / self.spectrogram.frame_rate

    def names(self, batch: Batch) -> list[str]:
        """What messages call the utterances of a batch."""
        return [self.utterances[i].name for i in batch.indices]

    def _piece_or_nothing(
        self, index: int, epoch: int | None, size: int
    ) -> tuple[NDArray[np.float32], NDArray[np.int32], int]:
        """Frames, samples, and how many of these are not scored."""
        utterance, spectrogram = self.utterances[index], self.spectrogram
        try:
            if is_features(utterance):
                raise UserError(f"{utterance.name}: waveforms are learned from audio")
            audio = read_audio(utterance.source, spectrogram.sample_rate)
        except UserError as error:
            self.unreadable[utterance.name] = str(error)
            nothing = np.zeros((0, spectrogram.num_mels), np.float32)
            return nothing, np.zeros(0, np.int32), 0
        frames = spectrogram(audio)[:, : spectrogram.num_mels]
        start = 0
        if epoch is not None and len(frames) > size:
            rng = np.random.default_rng((self.seed, epoch, index))
            start = int(rng.integers(len(frames) - size + 1))
        stride = spectrogram.stride
        samples = encode_mu_law(audio[start * stride :][: size * stride], self.classes)
        return frames[start : start + size], samples, self.context if start else 0
