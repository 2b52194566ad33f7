"""Measure how well synthesized speech is understood: by a recognizer."""

import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s_zoo.data.audio import write_wav
from s2s_zoo.errors import UserError
from s2s_zoo.metrics.bootstrap import Pooled
from s2s_zoo.metrics.error_rates import error_measures
from s2s_zoo.metrics.significance import Difference, paired_bootstrap
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import SEED, task_of
from s2s_zoo.tasks.speech_to_text import SpeechToText
from s2s_zoo.tasks.text_to_speech import TextToSpeech
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import find_run
from s2s_zoo.workflows.sources import AudioRoot, open_data_of, unseen_split

METRIC = "word_error_rate"
_NO_WORD = re.compile(r"[^\w' ]+")


@dataclass(frozen=True)
class Judgement:
    """What a recognizer heard of synthesized sentences, and of their recordings.

    Attributes:
        references: words of each sentence.
        synthesized: what was heard of each synthesized one.
        recorded: what was heard of each recording.
    """

    references: list[str]
    synthesized: list[str]
    recorded: list[str]

    def rate(self, heard: Sequence[str]) -> Pooled:
        """The word error rate of what was heard."""
        return error_measures(self.references, heard)[METRIC]

    @property
    def difference(self) -> Difference:
        """How much higher the rate of the synthesized sentences is."""
        recorded, synthesized = map(self.rate, (self.recorded, self.synthesized))
        return paired_bootstrap(recorded, synthesized, seed=SEED)

    def summary(self) -> dict[str, Any]:
        """The object that `evaluate --judge --json` prints."""
        rates = {name: self.rate(getattr(self, name)) for name in HEARD}
        found = self.difference
        return {
            METRIC: {name: rate.value for name, rate in rates.items()},
            "confidence": {
                name: list(rate.interval(seed=SEED)) for name, rate in rates.items()
            },
            "difference": [found.low, found.mean, found.high],
            "examples": len(self.references),
        }


HEARD = ("synthesized", "recorded")


def judge(
    *,
    run: str | Path | None = None,
    recognizer: str | Path,
    data: str | None = None,
    split: str | None = None,
    search: str = "",
    audio_root: AudioRoot = (),
    reporter: Reporter | None = None,
) -> Judgement:
    """Let a recognizer hear sentences that a synthesizer speaks, and their recordings.

    Case and punctuation do not count, and numbers are compared in words.

    Args:
        run: run directory of a synthesizer; None is the newest under ./runs.
        recognizer: run directory of a recognizer.
        data: corpus by name or path; None is what the synthesizer was trained on.
        split: of that corpus; None is "test", or where there is none "validation".
        search: changes of the search of the synthesizer.
        audio_root: directory trees beside that of a manifest that its files may lie
            in.
        reporter: hears what happens.

    Raises:
        UserError: no such run, corpus or split, or a run is of another task.
    """
    reporter, found = reporter or Reporter(), find_run(run)
    model = _loaded(found.preset, TextToSpeech)
    hearing = _loaded(find_run(recognizer).preset, SpeechToText)
    task = task_of(model)
    assert isinstance(task, TextToSpeech)
    source = open_data_of(found, task, data, audio_root)
    split = split or unseen_split([found], task, source, reporter)
    examples = source.read_split(split)
    where = f"{source.data}, {split}"
    usable = task.select(model, examples, where, training=False).usable
    texts = [one.transcript for one in usable]
    reporter.evaluating(len(usable))
    with tempfile.TemporaryDirectory() as directory:
        paths = _spoken(task, model, texts, search, Path(directory))
        synthesized = hearing.generate(paths)
    reporter.evaluated(len(usable))
    recorded = hearing.generate([one.source for one in usable])
    references = [words(task.text.symbols(text)) for text in texts]
    return Judgement(
        references, *(list(map(words, h)) for h in (synthesized, recorded))
    )


def words(text: str) -> str:
    """A text in lower case, without punctuation.

    Example:
        >>> from s2s_zoo.workflows.judge import words
        >>> words("It's  cold, isn't it?")
        "it's cold isn't it"
    """
    return " ".join(_NO_WORD.sub(" ", text.lower()).split())


def _loaded(preset: Path, kind: type[Any]) -> Seq2Seq:
    model = Seq2Seq.from_preset(preset, load_weights=True)
    if not isinstance(model.task, kind):
        raise UserError(
            f"{preset.parent} is a run of {model.task.name}; expected {kind.name}"
        )
    return model


def _spoken(
    task: TextToSpeech,
    model: Seq2Seq,
    texts: Sequence[str],
    search: str,
    directory: Path,
) -> list[str]:
    """Files of the sentences as they are synthesized; half a second if of nothing."""
    results = task.runner(model, task.search.parse(search)).run(texts)
    paths = []
    for number, result in enumerate(results):
        path = directory / f"{number}.wav"
        samples, rate = result.output.samples, result.output.sample_rate
        write_wav(path, samples if len(samples) else [0.0] * (rate // 2), rate)
        paths.append(str(path))
    return paths
