"""Which class a recording of one length is of: spoken commands, sounds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio_clips import of_length, read_clip
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.labelled_audio import LabelledAudioBatches
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.features.audio import MAX_RATE
from s2s_zoo.features.clip import MAX_SECONDS
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.tasks.base import Unit
from s2s_zoo.tasks.classification import Classification
from s2s_zoo.tasks.label_reader import LabelReader
from s2s_zoo.typing import Arrays


@dataclass(frozen=True)
class AudioClassification(Classification):
    """Clips of one length to labels.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        sample_rate: rate of the waveforms, Hz.
        seconds: of every clip: what is longer is cut at both ends, what is shorter
            stands in silence.
        shift_seconds: by how much clips are moved at random in training, either way.
        augmentation: of waveforms in training.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.tasks import AudioClassification
        >>> task = AudioClassification(seconds=0.5)
        >>> task.clip(np.ones(4000, "float32")).sum(), task.metric
        (np.float32(4000.0), 'accuracy')
    """

    name: ClassVar[str] = "audio_classification"
    unit: ClassVar[Unit] = Unit(
        "seconds of audio", "audio_seconds_per_second", "x real time"
    )
    kind: ClassVar[str] = "labelled_recordings"
    evaluation_budget: ClassVar[float] = 120.0

    demo_corpus: str = "demo_commands"
    classes: int = 12
    sample_rate: int = 16000
    seconds: float = 1.0
    shift_seconds: float = 0.1
    augmentation: AudioAugmentation = field(default_factory=AudioAugmentation)

    def __post_init__(self) -> None:
        super().__post_init__()
        check_range("sample_rate", self.sample_rate, 1, MAX_RATE)
        check_range("seconds", self.seconds, 0.01, MAX_SECONDS)
        check_range("shift_seconds", self.shift_seconds, 0, self.seconds)

    @property
    def samples(self) -> int:
        """Samples of a clip, S."""
        return round(self.seconds * self.sample_rate)

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        clips = {"seconds": self.seconds, "sample_rate": self.sample_rate}
        return {**super().offers(budget), "features": clips}

    def clip(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """A waveform (S,) of any length as a clip."""
        return of_length(audio, self.samples)

    def batches(
        self, examples: Sequence[Labelled], training: bool = False, seed: int = 0
    ) -> LabelledAudioBatches:
        return LabelledAudioBatches(
            examples,
            self.numbers(examples),
            self.sample_rate,
            self.samples,
            round(self.shift_seconds * self.sample_rate),
            self.augmentation if training else None,
            seed,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        rng = np.random.default_rng(0)
        rows = max(1, int(budget / self.seconds))
        source = rng.normal(0, 0.1, (rows, self.samples)).astype(np.float32)
        lengths = np.full(rows, self.samples, np.int32)
        labels = rng.integers(0, len(self.fitted_labels), (rows, 1), np.int32)
        target = {"target": labels, "target_lengths": np.ones(rows, np.int32)}
        return ({"source": source, "source_lengths": lengths}, target), (
            rows * self.seconds
        )

    def runner(self, model: Seq2Seq, search: Search) -> "AudioLabelReader":
        return AudioLabelReader(model, search, self)

    def as_example(self, raw: Any) -> Labelled:
        return Labelled(str(raw), str(raw), "")


@dataclass(frozen=True)
class AudioLabelReader(LabelReader):
    """Tells labels of audio files and waveforms."""

    task: AudioClassification

    def source(self, item: Any) -> NDArray[np.float32]:
        if isinstance(item, (str, Path)):
            audio = read_clip(str(item), self.task.sample_rate)
        else:
            audio = np.asarray(item, np.float32)
        if audio.ndim != 1 or not audio.size:
            raise UserError(f"A waveform is (S,). Received: {audio.shape}")
        return self.task.clip(audio)

    def noise(self) -> list[NDArray[Any]]:
        rng = np.random.default_rng(0)
        waves = rng.normal(0, 0.1, (3, self.task.samples))
        return list(waves.astype(np.float32))


TASKS.register(AudioClassification.name, AudioClassification, __file__)
