"""Utterances to padded batches of waveforms (or features) and token ids."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import MAX_HOURS, read_audio
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.manifests import Utterance, is_features
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.data.precomputed import FEATURE_RATE, load_features
from s2s_zoo.errors import UserError
from s2s_zoo.typing import Arrays

ROUNDING_SECONDS = 0.002


@dataclass(frozen=True)
class SpeechBatches:
    """The batches of a set of utterances.

    Attributes:
        utterances: what is read.
        tokens: token ids of each utterance.
        sample_rate: rate waveforms are resampled to, Hz.
        augmentation: applied to waveforms while training, None for none.
        seed: of the order, and of the augmentation of each (epoch, utterance).
        buckets: static shapes at most.
        unreadable: why utterances met so far could not be read, by name.
    """

    utterances: Sequence[Utterance]
    tokens: Sequence[NDArray[np.int32]]
    sample_rate: int
    augmentation: AudioAugmentation | None = None
    seed: int = 0
    buckets: int = 4
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def features(self) -> bool:
        """Whether the utterances are precomputed features instead of audio."""
        return is_features(self.utterances[0])

    @property
    def rate(self) -> float:
        """Entries of a source per second: samples, or frames of features."""
        return FEATURE_RATE if self.features else self.sample_rate

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` seconds of padded audio."""
        longest = self.augmentation.longest if self.augmentation else lambda s: s
        margin = 0 if self.features else int(ROUNDING_SECONDS * self.rate)
        stated = (u.seconds if _is_read(u) else 0.0 for u in self.utterances)
        frames = (int(np.ceil(longest(s) * self.rate)) + margin for s in stated)
        lengths = [max(1, count) for count in frames]
        return BatchPlan(
            lengths,
            [len(t) for t in self.tokens],
            int(budget * self.rate),
            self.buckets,
            self.seed,
            shuffle,
        )

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; rows without a readable example are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: augments when given.

        Returns:
            Source `source` (R, S) or (R, T, D) float32 with `source_lengths` (R,),
            and target `target` (R, U) int32 padded with -1 with `target_lengths`.
        """
        size = batch.bucket.size
        sources = [self._source_or_nothing(i, epoch, size) for i in batch.indices]
        targets = [self.tokens[i] for i in batch.indices]
        source, source_lengths = pad(sources, batch.bucket.rows, size, 0)
        target, target_lengths = pad(
            targets, batch.bucket.rows, batch.bucket.target_size, -1
        )
        return (
            {"source": source, "source_lengths": source_lengths},
            {"target": target, "target_lengths": target_lengths},
        )

    def units(self, inputs: Arrays) -> float:
        """Seconds of audio in the inputs of a batch."""
        return float(inputs["source_lengths"].sum()) / self.rate

    def names(self, batch: Batch) -> list[str]:
        """What messages call the utterances of a batch."""
        return [self.utterances[i].name for i in batch.indices]

    def _source_or_nothing(
        self, index: int, epoch: int | None, size: int
    ) -> NDArray[np.float32]:
        utterance = self.utterances[index]
        try:
            if not _is_read(utterance):
                hours = utterance.seconds / 3600
                raise UserError(f"{hours:.1f} hours; up to {MAX_HOURS} are read")
            source = self._source(index, epoch)
            if len(source) > size:
                rate = self.rate
                raise UserError(
                    f"{len(source) / rate:.2f} s, longer than its manifest says"
                )
        except UserError as error:
            self.unreadable[utterance.name] = str(error)
            return self._nothing()
        return source

    def _nothing(self) -> NDArray[np.float32]:
        """An empty row, of features as wide as the others."""
        if not self.features:
            return np.zeros(0, np.float32)
        for utterance in self.utterances:
            if utterance.name not in self.unreadable:
                with suppress(UserError):
                    return load_features(utterance.source)[:0]
        raise UserError(
            "None of the features can be read, the first for this reason: "
            f"{next(iter(self.unreadable.values()))}"
        )

    def _source(self, index: int, epoch: int | None) -> NDArray[np.float32]:
        utterance = self.utterances[index]
        if self.features:
            return load_features(utterance.source)
        audio = read_audio(utterance.source, self.sample_rate)
        if epoch is None or self.augmentation is None:
            return audio
        rng = np.random.default_rng((self.seed, epoch, index))
        return self.augmentation(audio, self.sample_rate, rng)


def _is_read(utterance: Utterance) -> bool:
    """Whether it is as short as what is read; room is made for what is stated."""
    return utterance.seconds <= MAX_HOURS * 3600
