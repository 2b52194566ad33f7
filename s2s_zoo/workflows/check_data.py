"""Check a corpus before training on it."""

from collections.abc import Callable
from functools import partial
from typing import Any

from s2s_zoo.data.check import DataReport, check_utterances
from s2s_zoo.data.check_pairs import PairReport, check_pairs
from s2s_zoo.data.corpora.layouts import PAIRS, SPEECH, task_of
from s2s_zoo.data.corpora.resolve import pair_splits, read_data, read_pairs, splits_of
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS

PRESET = {SPEECH: "deepspeech2_small", PAIRS: "transformer_tiny"}
"""The preset that data is checked for unless another is named."""

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
            longest sentence; by default that of `PRESET` for the task the data is
            for, which is pairs of texts where a language is named, and speech where
            `task_of` cannot tell.
        source: language of the sources, by default the preset's.
        target: language of the targets, likewise.
        progress: called with (done, total).

    Raises:
        UserError: no such corpus or preset.
    """
    if preset is None:
        return _check_unnamed(data, source, target, progress)
    chosen = PRESETS.get(preset)
    if chosen.task.name == PAIRS:
        languages = source or chosen.task.source, target or chosen.task.target
        return _check_pairs(data, chosen.task, languages, progress)
    return _check_speech(data, chosen, progress)


def _check_unnamed(
    data: str, source: str | None, target: str | None, progress: Progress | None
) -> DataReport | PairReport:
    """Check for the preset of the task that the data seems to be for."""
    task = PAIRS if source or target else task_of(data)
    if task not in (None, *PRESET):
        raise UserError(f"{data} is for {task}: name a preset for that with --preset")
    preset = PRESET[task or SPEECH]
    try:
        return check_data(
            data=data, preset=preset, source=source, target=target, progress=progress
        )
    except UserError as error:
        if task:
            raise
        raise UserError(
            f"{error}. To check pairs of texts, name a preset for them, such as "
            f"--preset {PRESET[PAIRS]}"
        ) from error


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
