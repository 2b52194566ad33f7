"""Audio through a recognizer, and its hypotheses to transcripts."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.audio import probe_audio, read_audio, stream_audio
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.padding import pad
from s2s_zoo.data.precomputed import FEATURE_RATE, load_features
from s2s_zoo.errors import UserError
from s2s_zoo.features.audio import AudioFeatures
from s2s_zoo.layers.masking import mask_lengths
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.base import Hypothesis, Reading
from s2s_zoo.search.ctc_greedy import CTCGreedy, ctc_greedy
from s2s_zoo.search.words import Word, words
from s2s_zoo.tasks.long_audio import LongAudio, Stream
from s2s_zoo.tasks.runner import Result, Runner
from s2s_zoo.tasks.serving import Input, Serving, Signature
from s2s_zoo.typing import Arrays, Tensors

if TYPE_CHECKING:
    from s2s_zoo.tasks.speech_to_text import SpeechToText

BLOCK_SECONDS = 0.5
BATCH = 8
SAMPLES = 3

Source = NDArray[np.float32]


@dataclass(frozen=True)
class SpeechReader(Runner):
    """A recognizer: transcripts, with the words and where they lie in time.

    Attributes:
        task: its alphabet and sample rate.
        reading: the search over that alphabet.
    """

    task: "SpeechToText"
    reading: Reading

    @property
    def frame_seconds(self) -> float:
        """Seconds between two frames of the memory."""
        return self.model.encoder.time_stride / self.model.features.frame_rate

    def hypotheses(self, found: Arrays) -> list[list[Hypothesis]]:
        return self.reading.read(found)

    def result(self, hypotheses: list[Hypothesis]) -> Result:
        if not hypotheses:
            return Result("", {"words": []})
        best = hypotheses[0]
        heard = self._words(best)
        details: dict[str, Any] = {"words": [word._asdict() for word in heard]}
        if len(hypotheses) > 1:
            details["n_best"] = [
                {"text": self.task.decode(found.tokens), "score": found.score}
                for found in hypotheses
            ]
        return Result(self.task.decode(best.tokens), details)

    def _words(self, found: Hypothesis) -> list[Word]:
        if found.spans is None or found.log_probabilities is None:
            return []
        starts, ends = found.spans.T
        scores, alphabet = found.log_probabilities, self.task.alphabet
        return words(found.tokens, starts, ends, scores, alphabet, self.frame_seconds)

    def run(self, inputs: Sequence[Any]) -> list[Result]:
        """The results of audio files, (S,) waveforms or (T, D) features.

        What is longer than a window of `long_audio` is read window by window.
        """
        sources: dict[int, Source] = {}
        results = {}
        for i, item in enumerate(inputs):
            try:
                if long := self._long(item):
                    results[i] = self._run_long(*long)
                else:
                    sources[i] = self.source(item)
            except UserError as error:
                results[i] = Result("", error=str(error))
        for rows in _batches(sources):
            found = self._run_batch([sources[i] for i in rows])
            results.update(zip(rows, found, strict=False))
            self.progress(len(rows))
        return [results[i] for i in range(len(inputs))]

    @cached_property
    def long_audio(self) -> LongAudio | None:
        """What joins windows; None for a model whose frames cannot be joined."""
        features = self.model.features
        joins = self.search.family == CTCGreedy.family and not self.model.searches
        if not joins or not isinstance(features, AudioFeatures):
            return None
        return LongAudio(self.model, features, self.task.max_seconds)

    def _long(self, item: Any) -> tuple[Stream, int] | None:
        """A waveform and its samples, None where it is no longer than a window.

        Raises:
            UserError: the file cannot be read.
        """
        if self.long_audio is None:
            return None
        longest, rate = self.long_audio.windows.samples, self.task.sample_rate
        if isinstance(item, (str, Path)):
            if ".npz#" in str(item):
                return None
            samples = int(probe_audio(item).seconds * rate)
            long = partial(stream_audio, item, rate), samples
            return long if samples > longest else None
        waveform = np.asarray(item, np.float32)
        is_long = waveform.ndim == 1 and len(waveform) > longest
        return (lambda: [waveform], len(waveform)) if is_long else None

    def _run_long(self, stream: Stream, samples: int) -> Result:
        assert self.long_audio is not None
        done = 0.0

        def hear(seen: int) -> None:
            nonlocal done
            share = min(seen / samples, 1.0)
            self.progress(share - done)
            done = share

        output = self.long_audio.output(stream, hear)
        hear(samples)
        return self.result(self.hypotheses(output)[0])

    def source(self, item: Any) -> Source:
        """The waveform of a file, or what was given as it is.

        Raises:
            UserError: the file cannot be read, or what was given is neither a waveform
                nor features as wide as the model's.
        """
        if isinstance(item, (str, Path)) and ".npz#" not in str(item):
            return read_audio(item, self.task.sample_rate)
        if isinstance(item, (str, Path)):
            source = load_features(str(item))
        else:
            source = np.asarray(item, np.float32)
        width = features_width(self.model)
        is_wrong = width is not None and source.ndim == 2 and source.shape[1] != width
        if source.ndim not in (1, 2) or is_wrong:
            raise UserError(
                f"A waveform is (S,), and features are (T, {width or 'D'}). Received: "
                f"{source.shape}"
            )
        return source

    def _run_batch(self, sources: list[Source]) -> list[Result]:
        rate = FEATURE_RATE if sources[0].ndim == 2 else self.task.sample_rate
        block = int(BLOCK_SECONDS * rate)
        size = -(-max(map(len, sources)) // block) * block
        source, lengths = pad(sources, len(sources), max(size, block), 0)
        inputs = {"source": source, "source_lengths": lengths}
        scored = {} if self.model.searches else self.model.predict_on_batch(inputs)
        return self.read(inputs, scored)

    def draw(self, example: Utterance, path: Path) -> None:
        """Spectrogram, character probabilities over time, and transcript.

        Of what is longer than a window, the first.
        """
        from s2s_zoo.plots import plot_utterance

        source = self._beginning(example.source)
        inputs = {"source": source[None], "source_lengths": np.array([len(source)])}
        output = self.model.predict_on_batch(inputs)
        features, _ = self.model.features(source[None], inputs["source_lengths"])
        logits = output["ctc_logits"]
        plot_utterance(
            path,
            features=ops.convert_to_numpy(features)[0],
            frame_seconds=1 / self.model.features.frame_rate,
            probabilities=ops.convert_to_numpy(ops.softmax(logits))[0],
            probability_seconds=self.frame_seconds,
            alphabet=self.task.alphabet,
            transcript=self.read(inputs, output)[0].output,
            reference=self.task.reference(example),
        )

    def _beginning(self, item: Any) -> Source:
        """The waveform of a file, or what fits a window."""
        long = self._long(item)
        if long is None or self.long_audio is None:
            return self.source(item)
        stream, _ = long
        return next(self.long_audio.windows.cut(stream())).samples

    def serving(self, examples: Sequence[Utterance]) -> Serving:
        """Waveforms to transcripts and to log-probabilities.

        A model that learned from precomputed features, as the examples tell, takes
        such features.
        """
        samples, task = self._samples(examples), self.task
        greedy = task.runner(self.model, CTCGreedy())
        return Serving(
            model=self.model,
            inputs={
                "source": Input((None, None, *samples[0].shape[1:]), "float32"),
                "source_lengths": Input((None,), "int32"),
            },
            signatures=_ctc_signatures(self.model),
            pieces=tuple(c.encode() for c in task.alphabet),
            samples=samples,
            batch=_padded,
            description={
                "task": task.name,
                "alphabet": task.alphabet,
                "blank": task.vocabulary_size,
                "sample_rate": task.sample_rate,
                "frame_seconds": self.frame_seconds,
                "search": self.search.line,
            },
            assets=self.search.assets(),
            says=lambda rows: [result.output for result in greedy.run(rows)],
        )

    def _samples(self, examples: Sequence[Utterance]) -> list[Source]:
        """Three sources of different lengths: short to median examples, or noise."""
        task = self.task
        by_length = {
            u.seconds: u.source
            for u in examples
            if task.min_seconds <= u.seconds <= task.max_seconds
        }
        seconds = sorted(by_length)
        if len(seconds) >= SAMPLES:
            shorter = seconds[: len(seconds) // 2 + 2]
            chosen = (shorter[0], shorter[len(shorter) // 2], shorter[-1])
            return [self.source(by_length[s]) for s in chosen]
        if seconds:
            whole = self.source(by_length[seconds[-1]])
        else:
            noise = np.random.default_rng(0).normal(0, 0.1, task.sample_rate)
            whole = noise.astype(np.float32)
        return [whole[: len(whole) * part // 4] for part in (2, 3, 4)]


def _padded(rows: Sequence[Source]) -> Arrays:
    source, lengths = pad(rows, len(rows), max(map(len, rows)), 0)
    return {"source": source, "source_lengths": lengths}


def features_width(model: Seq2Seq) -> int | None:
    """D of features computed before that a model reads; None where it is not known."""
    features = model.features
    return features.num_features if isinstance(features, AudioFeatures) else None


def _batches(sources: Mapping[int, Source]) -> Iterator[list[int]]:
    """Numbers of sources that go through the model together: alike, the short first."""
    for ndim in (1, 2):
        alike = [i for i, source in sources.items() if source.ndim == ndim]
        alike.sort(key=lambda i: len(sources[i]))
        yield from (alike[i : i + BATCH] for i in range(0, len(alike), BATCH))


def _ctc_signatures(model: Seq2Seq) -> dict[str, Signature]:
    """Greedy tokens, and what they were chosen by."""

    def serve(inputs: Tensors) -> Tensors:
        output = model(inputs, training=False)
        found = ctc_greedy(output["ctc_logits"], output["mask"])
        return {"tokens": found.tokens, "token_lengths": found.lengths}

    def log_probabilities(inputs: Tensors) -> Tensors:
        output = model(inputs, training=False)
        scores = ops.log_softmax(ops.cast(output["ctc_logits"], "float32"))
        lengths = mask_lengths(output["mask"])
        return {"log_probabilities": scores, "lengths": lengths}

    return {"serve": serve, "log_probabilities": log_probabilities}
