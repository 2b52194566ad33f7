"""Waveforms from spectrograms, sample by sample."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.audio import read_audio
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.mu_law import decode_mu_law
from s2s_zoo.data.padding import pad
from s2s_zoo.data.plan import MAX_BUCKETS
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.data.waveforms import WaveformBatches
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.layers.base import MAX_SIZE
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.samples import SampleCrossEntropy
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Hypothesis, Search
from s2s_zoo.search.samples import SampleSearch
from s2s_zoo.tasks.base import Selection, Task, Unit
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.runner import Result, Runner
from s2s_zoo.tasks.waveform import Waveform, write_waveforms
from s2s_zoo.typing import Arrays, Tensors

DRAWN_FRAMES = 24
"""Frames of a picture: samples are made one by one."""


class Bits(NamedTuple):
    """What a model needed for the samples of a recording."""

    total: float
    samples: int

    def __str__(self) -> str:
        return f"{self.total / max(self.samples, 1):.3f} bits a sample"


@dataclass(frozen=True)
class Vocoding(Task):
    """Waveforms of recordings from their mel spectrograms.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        objective: what training minimizes.
        search: how samples are drawn.
        spectrogram: what a model reads.
        classes: of a sample, by the μ-law.
        crop_seconds: of the piece of a recording that a step reads.
        context: samples at the beginning of a piece that are not scored: what a
            decoder sees before a sample.
        min_seconds: shorter recordings are not trained on.
        max_seconds: longer recordings are not trained on.
        buckets: static shapes the batches have at most.

    Example:
        >>> from s2s_zoo.tasks.vocoding import Vocoding
        >>> Vocoding().offers(budget=8.0)["decoder"]
        {'classes': 256, 'stride': 256}
    """

    name: ClassVar[str] = "vocoding"
    unit: ClassVar[Unit] = Unit(
        "seconds of speech", "speech_seconds_per_second", "x real time"
    )
    kind: ClassVar[str] = "utterances"
    evaluation_budget: ClassVar[float] = 16.0

    demo_corpus: str = "demo_voice"
    objective: Objective = field(default_factory=SampleCrossEntropy)
    search: Search = field(default_factory=SampleSearch)
    spectrogram: SpeechSpectrogram = field(default_factory=SpeechSpectrogram)
    classes: int = 256
    crop_seconds: float = 1.0
    context: int = 6138
    min_seconds: float = 0.3
    max_seconds: float = 20.0
    buckets: int = 1

    def __post_init__(self) -> None:
        check_range("buckets", self.buckets, 1, MAX_BUCKETS)
        check_range("classes", self.classes, 2, 1 << 16)
        check_range("context", self.context, 0, MAX_SIZE)

    @property
    def metric(self) -> str:
        return "bits_per_sample"

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, Hz."""
        return self.spectrogram.sample_rate

    @property
    def vocabulary_size(self) -> int:
        """Classes of a sample."""
        return self.classes

    @property
    def crop(self) -> int:
        """Frames of a piece."""
        return max(1, round(self.crop_seconds * self.spectrogram.frame_rate))

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        self.spectrogram.check()
        if self.context >= self.crop * self.spectrogram.stride:
            raise UserError(
                f"task.crop_seconds leaves nothing to score behind the {self.context} "
                f"samples of task.context. Received: {self.crop_seconds}"
            )
        stride = self.spectrogram.stride
        return {
            "features": {"frame_size": self.spectrogram.num_mels},
            "decoder": {"classes": self.classes, "stride": stride},
        }

    def scaled_settings(self) -> dict[str, Any]:
        sizes = {"fft_length": 64, "window": 64, "stride": 32, "num_mels": 6}
        scaled = {f"spectrogram.{name}": size for name, size in sizes.items()}
        return {**scaled, "classes": 16, "context": 20}

    def amount(self, examples: Sequence[Utterance]) -> str:
        return f"{sum(u.seconds for u in examples) / 3600:.2f} h"

    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Utterance],
        where: str,
        training: bool = True,
    ) -> Selection:
        """Set aside recordings that are too short or too long.

        Raises:
            UserError: nothing is left.
        """
        low, high = (self.min_seconds, self.max_seconds) if training else (0.0, np.inf)
        dropped: dict[str, list[str]] = {}
        for one in examples:
            if not low <= one.seconds <= high:
                reason = f"not of {low:g} to {high:g} s"
                dropped.setdefault(reason, []).append(one.name)
        usable = [one for one in examples if low <= one.seconds <= high]
        if not usable:
            raise UserError(f"{where}: no usable recording among {len(examples)}")
        return Selection(usable, dropped)

    def batches(
        self, examples: Sequence[Utterance], training: bool = False, seed: int = 0
    ) -> WaveformBatches:
        return WaveformBatches(
            examples,
            self.spectrogram,
            self.classes,
            self.crop,
            self.context,
            seed,
            self.buckets,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Noise of as many frames as a piece has."""
        rng, spectrogram = np.random.default_rng(0), self.spectrogram
        size = min(self.crop, max(1, int(budget * spectrogram.frame_rate)))
        rows = max(1, int(budget * spectrogram.frame_rate / size))
        lengths = rng.integers(max(1, size * 3 // 4), size + 1, rows, np.int32)
        shape = (rows, size, spectrogram.num_mels)
        source = rng.uniform(0, 2, shape).astype(np.float32)
        samples = rng.integers(0, self.classes, (rows, size * spectrogram.stride))
        counts = lengths * spectrogram.stride
        real = np.arange(samples.shape[1])[None] < counts[:, None]
        target = np.where(real, samples, -1).astype(np.int32)
        scored = {"target": target, "target_lengths": counts.astype(np.int32)}
        inputs = {"source": source, "source_lengths": lengths, **scored}
        return (inputs, scored), float(lengths.sum()) / spectrogram.frame_rate

    def runner(self, model: Seq2Seq, search: Search) -> "Vocoder":
        return Vocoder(model, search, self)

    def as_example(self, raw: Any) -> Utterance:
        return Utterance(str(raw), str(raw), 0.0, "")

    def reference(self, example: Utterance) -> str:
        return example.name

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Bits that a sample costs, those before it known."""
        totals, samples = zip(*(outcome.output for outcome in outcomes), strict=True)
        return {"bits_per_sample": Pooled.ratio(totals, samples)}

    def signature(self, search: Search, outcomes: Sequence[Outcome]) -> str:
        return f"teacher_forced|mu_law:{self.classes}"

    def write(self, results: Sequence[Mapping[str, Any]], path: Path) -> None:
        """Write a WAV file; of several inputs one each, numbered behind its stem."""
        write_waveforms(results, path)


@dataclass(frozen=True)
class Vocoder(Runner):
    """A model of waveforms.

    Attributes:
        task: what it reads and writes.
    """

    task: Vocoding

    def read(self, inputs: Arrays, scored: Tensors) -> list[Result]:
        """The cost of the samples of each row where they are scored, else waveforms."""
        if "logits" not in scored:
            found = self.searched(inputs)
            return [self.result(rows) for rows in self.hypotheses(found)]
        logits = ops.log_softmax(ops.convert_to_tensor(scored["logits"]))
        target = ops.convert_to_tensor(inputs["target"])
        likely = ops.take_along_axis(logits, ops.maximum(target, 0)[..., None], axis=-1)
        nats = ops.convert_to_numpy(ops.where(target >= 0, -likely[..., 0], 0.0))
        counts = inputs["target_lengths"].tolist()
        totals = (nats.sum(axis=1) / np.log(2)).tolist()
        pairs = zip(totals, counts, strict=True)
        return [Result(Bits(total, count)) for total, count in pairs]

    def result(self, hypotheses: list[Hypothesis]) -> Result:
        samples = decode_mu_law(hypotheses[0].tokens, self.task.classes)
        return Result(Waveform(samples, self.task.sample_rate))

    def run(self, inputs: Sequence[Any]) -> list[Result]:
        """The waveforms of audio files, by their spectrograms, or of (U, M) frames."""
        results = []
        for item in inputs:
            results.append(self._run_one(item))
            self.progress(1)
        return results

    def _run_one(self, item: Any) -> Result:
        try:
            frames = self.frames(item)
        except UserError as error:
            return Result("", error=str(error))
        source, lengths = pad([frames], 1, max(len(frames), 1), 0)
        return self.read({"source": source, "source_lengths": lengths}, {})[0]

    def frames(self, item: Any) -> NDArray[np.float32]:
        """(U, M) frames of a file, or what was given as it is.

        Raises:
            UserError: the file cannot be read, or frames have other channels.
        """
        spectrogram = self.task.spectrogram
        if isinstance(item, (str, Path)):
            audio = read_audio(item, spectrogram.sample_rate)
            return spectrogram(audio)[:, : spectrogram.num_mels]
        frames = np.asarray(item, np.float32)
        if frames.ndim != 2 or frames.shape[1] != spectrogram.num_mels:
            wanted = f"(U, {spectrogram.num_mels})"
            raise UserError(f"Frames are {wanted}. Received: {frames.shape}")
        return frames

    def draw(self, example: Utterance, path: Path) -> None:
        """The first frames of a recording, and those of what is made of them."""
        from s2s_zoo.plots.speech import plot_speech

        known = self.frames(example.source)[:DRAWN_FRAMES]
        made = self._run_one(known).output.samples
        mels = self.task.spectrogram(made)[:, : known.shape[1]]
        plot_speech(
            path,
            frames=mels,
            alignment=np.zeros((0, 0)),
            symbols=example.name,
            frame_seconds=1 / self.task.spectrogram.frame_rate,
            recorded=known,
        )


TASKS.register(Vocoding.name, Vocoding, __file__)
