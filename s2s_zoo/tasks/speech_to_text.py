"""Speech recognition: characters from waveforms, by CTC."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.manifests import Utterance, is_features
from s2s_zoo.data.plan import MAX_BUCKETS
from s2s_zoo.data.precomputed import FEATURE_RATE, load_features
from s2s_zoo.data.speech import SpeechBatches
from s2s_zoo.data.transcripts import normalize_transcript, unknown_characters
from s2s_zoo.errors import UserError, check_range
from s2s_zoo.features.audio import MAX_RATE
from s2s_zoo.losses.base import Objective
from s2s_zoo.losses.ctc import CTC
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.breakdown import Breakdown
from s2s_zoo.metrics.error_rates import error_measures
from s2s_zoo.metrics.word_confusions import error_breakdown
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.base import Search
from s2s_zoo.search.ctc_greedy import CTCGreedy
from s2s_zoo.tasks.base import Selection, Task, Unit
from s2s_zoo.tasks.evaluation import Outcome
from s2s_zoo.tasks.neural_language_model import knowing_its_model
from s2s_zoo.tasks.runner import Progress, unheard
from s2s_zoo.tasks.speech_reader import SpeechReader, features_width
from s2s_zoo.typing import Arrays

ENGLISH = " abcdefghijklmnopqrstuvwxyz'"
MEASURED = "case:lower|punctuation:none|wer:pooled|interval:bootstrap1000"


@dataclass(frozen=True)
class SpeechToText(Task):
    """Recognition of utterances over an alphabet of characters.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        objective: what training minimizes.
        search: how transcripts are found.
        alphabet: the characters, in the order of their token ids.
        sample_rate: rate of the waveforms, Hz.
        min_seconds: shorter utterances are not trained on.
        max_seconds: longer utterances are not trained on.
        augmentation: of waveforms in training.
        buckets: static shapes the batches have at most.

    Example:
        >>> from s2s_zoo.tasks import SpeechToText
        >>> task = SpeechToText()
        >>> tokens = task.encode("Stop it")
        >>> tokens.tolist(), task.decode(tokens)
        ([19, 20, 15, 16, 0, 9, 20], 'stop it')
    """

    name: ClassVar[str] = "speech_to_text"
    unit: ClassVar[Unit] = Unit(
        "seconds of audio", "audio_seconds_per_second", "x real time"
    )
    kind: ClassVar[str] = "utterances"
    evaluation_budget: ClassVar[float] = 120.0

    demo_corpus: str = "demo_speech"
    objective: Objective = field(default_factory=CTC)
    search: Search = field(default_factory=CTCGreedy)
    alphabet: str = ENGLISH
    sample_rate: int = 16000
    min_seconds: float = 0.1
    max_seconds: float = 16.7
    augmentation: AudioAugmentation = field(default_factory=AudioAugmentation)
    buckets: int = 4

    def __post_init__(self) -> None:
        check_range("sample_rate", self.sample_rate, 1, MAX_RATE)
        check_range("buckets", self.buckets, 1, MAX_BUCKETS)

    @property
    def metric(self) -> str:
        return "word_error_rate"

    @property
    def vocabulary_size(self) -> int:
        """Tokens, the blank not counted."""
        return len(self.alphabet)

    def offers(self, budget: float) -> dict[str, dict[str, Any]]:
        return {
            "features": {"sample_rate": self.sample_rate},
            "decoder": {"vocabulary_size": self.vocabulary_size},
        }

    def encode(self, text: str) -> NDArray[np.int32]:
        """Token ids of a transcript.

        Raises:
            UserError: a character is not in the alphabet.
        """
        index = {character: i for i, character in enumerate(self.alphabet)}
        text = normalize_transcript(text, self.alphabet)
        unknown = sorted(set(text) - set(index))
        if unknown:
            raise UserError(
                f"The alphabet is {self.alphabet!r}. Received {unknown} in {text!r}"
            )
        return np.array([index[character] for character in text], np.int32)

    def decode(self, tokens: NDArray[np.int32]) -> str:
        """The text of token ids; ids below 0 are padding."""
        return "".join(self.alphabet[t] for t in tokens if t >= 0)

    def amount(self, examples: Sequence[Utterance]) -> str:
        return f"{sum(u.seconds for u in examples) / 3600:.2f} h"

    def select(
        self,
        model: Seq2Seq,
        examples: Sequence[Utterance],
        where: str,
        training: bool = True,
    ) -> Selection:
        """Set aside utterances too short, too long or with too few CTC frames.

        Raises:
            UserError: transcripts hold characters outside the alphabet or no words, or
                nothing usable is left.
        """
        if not examples:
            raise UserError(f"There are no utterances in {where}")
        self._check_features(model, examples, where)
        self._check_alphabet(examples, where)
        dropped: dict[str, list[str]] = {}
        usable = []
        frames = self._output_frames(model, examples)
        for utterance, available in zip(examples, frames, strict=True):
            reason = self._unusable(utterance, available) if training else None
            if reason:
                dropped.setdefault(reason, []).append(utterance.name)
            else:
                usable.append(utterance)
        if not usable:
            raise UserError(
                f"{where}: no usable utterance among {len(examples)}; dropped "
                + "; ".join(f"{len(n)} {reason}" for reason, n in dropped.items())
            )
        self._check_words(usable, where)
        return Selection(usable, dropped)

    def _check_features(
        self, model: Seq2Seq, examples: Sequence[Utterance], where: str
    ) -> None:
        rate = getattr(model.features, "sample_rate", self.sample_rate)
        if rate != self.sample_rate:
            raise UserError(
                "task.sample_rate and features.sample_rate are the same. Received: "
                f"{self.sample_rate} and {rate}"
            )
        wanted = features_width(model)
        width = next(filter(None, map(_width, examples)), wanted)
        if wanted is not None and width != wanted:
            raise UserError(
                f"{where}: features are {width} wide, and the model reads {wanted}: "
                f"--set features.num_features={width}"
            )

    def _check_words(self, examples: Sequence[Utterance], where: str) -> None:
        texts = (normalize_transcript(u.transcript, self.alphabet) for u in examples)
        if not any(text.strip() for text in texts):
            raise UserError(
                f"{where}: no reference words in {len(examples)} utterances, so there "
                "is nothing to learn from or to measure by; `s2s-zoo infer` needs none"
            )

    def _check_alphabet(self, examples: Sequence[Utterance], where: str) -> None:
        texts = [normalize_transcript(u.transcript, self.alphabet) for u in examples]
        unknown = unknown_characters(texts, self.alphabet)
        if unknown:
            found = ", ".join(f"{c!r} {n} times" for c, n in unknown.most_common())
            raise UserError(
                f"{where}: the alphabet is {self.alphabet!r}. Received also {found}"
            )

    def _unusable(self, utterance: Utterance, frames: int) -> str | None:
        if not utterance.seconds:
            return "empty or unreadable"
        if utterance.seconds < self.min_seconds:
            return f"shorter than {self.min_seconds} s"
        if utterance.seconds > self.max_seconds:
            return f"longer than {self.max_seconds} s"
        tokens = self.encode(utterance.transcript)
        needed = len(tokens) + int(np.sum(tokens[1:] == tokens[:-1]))
        if frames < max(needed, 1):
            return "with fewer frames than its transcript needs"
        return None

    def _output_frames(
        self, model: Seq2Seq, examples: Sequence[Utterance]
    ) -> NDArray[np.int32]:
        """CTC frames of each utterance, as short as augmentation makes it."""
        if is_features(examples[0]):
            seconds = np.array([u.seconds for u in examples])
            frames = (seconds * FEATURE_RATE).round().astype(np.int32)
            return model.encoder.output_lengths(frames)
        shortest = [self.augmentation.shortest(u.seconds) for u in examples]
        return self.output_frames(model, shortest)

    def output_frames(self, model: Seq2Seq, seconds: Any) -> Any:
        """CTC frames of audio of that many seconds, a number or an array."""
        samples = np.asarray(np.multiply(seconds, self.sample_rate), np.int32)
        frames = ops.convert_to_numpy(model.features.output_lengths(samples))
        return model.encoder.output_lengths(frames)

    def batches(
        self, examples: Sequence[Utterance], training: bool = False, seed: int = 0
    ) -> SpeechBatches:
        return SpeechBatches(
            examples,
            [self.encode(u.transcript) for u in examples],
            self.sample_rate,
            self.augmentation if training else None,
            seed,
            self.buckets,
        )

    def random_batch(self, budget: float) -> tuple[tuple[Arrays, Arrays], float]:
        """Utterances of up to 6 s, whose characters last 80 ms each."""
        rng = np.random.default_rng(0)
        seconds = min(6.0, budget)
        rows, samples = max(1, round(budget / seconds)), int(seconds * self.sample_rate)
        lengths = rng.integers(samples * 3 // 4, samples, rows, np.int32)
        source = rng.normal(0, 0.1, (rows, samples)).astype(np.float32)
        sizes = (lengths / self.sample_rate / 0.08).astype(np.int32)
        tokens = rng.integers(0, self.vocabulary_size, (rows, sizes.max()), np.int32)
        inputs = {"source": source, "source_lengths": lengths}
        target = {"target": tokens, "target_lengths": sizes}
        return (inputs, target), float(lengths.sum() / self.sample_rate)

    def runner(self, model: Seq2Seq, search: Search) -> SpeechReader:
        reading = knowing_its_model(search).over(self.alphabet)
        return SpeechReader(model, search, self, reading)

    def as_example(self, raw: Any) -> Utterance:
        return Utterance(str(raw), str(raw), -1.0, "")

    def reference(self, example: Utterance) -> str:
        return normalize_transcript(example.transcript, self.alphabet)

    def measures(self, outcomes: Sequence[Outcome]) -> dict[str, Pooled]:
        """Word and character error rate."""
        _, references, hypotheses = zip(*outcomes, strict=True)
        return error_measures(references, hypotheses)

    def breakdown(self, outcomes: Sequence[Outcome]) -> Breakdown:
        """Errors of each utterance in words, and the most frequent confusions."""
        _, references, hypotheses = zip(*outcomes, strict=True)
        return error_breakdown(references, hypotheses)

    def signature(self, search: Search, outcomes: Sequence[Outcome]) -> str:
        return f"{search.signature}|{MEASURED}"

    def infer(
        self,
        model: Seq2Seq,
        inputs: Sequence[Any],
        search: str = "",
        progress: Progress = unheard,
    ) -> list[dict[str, Any]]:
        """As of every task; blank lines of a list of files are no inputs."""
        named = [item for item in inputs if str(item).strip()]
        return super().infer(model, named, search, progress)


def _width(utterance: Utterance) -> int:
    """D of precomputed features; 0 of audio, and where they cannot be read."""
    if not is_features(utterance):
        return 0
    try:
        return load_features(utterance.source).shape[1]
    except UserError:
        return 0


TASKS.register(SpeechToText.name, SpeechToText, __file__)
