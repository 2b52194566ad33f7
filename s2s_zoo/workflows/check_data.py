"""Check a corpus before training on it."""

import contextlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from s2s_zoo.data.check import DataReport, check_utterances
from s2s_zoo.data.check_pairs import PairReport, check_pairs
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.resolve import pair_splits, read_data, read_pairs, splits_of
from s2s_zoo.data.corpora.sources import STEMS
from s2s_zoo.registry import PRESETS

PAIRS, SPEECH = "text_to_text", "speech_to_text"
PRESET = {SPEECH: "deepspeech2_small", PAIRS: "transformer_tiny"}
"""The preset that data is checked for unless another is named."""

ALIGNED = tuple(stem for stems in STEMS.values() for stem in stems)

Progress = Callable[[int, int], None]


def check_data(
    *,
    data: str,
    preset: str | None = None,
    source: str | None = None,
    target: str | None = None,
    progress: Progress | None = None,
) -> DataReport | PairReport:
    """Find what would hurt training a preset on a corpus, in one pass.

    Args:
        data: corpus by name or path.
        preset: whose alphabet, limits and CTC frames count, or whose languages and
            longest sentence; by default that of `PRESET` for what the data look like.
        source: language of the sources, by default the preset's.
        target: language of the targets, likewise.
        progress: called with (done, total).

    Raises:
        UserError: no such corpus or preset.
    """
    chosen = PRESETS.get(preset or PRESET[_task_of(data, bool(source or target))])
    if chosen.task.name == PAIRS:
        languages = source or chosen.task.source, target or chosen.task.target
        return _check_pairs(data, chosen.task, languages, progress)
    return _check_speech(data, chosen, progress)


def _task_of(data: str, languages: bool) -> str:
    """The task that a corpus by name, or files by their names, are for."""
    if data in CORPORA:
        return str(CORPORA.get(data).task)
    path = Path(data).expanduser()
    files = [f for f in (path.iterdir() if path.is_dir() else [path]) if f.is_file()]
    return PAIRS if languages or any(map(_holds_pairs, files)) else SPEECH


def _holds_pairs(file: Path) -> bool:
    """Whether a file is one of pairs of texts, or of a pair of aligned files."""
    name = file.name.removesuffix(".gz")
    if name.endswith((".json", ".jsonl")):
        with contextlib.suppress(UnicodeDecodeError), file.open() as lines:
            return '"audio_filepath"' not in lines.readline()
    stem, _, language = name.rpartition(".")
    aligned = stem in ALIGNED and language not in ("csv", "txt")
    return name.endswith((".tsv", ".tmx")) or aligned


def _check_pairs(
    data: str, task: Any, languages: tuple[str, str], progress: Progress | None
) -> PairReport:
    splits = pair_splits(data, *languages)
    return check_pairs(
        {split: partial(read_pairs, data, split, *languages) for split in splits},
        longest=task.max_tokens,
        cut=bool(task.cut),
        progress=progress,
    )


def _check_speech(data: str, preset: Any, progress: Progress | None) -> DataReport:
    model, task = preset.scaled().build(), preset.task
    utterances = {split: read_data(data, split) for split in splits_of(data)}
    return check_utterances(
        utterances,
        alphabet=task.alphabet,
        sample_rate=task.sample_rate,
        output_frames=partial(task.output_frames, model),
        max_seconds=task.max_seconds,
        min_seconds=task.min_seconds,
        progress=progress,
    )
