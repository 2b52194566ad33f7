"""Texts through a synthesizer, and its frames to waveforms."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.padding import pad
from s2s_zoo.data.speech_symbols import FIRST, SpeechText
from s2s_zoo.data.spoken_text import is_spelled_out
from s2s_zoo.data.voices import recording
from s2s_zoo.errors import UserError
from s2s_zoo.layers.masking import sequence_mask
from s2s_zoo.metrics.pitch import pitch
from s2s_zoo.search.base import Hypothesis
from s2s_zoo.tasks.runner import Result, Runner
from s2s_zoo.tasks.serving import DEFAULT, Input, Serving
from s2s_zoo.typing import Arrays, Tensors
from s2s_zoo.vocabulary import END, PAD

if TYPE_CHECKING:
    from s2s_zoo.tasks.text_to_speech import TextToSpeech

BATCH = 8
SAMPLES = 3
ROUNDING = 1e-2
"""Share of the level of samples, -40 dB: rounds of Griffin-Lim magnify rounding."""
BLOCK_TOKENS, BLOCK_FRAMES = 8, 32
"""What sizes are rounded up to, so that shapes are few."""

Frames = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Recorded:
    """A text and its recording; in words, the text.

    Attributes:
        text: as it is written.
        frames: (U, D) of its spectrogram.
        utterance: where it lies.
        task: what frames are.
    """

    text: str
    frames: Frames
    utterance: Utterance
    task: "TextToSpeech"

    @cached_property
    def pitch(self) -> NDArray[np.float64]:
        """(U,) Hz, not a number where it is not voiced."""
        task = self.task
        if not len(self.frames):
            return np.zeros(0)
        audio = recording(self.utterance, task.sample_rate, task.trim_db)
        return _pitch(audio, len(self.frames), task)

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, eq=False)
class Speech:
    """A synthesized text; in words, how long it is.

    Attributes:
        frames: (U, D) of its spectrogram.
        alignment: (U, T) weights of what was read, the end of the text last.
        finished: whether it ended by itself; False where it reached the limit.
        task: what frames are, and what makes waveforms of them.

    Example:
        >>> from s2s_zoo import Seq2Seq
        >>> model = Seq2Seq.from_preset("tacotron2-small", decoder={"units": 8})
        >>> (speech,) = model.generate(["hi"], frames_per_token=1, extra_frames=1)
        >>> speech.samples.shape, speech.samples.dtype, speech.sample_rate
        ((768,), dtype('float32'), 16000)
    """

    frames: Frames
    alignment: Frames
    finished: bool
    task: "TextToSpeech"

    @property
    def sample_rate(self) -> int:
        """Samples per second."""
        return self.task.sample_rate

    @property
    def seconds(self) -> float:
        """How long it is."""
        return len(self.frames) / self.task.spectrogram.frame_rate

    @cached_property
    def samples(self) -> Frames:
        """(S,) the waveform in [-1, 1], made when it is asked for."""
        count = len(self.frames)
        size = max(1, -(-count // BLOCK_FRAMES)) * BLOCK_FRAMES
        frames, lengths = pad([self.frames], 1, size, 0)
        found = self.task.vocoder(frames, lengths, self.task.spectrogram)
        stride = self.task.spectrogram.stride
        audio = ops.convert_to_numpy(found)[0, : max(count - 1, 0) * stride]
        return audio / max(1.0, float(np.abs(audio).max(initial=0.0)))

    @cached_property
    def pitch(self) -> NDArray[np.float64]:
        """(U,) Hz, not a number where it is not voiced."""
        return _pitch(self.samples, len(self.frames), self.task)

    def __str__(self) -> str:
        cut = "" if self.finished else ", cut at the limit of frames"
        return f"{self.seconds:.2f} s of speech at {self.sample_rate} Hz{cut}"


@dataclass(frozen=True)
class Speaker(Runner):
    """A synthesizer.

    Attributes:
        task: what it reads and writes.
    """

    task: "TextToSpeech"

    def read(self, inputs: Arrays, scored: Tensors) -> list[Result]:
        """As of every runner, with the attention, which no hypothesis holds."""
        found = {
            name: ops.convert_to_numpy(value)
            for name, value in self.searched(inputs).items()
        }
        sizes = inputs["source_lengths"]
        return [
            self._result(
                hypotheses[0], alignment[: len(hypotheses[0].tokens), : int(size)]
            )
            for hypotheses, alignment, size in zip(
                self.hypotheses(found), found["alignments"], sizes, strict=True
            )
        ]

    def hypotheses(self, found: Arrays) -> list[list[Hypothesis]]:
        if "magnitudes" not in found:
            return self.search.read(found)
        both = np.concatenate([found["refined"], found["magnitudes"]], axis=-1)
        return self.search.read({**found, "refined": both})

    def result(self, hypotheses: list[Hypothesis]) -> Result:
        best = hypotheses[0]
        return self._result(best, np.zeros((len(best.tokens), 0), np.float32))

    def _result(self, found: Hypothesis, alignment: Frames) -> Result:
        speech = Speech(found.tokens, alignment, found.finished, self.task)
        details = {"seconds": round(speech.seconds, 3), "finished": found.finished}
        return Result(speech, details)

    def run(self, inputs: Sequence[Any]) -> list[Result]:
        """The speech of texts; what cannot be said has an error in its place."""
        ids: dict[int, NDArray[np.int32]] = {}
        results = {}
        for i, text in enumerate(inputs):
            try:
                ids[i] = self.task.text.encode(str(text))
            except UserError as error:
                results[i] = Result("", error=str(error))
        order = sorted(ids, key=lambda i: len(ids[i]))
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            found = self.read(self.padded([ids[i] for i in rows]), {})
            results.update(zip(rows, found, strict=False))
            self.progress(len(rows))
        return [results[i] for i in range(len(inputs))]

    def padded(self, ids: Sequence[NDArray[np.int32]]) -> Arrays:
        """The inputs of a batch; rows are a power of 2, so that shapes are few."""
        size = -(-max(map(len, ids)) // BLOCK_TOKENS) * BLOCK_TOKENS
        rows = 1 << (len(ids) - 1).bit_length()
        source, lengths = pad(ids, rows, size, PAD)
        return {"source": source, "source_lengths": lengths}

    def serving(self, examples: Sequence[Utterance]) -> Serving:
        """A text, or the ids of its characters, to its waveform, the vocoder inside.

        No graph spells out, or knows phonemes: texts that would need it are refused.
        """
        text = self.task.text
        reader = text.of_symbols if text.phonemes else text
        takes = (
            f"phonemes of {text.phonemes!r} by their names in espeak-ng, as "
            "SpeechText.symbols gives them"
            if text.phonemes
            else "texts in which numbers and abbreviations are written in words; it "
            "refuses others"
        )
        return Serving(
            model=self.model,
            inputs={
                "source": Input((None, None), "int32"),
                "source_lengths": Input((None,), "int32"),
            },
            signatures={DEFAULT: self._serve},
            pieces=(),
            samples=_samples(text, [one.transcript for one in examples[:SAMPLES]]),
            batch=lambda texts: _batch([reader.encode(one) for one in texts]),
            description={
                "task": self.task.name,
                "takes": takes,
                "characters": text.characters,
                "first": FIRST,
                "end": END,
                "sample_rate": self.task.sample_rate,
            },
            reader=reader,
            shares={"waveforms": ROUNDING},
        )

    def _serve(self, inputs: Tensors) -> Tensors:
        self.model.search_with(self.search)
        found = self.model(inputs, training=False)
        parts = [found[name] for name in ("refined", "magnitudes") if name in found]
        frames, lengths = ops.concatenate(parts, axis=-1), found["lengths"]
        task = self.task
        audio = task.vocoder(frames, lengths, task.spectrogram)
        peak = ops.max(ops.abs(audio), axis=1, keepdims=True)
        return {
            "waveforms": audio / ops.maximum(peak, 1.0),
            "lengths": ops.maximum(lengths - 1, 0) * task.spectrogram.stride,
            "frames": ops.where(
                sequence_mask(lengths, ops.shape(frames)[1])[..., None], frames, 0.0
            ),
            "finished": found["finished"],
            "sample_rate": ops.convert_to_tensor(task.sample_rate, dtype="int32"),
        }

    def draw(self, example: Utterance, path: Path) -> None:
        """Frames, beside those of the recording where there is one, and attention."""
        (result,) = self.run([example.transcript])
        if result.error:
            raise UserError(result.error)
        known = self.task.reference(example)
        draw_speech(path, result.output, known)


def _pitch(audio: Frames, count: int, task: "TextToSpeech") -> NDArray[np.float64]:
    """(count,) Hz of the frames of a waveform (S,)."""
    found = pitch(audio, task.sample_rate, task.spectrogram.stride)[:count]
    return np.pad(found, (0, count - len(found)), constant_values=np.nan)


def _samples(text: SpeechText, transcripts: Sequence[str]) -> list[str]:
    """Texts that a graph can read, the transcripts where they are such."""
    every = transcripts or ["A", "good morning", "Turn off the lamp!"]
    if text.phonemes:
        return [text.symbols(one) for one in every]
    known = is_spelled_out if text.spell_out else lambda *_: True
    return [t if known(t, text.language) else text.symbols(t) for t in every]


def _batch(ids: Sequence[NDArray[np.int32]]) -> Arrays:
    source, lengths = pad(ids, len(ids), max(map(len, ids)), PAD)
    return {"source": source, "source_lengths": lengths}


def draw_speech(path: Path, speech: Speech, known: Recorded) -> None:
    """The picture of a synthesized text beside its recording, if that has frames."""
    from s2s_zoo.plots.speech import plot_speech

    task = speech.task
    size = task.spectrogram.num_mels
    plot_speech(
        path,
        frames=speech.frames[:, :size],
        alignment=speech.alignment,
        symbols=task.text.symbols(known.text),
        frame_seconds=1 / task.spectrogram.frame_rate,
        recorded=known.frames[:, :size] if len(known.frames) else None,
    )
