"""Labelled recordings to batches of waveforms of one length."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio_clips import of_length, read_clip
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.errors import UserError
from s2s_zoo.typing import Arrays


@dataclass(frozen=True)
class LabelledAudioBatches:
    """The batches of a set of labelled recordings.

    Attributes:
        examples: what is read.
        labels: number of the label of each (N,), -1 for none.
        sample_rate: rate recordings are resampled to, Hz.
        size: samples of each, S: longer ones are cut, shorter ones stand in silence.
        shift: samples by which they are moved at random in training, either way.
        augmentation: applied before, None for none.
        seed: of the order, and of what is random of each (epoch, recording).
        unreadable: why recordings met so far could not be read, by name.
    """

    examples: Sequence[Labelled]
    labels: NDArray[np.int32]
    sample_rate: int
    size: int
    shift: int = 0
    augmentation: AudioAugmentation | None = None
    seed: int = 0
    unreadable: dict[str, str] = field(default_factory=dict)

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` seconds of audio."""
        count = len(self.examples)
        samples = int(budget * self.sample_rate)
        lengths, ones = [self.size] * count, [1] * count
        return BatchPlan(lengths, ones, samples, 1, self.seed, shuffle)

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; rows without a readable recording are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: moves and augments when given.

        Returns:
            Source `source` (R, S) float32 with `source_lengths` (R,), and target
            `target` (R, 1) with `target_lengths`.
        """
        rows = batch.bucket.rows
        sources = [self._source_or_nothing(i, epoch) for i in batch.indices]
        pairs = zip(batch.indices, sources, strict=True)
        labels = [self.labels[i : i + bool(len(source))] for i, source in pairs]
        source, source_lengths = pad(sources, rows, self.size, 0)
        target, target_lengths = pad(labels, rows, 1, -1)
        return (
            {"source": source, "source_lengths": source_lengths},
            {"target": target, "target_lengths": target_lengths},
        )

    def units(self, inputs: Arrays) -> float:
        """Seconds of audio in the inputs of a batch."""
        return float(inputs["source_lengths"].sum()) / self.sample_rate

    def names(self, batch: Batch) -> list[str]:
        """What messages call the recordings of a batch."""
        return [self.examples[i].name for i in batch.indices]

    def _source_or_nothing(self, index: int, epoch: int | None) -> NDArray[np.float32]:
        example = self.examples[index]
        try:
            audio = read_clip(str(example.source), self.sample_rate)
        except UserError as error:
            self.unreadable[example.name] = str(error)
            return np.zeros(0, np.float32)
        if epoch is None:
            return of_length(audio, self.size)
        rng = np.random.default_rng((self.seed, epoch, index))
        if self.augmentation:
            audio = self.augmentation(audio, self.sample_rate, rng)
        shift = int(rng.integers(-self.shift, self.shift, endpoint=True))
        return of_length(audio, self.size, shift)
