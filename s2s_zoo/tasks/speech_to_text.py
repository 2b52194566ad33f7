"""Speech recognition: characters from waveforms, by CTC."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.audio import read_audio
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.corpora.resolve import read_data
from s2s_zoo.data.manifests import Utterance, is_features
from s2s_zoo.data.precomputed import FEATURE_RATE, load_features
from s2s_zoo.data.speech import SpeechBatches, pad
from s2s_zoo.data.transcripts import normalize_transcript, unknown_characters
from s2s_zoo.errors import UserError
from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.losses.ctc import ctc_fits, ctc_loss
from s2s_zoo.metrics.bootstrap import Pooled, score_all
from s2s_zoo.metrics.significance import Difference, paired_tests
from s2s_zoo.metrics.word_error_rate import error_measures
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import TASKS
from s2s_zoo.search.ctc_greedy import ctc_greedy
from s2s_zoo.search.words import Word, words
from s2s_zoo.tasks.base import Arrays, Evaluation, Selection, Task
from s2s_zoo.tasks.serving import Input, Serving, Signature
from s2s_zoo.typing import Tensor

ENGLISH = " abcdefghijklmnopqrstuvwxyz'"
BLOCK_SECONDS = 0.5
SAMPLES = 3
SIGNATURE = "ctc:greedy|case:lower|punctuation:none|wer:pooled|interval:bootstrap1000"


@dataclass(frozen=True)
class Transcription:
    """What was heard.

    Attributes:
        text: the transcript.
        words: with time stamps in seconds and confidences in 0..1.
    """

    text: str
    words: list[Word]


@dataclass(frozen=True)
class SpeechToText(Task):
    """Recognition of utterances over an alphabet of characters.

    Attributes:
        demo_corpus: corpus trained on when no data is named.
        alphabet: the characters, in the order of their token ids.
        sample_rate: rate of the waveforms, Hz.
        min_seconds: shorter utterances are not trained on.
        max_seconds: longer utterances are not trained on.
        augmentation: of waveforms in training.
        buckets: static shapes the batches have at most.
    """

    name: ClassVar[str] = "speech_to_text"
    evaluation_budget: ClassVar[float] = 120.0
    speed: ClassVar[tuple[str, str]] = ("audio_seconds_per_second", "x real time")

    demo_corpus: str = "demo_speech"
    alphabet: str = ENGLISH
    sample_rate: int = 16000
    min_seconds: float = 0.1
    max_seconds: float = 16.7
    augmentation: AudioAugmentation = field(default_factory=AudioAugmentation)
    buckets: int = 4

    @classmethod
    def from_settings(cls, settings: dict[str, Any]) -> Self:
        """The task with these attributes, as `dataclasses.asdict` gives them."""
        settings = dict(settings)
        augmentation = AudioAugmentation(**_tuples(settings.pop("augmentation", {})))
        return cls(**settings, augmentation=augmentation)

    @property
    def metric(self) -> str:
        return "word_error_rate"

    @property
    def vocabulary_size(self) -> int:
        """Tokens, the blank not counted."""
        return len(self.alphabet)

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

    def read(self, data: str, split: str) -> list[Utterance]:
        return read_data(data, split)

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
            UserError: transcripts hold characters outside the alphabet, or nothing
                usable is left.
        """
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
        return Selection(usable, dropped)

    def _check_alphabet(self, examples: Sequence[Utterance], where: str) -> None:
        texts = [normalize_transcript(u.transcript, self.alphabet) for u in examples]
        unknown = unknown_characters(texts, self.alphabet)
        if unknown:
            found = ", ".join(f"{c!r} {n} times" for c, n in unknown.most_common())
            raise UserError(
                f"{where}: the alphabet is {self.alphabet!r}. Received also {found}"
            )

    def _unusable(self, utterance: Utterance, frames: int) -> str | None:
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
        )

    def loss(self, target: dict[str, Tensor], output: dict[str, Tensor]) -> Tensor:
        """Mean CTC loss, in nats, over the utterances whose transcript fits."""
        lengths = mask_lengths(output["mask"])
        target_lengths = target["target_lengths"]
        losses = ctc_loss(output["logits"], lengths, target["target"], target_lengths)
        fits = ctc_fits(lengths, target["target"], target_lengths)
        count = ops.sum(ops.cast(fits, "float32"))
        return ops.sum(losses) / ops.maximum(count, 1.0)

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

    def weight(self, inputs: Arrays, target: Arrays) -> float:
        """Utterances of a batch."""
        return float(np.sum(inputs["source_lengths"] > 0))

    def generate(
        self, model: Seq2Seq, inputs: Sequence[Any], **search: Any
    ) -> list[str]:
        """Transcripts of audio files or (S,) waveforms at `sample_rate`."""
        return [t.text for t in self.transcribe(model, inputs, **search)]

    def transcribe(
        self, model: Seq2Seq, inputs: Sequence[Any], batch_size: int = 8
    ) -> list[Transcription]:
        """Transcripts with words of audio files, waveforms or (T, D) features."""
        sources = [self._read(item) for item in inputs]
        order = sorted(range(len(sources)), key=lambda i: len(sources[i]))
        results: dict[int, Transcription] = {}
        for start in range(0, len(order), batch_size):
            rows = order[start : start + batch_size]
            found = self._transcribe_batch(model, [sources[i] for i in rows])
            results.update(zip(rows, found, strict=True))
        return [results[i] for i in range(len(sources))]

    def _read(self, item: Any) -> NDArray[np.float32]:
        if isinstance(item, (str, Path)):
            if ".npz#" in str(item):
                return load_features(str(item))
            return read_audio(item, self.sample_rate)
        return np.asarray(item, np.float32)

    def _transcribe_batch(
        self, model: Seq2Seq, sources: list[NDArray[np.float32]]
    ) -> list[Transcription]:
        rate = FEATURE_RATE if sources[0].ndim == 2 else self.sample_rate
        block = int(BLOCK_SECONDS * rate)
        size = -(-max(map(len, sources)) // block) * block
        source, lengths = pad(sources, len(sources), max(size, block), 0)
        output = model.predict_on_batch({"source": source, "source_lengths": lengths})
        return self.read_output(model, output)[: len(sources)]

    def read_output(
        self, model: Seq2Seq, output: dict[str, Tensor]
    ) -> list[Transcription]:
        """Greedy transcripts of a batch of `logits` and `mask`."""
        result = [ops.convert_to_numpy(x) for x in ctc_greedy(**output)]
        seconds = self.frame_seconds(model)
        found = []
        for tokens, size, starts, ends, scores in zip(*result, strict=True):
            heard = tokens[:size]
            spoken = words(
                heard, starts[:size], ends[:size], scores[:size], self.alphabet, seconds
            )
            found.append(Transcription(self.decode(heard), spoken))
        return found

    def frame_seconds(self, model: Seq2Seq) -> float:
        """Seconds between two CTC frames."""
        return model.encoder.time_stride / model.features.frame_rate

    def evaluate(
        self,
        model: Seq2Seq,
        examples: Sequence[Utterance],
        budget: float,
        progress: Callable[[int], None],
        search: str = "",
    ) -> Evaluation:
        """Word and character error rate of greedy transcripts, and the loss.

        What cannot be read counts as heard empty.
        """
        _check_greedy(search)
        batches = self.batches(examples)
        hypotheses: dict[int, str] = {}
        losses = []
        for batch in batches.plan(budget, self.buckets, shuffle=False).epoch(0):
            inputs, target = batches.load(batch)
            output = model.predict_on_batch(inputs)
            heard = self.read_output(model, output)
            hypotheses.update(
                (i, t.text) for i, t in zip(batch.indices, heard, strict=False)
            )
            losses.append((float(self.loss(target, output)), len(batch.indices)))
            progress(len(batch.indices))
        outputs = [
            (u.name, normalize_transcript(u.transcript, self.alphabet), hypotheses[i])
            for i, u in enumerate(examples)
        ]
        found = self._measure(outputs, losses)
        return replace(found, unreadable=batches.unreadable)

    def _measure(
        self, outputs: list[tuple[str, str, str]], losses: list[tuple[float, int]]
    ) -> Evaluation:
        scores = score_all(_measures(outputs), SIGNATURE, seed=0)
        values, weights = zip(*losses, strict=True)
        loss = float(np.average(values, weights=weights))
        return Evaluation(
            scores.metrics | {"loss": loss},
            scores.confidence,
            len(outputs),
            scores.signature,
            outputs,
        )

    def paired_test(
        self, first: Evaluation, second: Evaluation
    ) -> dict[str, Difference]:
        """Of word and character error rate."""
        return paired_tests(_measures(first.outputs), _measures(second.outputs), seed=0)

    def as_example(self, raw: Any) -> Utterance:
        return Utterance(str(raw), str(raw), -1.0, "")

    def infer(
        self, model: Seq2Seq, inputs: Sequence[Any], search: str = ""
    ) -> list[dict[str, Any]]:
        """Transcript, words with time stamps and confidences of each input."""
        _check_greedy(search)
        inputs = [item for item in inputs if str(item).strip()]
        return [
            {
                "input": str(item),
                "output": found.text,
                "words": [word._asdict() for word in found.words],
            }
            for item, found in zip(inputs, self.transcribe(model, inputs), strict=True)
        ]

    def serving(self, model: Seq2Seq, examples: Sequence[Utterance] = ()) -> Serving:
        """Waveforms to transcripts and to log-probabilities.

        A model that learned from precomputed features, as the examples tell, takes
        such features.
        """
        samples = self._samples(examples)
        width = samples[0].shape[1:]

        def batch(rows: Sequence[NDArray[np.float32]]) -> dict[str, NDArray[Any]]:
            source, lengths = pad(rows, len(rows), max(map(len, rows)), 0)
            return {"source": source, "source_lengths": lengths}

        return Serving(
            model=model,
            inputs={
                "source": Input((None, None, *width), "float32"),
                "source_lengths": Input((None,), "int32"),
            },
            signatures=_ctc_signatures(model),
            pieces=tuple(c.encode() for c in self.alphabet),
            samples=samples,
            batch=batch,
            description={
                "task": self.name,
                "alphabet": self.alphabet,
                "blank": self.vocabulary_size,
                "sample_rate": self.sample_rate,
                "frame_seconds": self.frame_seconds(model),
            },
        )

    def _samples(self, examples: Sequence[Utterance]) -> list[NDArray[np.float32]]:
        """Three sources of different lengths: short to median examples, or noise."""
        by_length = {
            u.seconds: u.source
            for u in examples
            if self.min_seconds <= u.seconds <= self.max_seconds
        }
        seconds = sorted(by_length)
        if len(seconds) >= SAMPLES:
            shorter = seconds[: len(seconds) // 2 + 2]
            chosen = (shorter[0], shorter[len(shorter) // 2], shorter[-1])
            return [self._read(by_length[s]) for s in chosen]
        if seconds:
            whole = self._read(by_length[seconds[-1]])
        else:
            noise = np.random.default_rng(0).normal(0, 0.1, 2 * self.sample_rate)
            whole = noise.astype(np.float32)
        return [whole[: len(whole) * part // 4] for part in (2, 3, 4)]

    def picture(
        self, model: Seq2Seq, example: Utterance, path: Path, search: str = ""
    ) -> None:
        """Spectrogram, character probabilities over time, and transcript."""
        from s2s_zoo.plots import plot_utterance

        _check_greedy(search)
        source = self._read(example.source)
        inputs = {"source": source[None], "source_lengths": np.array([len(source)])}
        output = model.predict_on_batch(inputs)
        features, _ = model.features(**_as_arguments(inputs))
        plot_utterance(
            path,
            features=ops.convert_to_numpy(features)[0],
            frame_seconds=1 / model.features.frame_rate,
            probabilities=ops.convert_to_numpy(ops.softmax(output["logits"]))[0],
            probability_seconds=self.frame_seconds(model),
            alphabet=self.alphabet,
            transcript=self.read_output(model, output)[0].text,
            reference=normalize_transcript(example.transcript, self.alphabet),
        )


def _ctc_signatures(model: Seq2Seq) -> dict[str, Signature]:
    """Greedy tokens, and what they were chosen by."""

    def serve(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        found = ctc_greedy(**model(inputs, training=False))
        return {"tokens": found.tokens, "token_lengths": found.lengths}

    def log_probabilities(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        output = model(inputs, training=False)
        return {
            "log_probabilities": ops.log_softmax(ops.cast(output["logits"], "float32")),
            "lengths": mask_lengths(output["mask"]),
        }

    return {"serve": serve, "log_probabilities": log_probabilities}


def _measures(outputs: list[tuple[str, str, str]]) -> dict[str, Pooled]:
    _, references, hypotheses = zip(*outputs, strict=True)
    return error_measures(references, hypotheses)


def _check_greedy(search: str) -> None:
    if search not in ("", "greedy"):
        raise UserError(f"Speech is searched greedily. Received: --search {search}")


def _as_arguments(inputs: dict[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    return {"source": inputs["source"], "lengths": inputs["source_lengths"]}


def _tuples(settings: dict[str, Any]) -> dict[str, Any]:
    return {k: tuple(v) if isinstance(v, list) else v for k, v in settings.items()}


TASKS.register(SpeechToText.name, SpeechToText, __file__)
