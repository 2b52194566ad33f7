"""Speech synthesis: spectrograms, and waveforms, from text."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import read_audio, write_wav
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.plan import MAX_BUCKETS
from s2s_zoo.data.spectrogram import SpeechSpectrogram
from s2s_zoo.data.speech_symbols import FIRST, SpeechText
from s2s_zoo.data.voices import (
    TAIL,
    VoiceBatches,
    recorded,
    stops,
    trimmed,
    voice_problems,
)
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.features.griffin_lim import GriffinLim
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.spectrogram import SpectrogramLoss
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.breakdown import Breakdown
from s2s_zoo.metrics.pitch import Pitched, pitch_measures
from s2s_zoo.metrics.speech import Spoken, speech_breakdown, speech_measures
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.search.frames import FrameSearch
from s2s_zoo.tasks.attention_sentinel import (
    Recordings,
    attention_verdict,
    data_verdict,
    rate_verdict,
)
from s2s_zoo.tasks.base import Selection, Task, Unit
from s2s_zoo.tasks.course import Course
from s2s_zoo.tasks.evaluation import Evaluation, Outcome
from s2s_zoo.tasks.speaker import Recorded, Speaker, Speech, draw_speech
from s2s_zoo.tasks.vocoding import Vocoding
from s2s_zoo.tasks.waveform import Waveform, write_waveforms
from s2s_zoo.typing import Arrays
from s2s_zoo.vocabulary import PAD

MEASURED = "mcd:13,dtw|f0:pyin,dtw|interval:bootstrap1000"
HEARD = 64
"""Recordings that are listened to before a warning."""
SCALED = {
    "spectrogram.fft_length": 256,
    "spectrogram.window": 256,
    "spectrogram.stride": 128,
    "spectrogram.num_mels": 6,
}


@dataclass(frozen=True)
class TextToSpeech(Task):
    """Synthesis of the voice of a corpus of recordings with their texts.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        objective: what training minimizes.
        search: how frames are written.
        text: what is read of a text.
        spectrogram: what is written of a recording.
        vocoder: what makes waveforms of written frames.
        min_seconds: shorter recordings are not trained on.
        max_seconds: longer recordings are not trained on.
        trim_db: silence at both ends of recordings is cut that lies so far below the
            peak, in dB; 0 leaves it.
        buckets: static shapes the batches have at most.

    Example:
        >>> from s2s_zoo.tasks import TextToSpeech
        >>> task = TextToSpeech()
        >>> task.offers(budget=60.0)["features"], task.text.encode("hi").tolist()
        ({'vocabulary_size': 37}, [10, 11, 1])
    """

    name: ClassVar[str] = "text_to_speech"
    unit: ClassVar[Unit] = Unit(
        "seconds of speech", "speech_seconds_per_second", "x real time"
    )
    kind: ClassVar[str] = "utterances"
    evaluation_budget: ClassVar[float] = 120.0

    demo_corpus: str = "demo_voice"
    objective: Objective = field(default_factory=SpectrogramLoss)
    search: Search = field(default_factory=FrameSearch)
    text: SpeechText = field(default_factory=SpeechText)
    spectrogram: SpeechSpectrogram = field(default_factory=SpeechSpectrogram)
    vocoder: GriffinLim = field(default_factory=GriffinLim)
    min_seconds: float = 0.3
    max_seconds: float = 12.0
    trim_db: float = 0.0
    buckets: int = 4

    def __post_init__(self) -> None:
        check_range("buckets", self.buckets, 1, MAX_BUCKETS)
        check_range("trim_db", self.trim_db, 0, 200)

    @property
    def metric(self) -> str:
        return "mel_cepstral_distortion"

    @property
    def alphabet(self) -> str:
        """The characters that texts are made of, as a check of data asks for them."""
        return self.text.characters

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, Hz."""
        return self.spectrogram.sample_rate

    def fold(self, text: str) -> str:
        """What is read of a text, as a check of data asks for it."""
        return self.text.symbols(text)

    def listen(
        self, audio: NDArray[np.float32], rate: int
    ) -> Iterator[tuple[str, str]]:
        """What of a recording (S,) hurts synthesis, likewise."""
        return voice_problems(audio, rate)

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        spectrogram = self.spectrogram
        spectrogram.check()
        told = spectrogram.bins if spectrogram.magnitudes else 0
        return {
            "features": {"vocabulary_size": self.text.size},
            "decoder": {"frame_size": spectrogram.num_mels, "magnitude_size": told},
        }

    def scaled_settings(self) -> dict[str, Any]:
        return SCALED

    def amount(self, examples: Sequence[Utterance]) -> str:
        return f"{sum(u.seconds for u in examples) / 3600:.2f} h"

    def output_frames(self, model: Seq2Seq, seconds: Any) -> Any:
        """Frames of recordings of that many seconds, a number or an array."""
        del model
        frames = np.multiply(seconds, self.spectrogram.frame_rate)
        return np.asarray(frames, np.int32) + 1

    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Utterance],
        where: str,
        training: bool = True,
    ) -> Selection:
        """Set aside recordings that are too short or too long, or have no text.

        Raises:
            UserError: texts hold characters that have no id, or nothing is left.
        """
        if not examples:
            raise UserError(f"There are no recordings in {where}")
        self._check_characters(examples, where)
        dropped: dict[str, list[str]] = {}
        usable = []
        for utterance in examples:
            reason = self._unusable(utterance, training)
            if reason:
                dropped.setdefault(reason, []).append(utterance.name)
            else:
                usable.append(utterance)
        if not usable:
            raise UserError(
                f"{where}: no usable recording among {len(examples)}; dropped "
                + "; ".join(f"{len(n)} {reason}" for reason, n in dropped.items())
            )
        return Selection(usable, dropped)

    def _check_characters(self, examples: Sequence[Utterance], where: str) -> None:
        unknown = self.text.unknown(u.transcript for u in examples)
        if unknown:
            found = ", ".join(f"{c!r} {n} times" for c, n in unknown.most_common())
            raise UserError(
                f"{where}: the alphabet is {self.text.characters!r}. Received also "
                f"{found}"
            )

    def _unusable(self, utterance: Utterance, training: bool) -> str | None:
        if not self.text.speaks(utterance.transcript):
            return "without a text"
        if training and not utterance.seconds:
            return "empty or unreadable"
        if training and utterance.seconds < self.min_seconds:
            return f"shorter than {self.min_seconds} s"
        if training and utterance.seconds > self.max_seconds:
            return f"longer than {self.max_seconds} s"
        return None

    def batches(
        self, examples: Sequence[Utterance], training: bool = False, seed: int = 0
    ) -> VoiceBatches:
        return VoiceBatches(
            examples,
            [self.text.encode(u.transcript) for u in examples],
            self.spectrogram,
            self.trim_db,
            seed,
            self.buckets,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Sentences of up to 3 s, whose characters last 80 ms each."""
        rng, spectrogram = np.random.default_rng(0), self.spectrogram
        seconds = min(3.0, budget)
        rows = max(1, int(budget / seconds))
        size = max(2 * TAIL, int(seconds * spectrogram.frame_rate))
        lengths = rng.integers(max(TAIL + 1, size // 2), size + 1, rows, np.int32)
        real = np.arange(size)[None, :, None] < lengths[:, None, None]
        shape = (rows, size, spectrogram.width)
        target = (rng.uniform(0, 2, shape) * real).astype(np.float32)
        tokens = np.maximum(lengths / spectrogram.frame_rate / 0.08, 2)
        source, source_lengths = self._random_texts(rng, tokens.astype(np.int32))
        frames = {"target": target, "target_lengths": lengths}
        inputs = {"source": source, "source_lengths": source_lengths, **frames}
        wanted = {**frames, "stop": stops(lengths, size)}
        return (inputs, wanted), float(lengths.sum()) / spectrogram.frame_rate

    def _random_texts(
        self, rng: np.random.Generator, lengths: NDArray[np.int32]
    ) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
        shape = (len(lengths), int(lengths.max()))
        ids = rng.integers(FIRST, self.text.size, shape, np.int32)
        real = np.arange(shape[1])[None] < lengths[:, None]
        return np.where(real, ids, PAD).astype(np.int32), lengths

    def runner(self, model: Seq2Seq, search: Search) -> Speaker:
        return Speaker(model, search, self)

    def vocoded_by(self, vocoder: Seq2Seq | None) -> Callable[[Speech], Any]:
        """What makes waveforms of speech: Griffin-Lim, or a model that `vocoding` made.

        Raises:
            UserError: it is of another task, or reads frames of other settings.
        """
        if vocoder is None:
            return lambda speech: speech
        task = vocoder.task
        if not isinstance(task, Vocoding):
            raise UserError(
                f"The vocoder is a model for {task.name}; expected {Vocoding.name}"
            )
        if unlike := self.spectrogram.unlike(task.spectrogram):
            raise UserError(
                "The vocoder reads other frames than are written. Written and read: "
                f"{unlike}"
            )
        runner, size = task.runner(vocoder, task.search), self.spectrogram.num_mels

        def sounded(speech: Speech) -> Waveform:
            found: Waveform = runner.run([speech.frames[:, :size]])[0].output
            return found

        return sounded

    def as_example(self, raw: Any) -> Utterance:
        return Utterance(str(raw), "", 0.0, str(raw))

    def reference(self, example: Utterance) -> Recorded:
        """Its text and, where it can be read, the frames of its recording."""
        try:
            frames = recorded(example, self.spectrogram, self.trim_db)
        except UserError:
            frames = np.zeros((0, self.spectrogram.width), np.float32)
        return Recorded(example.transcript, frames, example, self)

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Mel-cepstral distortion, durations, stops and the way of attention."""
        return speech_measures(self._spoken(outcomes))

    def further_measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """The fundamental frequency of the waveforms, and which frames are voiced."""
        return pitch_measures(
            [
                Pitched(*spoken[:2], outcome.reference.pitch, outcome.output.pitch)
                for spoken, outcome in zip(
                    self._spoken(outcomes), outcomes, strict=True
                )
            ]
        )

    def breakdown(self, outcomes: Sequence[Outcome]) -> Breakdown:
        """Sentences that did not stop, that attention skipped in or repeated."""
        names = [outcome.name for outcome in outcomes]
        return speech_breakdown(names, self._spoken(outcomes))

    def _spoken(self, outcomes: Sequence[Outcome]) -> list[Spoken]:
        size, scale = self.spectrogram.num_mels, self.spectrogram.scale
        return [
            Spoken(
                outcome.reference.frames[:, :size] / scale,
                outcome.output.frames[:, :size] / scale,
                outcome.output.finished,
                outcome.output.alignment,
            )
            for outcome in outcomes
        ]

    def concern(self, examples: Sequence[Utterance]) -> str:
        """Why attention may not form, as far as the first recordings tell."""
        return data_verdict([*self.recordings(examples).concerns()])

    def warnings(self, evaluation: Evaluation, course: Course) -> dict[str, str]:
        """That the learning rate is too large, or that attention does not form."""
        found = {
            "rate": rate_verdict(course),
            "attention": attention_verdict(evaluation.metrics, course.share),
        }
        return {cause: text for cause, text in found.items() if text}

    def recordings(self, examples: Sequence[Utterance]) -> Recordings:
        """What is known of the first recordings, as far as they can be read."""
        problems: Counter[str] = Counter()
        seconds, characters, rate = [], [], self.sample_rate
        for example in examples[:HEARD]:
            with suppress(UserError):
                audio = trimmed(read_audio(example.source, rate), self.trim_db)
                problems.update(kind for kind, _ in self.listen(audio, rate))
                characters.append(len(self.fold(example.transcript)))
                seconds.append(len(audio) / rate)
        return Recordings(np.array(seconds), np.array(characters), problems)

    def illustrate(self, example: Utterance, outcome: Outcome, path: Path) -> None:
        """A picture of a held-out sentence, and how it sounds."""
        speech: Speech = outcome.output
        draw_speech(path.with_suffix(".png"), speech, outcome.reference)
        write_wav(path.with_suffix(".wav"), speech.samples, speech.sample_rate)

    def signature(self, search: Search, outcomes: Sequence[Outcome]) -> str:
        return f"{search.signature}|{MEASURED}"

    def write(self, results: Sequence[Mapping[str, Any]], path: Path) -> None:
        """Write a WAV file; of several texts one each, numbered behind its stem."""
        write_waveforms(results, path)


TASKS.register(TextToSpeech.name, TextToSpeech, __file__)
