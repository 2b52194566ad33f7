"""Check a corpus before training on it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind, Progress
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.data.report import Report
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS


def check_data(
    *,
    data: str,
    preset: str | None = None,
    settings: Mapping[str, Any] | None = None,
    options: Mapping[str, Any] | None = None,
    progress: Progress | None = None,
) -> Report:
    """Find what would hurt training a preset on a corpus, in one pass.

    Args:
        data: corpus by name or path.
        preset: whose task decides how the data is read and what it may hold; by
            default that of the kind of examples the data seems to hold, or of the
            one kind that has such options.
        settings: of the preset by path, such as {"task.alphabet": "abc "}.
        options: of reading this kind of examples, instead of those of the task.
        progress: called with (done, total).

    Raises:
        UserError: no such corpus, preset or setting, or it cannot be told what kind
            of data it is.
    """
    options = options or {}
    if preset is None:
        kind = _kind(data, options)
        chosen = PRESETS.get(kind.preset)
    else:
        chosen = PRESETS.get(preset)
        kind = KINDS.get(chosen.task.kind)
    if settings:
        chosen = chosen.with_settings(settings)
    kind = kind.for_task(chosen.task).with_options(options)
    return kind.check(data, chosen, progress)


def _kind(data: str, options: Mapping[str, Any]) -> Kind[Any]:
    """The one kind that has the options, else what the data looks like."""
    fitting = [kind for kind in KINDS if set(options) <= set(kind.options)]
    if options and len(fitting) == 1:
        return fitting[0]
    if found := kind_of(data):
        return found
    if not Path(data).expanduser().exists():
        known = ", ".join(CORPORA.names())
        raise UserError(
            f"{data}: neither a file nor a directory nor a corpus; the corpora are: "
            f"{known}"
        )
    kinds = "; ".join(f"{k.name} (--preset {k.preset}): {k.accepted}" for k in KINDS)
    raise UserError(
        f"{data}: it cannot be told what it holds; name a preset that reads it. {kinds}"
    )
