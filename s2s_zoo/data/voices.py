"""Texts and recordings to padded batches of ids and of spectrogram frames."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import MAX_HOURS, read_audio
from s2s_zoo.data.manifests import Utterance, is_features
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import Batch, BatchPlan
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.errors import UserError
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import PAD

TAIL = 4
"""Frames of silence behind a recording, at which a decoder is to stop."""
FULL = 1 - 2**-14
"""From which a sample is at full scale; three in a row are cut off."""
SILENT_DB, SILENT_SECONDS = 40.0, 0.4
"""How far below the peak silence lies, and how much of it keeps attention away."""
ROUNDING = 2
"""Frames by which what a manifest states may be too short."""


@dataclass(frozen=True)
class VoiceBatches:
    """The batches of a set of recordings that are to be spoken.

    Attributes:
        utterances: what is read.
        tokens: ids of each text.
        spectrogram: what a recording becomes.
        trim_db: silence at both ends is cut that lies so far below the peak, in dB; 0
            leaves it.
        seed: of the order.
        buckets: static shapes at most.
        unreadable: why recordings met so far could not be read, by name.
    """

    utterances: Sequence[Utterance]
    tokens: Sequence[NDArray[np.int32]]
    spectrogram: SpeechSpectrogram
    trim_db: float = 0.0
    seed: int = 0
    buckets: int = 4
    unreadable: dict[str, str] = field(default_factory=dict)

    def plan(self, budget: float, shuffle: bool) -> BatchPlan:
        """Batches of at most `budget` seconds of padded frames."""
        rate = self.spectrogram.frame_rate
        frames = (int(np.ceil(u.seconds * rate)) for u in self.utterances)
        return BatchPlan(
            [count + ROUNDING + TAIL for count in frames],
            [len(ids) for ids in self.tokens],
            int(budget * rate),
            self.buckets,
            self.seed,
            shuffle,
        )

    def load(self, batch: Batch, epoch: int | None = None) -> tuple[Arrays, Arrays]:
        """Read a batch; rows without a readable example are empty, of length 0.

        Args:
            batch: from `plan`.
            epoch: not read: nothing is augmented.

        Returns:
            Inputs: ids `source` (R, T) with `source_lengths`, and frames `target`
            (R, U, D), `TAIL` of silence at their ends, with `target_lengths` (R,).
            Target: the same frames and lengths, and `stop` (R, U), 1 at these ends.
        """
        size, rows = batch.bucket.size, batch.bucket.rows
        frames = [self._frames_or_nothing(i, size) for i in batch.indices]
        texts = [
            self.tokens[i] if len(found) else self.tokens[i][:0]
            for i, found in zip(batch.indices, frames, strict=True)
        ]
        source, source_lengths = pad(texts, rows, batch.bucket.target_size, PAD)
        target, lengths = pad(frames, rows, size, 0)
        return (
            {
                "source": source,
                "source_lengths": source_lengths,
                "target": target,
                "target_lengths": lengths,
            },
            {"target": target, "target_lengths": lengths, "stop": stops(lengths, size)},
        )

    def units(self, inputs: Arrays) -> float:
        """Seconds of speech in the inputs of a batch."""
        return float(inputs["target_lengths"].sum()) / self.spectrogram.frame_rate

    def names(self, batch: Batch) -> list[str]:
        """What messages call the utterances of a batch."""
        return [self.utterances[i].name for i in batch.indices]

    def _frames_or_nothing(self, index: int, size: int) -> NDArray[np.float32]:
        utterance = self.utterances[index]
        try:
            frames = recorded(utterance, self.spectrogram, self.trim_db)
            if len(frames) + TAIL > size:
                seconds = len(frames) / self.spectrogram.frame_rate
                raise UserError(f"{seconds:.2f} s, longer than its manifest says")
        except UserError as error:
            self.unreadable[utterance.name] = str(error)
            return np.zeros((0, self.spectrogram.width), np.float32)
        return np.pad(frames, ((0, TAIL), (0, 0)))


def recorded(
    utterance: Utterance, spectrogram: SpeechSpectrogram, trim_db: float = 0.0
) -> NDArray[np.float32]:
    """(U, D) frames of a recording.

    Raises:
        UserError: it cannot be read, or is no audio.
    """
    return spectrogram(recording(utterance, spectrogram.sample_rate, trim_db))


def recording(
    utterance: Utterance, rate: int, trim_db: float = 0.0
) -> NDArray[np.float32]:
    """(S,) samples of a recording without the silence at its ends, as `recorded`."""
    if is_features(utterance):
        raise UserError(
            f"{utterance.name}: speech is synthesized from recordings, not from "
            "precomputed features"
        )
    if utterance.seconds > MAX_HOURS * 3600:
        hours = utterance.seconds / 3600
        raise UserError(f"{hours:.1f} hours; up to {MAX_HOURS} are read")
    return trimmed(read_audio(utterance.source, rate), trim_db)


def trimmed(audio: NDArray[np.float32], below_db: float) -> NDArray[np.float32]:
    """`audio` (S,) without the silence at its ends; 0 leaves it."""
    if not below_db:
        return audio
    from librosa.effects import trim

    kept: NDArray[np.float32]
    kept, _ = trim(audio, top_db=below_db, frame_length=512, hop_length=128)
    return kept


def voice_problems(audio: NDArray[np.float32], rate: int) -> Iterator[tuple[str, str]]:
    """What of a recording (S,) hurts synthesis, as `check_utterances` names it."""
    full = np.abs(audio) >= FULL
    runs = np.flatnonzero(full[2:] & full[1:-1] & full[:-2])
    if len(runs):
        where = int(runs[0]) / rate
        yield "clipped", f"{int(full.sum())} samples, the first at {where:.2f} s"
    from librosa.effects import trim

    first, last = trim(audio, top_db=SILENT_DB, frame_length=512, hop_length=128)[1]
    ends = (int(first) / rate, (len(audio) - int(last)) / rate)
    if max(ends) > SILENT_SECONDS:
        yield "silent_ends", f"{ends[0]:.2f} s before, {ends[1]:.2f} s behind"


def stops(lengths: NDArray[np.int32], size: int) -> NDArray[np.float32]:
    """(R, size) 1 on the last `TAIL` frames of each row, 0 before and behind."""
    place = np.arange(size)[None]
    behind = place < lengths[:, None]
    return (behind & (place >= lengths[:, None] - TAIL)).astype(np.float32)
