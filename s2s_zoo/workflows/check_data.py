"""Check a corpus before training on it."""

from collections.abc import Callable
from functools import partial

from s2s_zoo.data.check import DataReport, check_utterances
from s2s_zoo.data.corpora.resolve import read_data, splits_of
from s2s_zoo.registry import PRESETS


def check_data(
    *,
    data: str,
    preset: str,
    progress: Callable[[int, int], None] | None = None,
) -> DataReport:
    """Find what would hurt training a preset on a corpus, in one pass.

    Args:
        data: corpus by name or path.
        preset: whose alphabet, limits and CTC frames count.
        progress: called with (done, total) after each utterance.

    Raises:
        UserError: no such corpus or preset.
    """
    chosen = PRESETS.get(preset)
    model, task = chosen.scaled().build(), chosen.task
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
