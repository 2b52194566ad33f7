"""`s2s-zoo list`."""

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from typing import Any

import click

from . import options


@click.command("list")
@click.option("--task", help="Only presets of this task.")
@options.as_json
def command(task: str | None, as_json: bool) -> None:
    """Show the presets by task: name, size, what it is; `show` tells the rest."""
    options.start_backend(None)
    from s2s_zoo.errors import UserError
    from s2s_zoo.registry import PRESETS, canonical

    tasks = sorted({p.task.name for p in PRESETS})
    if task is not None and canonical(task) not in tasks:
        raise UserError(f"--task is one of {', '.join(tasks)}. Received: {task}")
    presets = [p for p in PRESETS if task is None or p.task.name == canonical(task)]
    if as_json:
        options.print_json([_row(preset) for preset in presets])
        return
    for line in _menu(presets):
        click.echo(line)


def _row(preset: Any) -> dict[str, Any]:
    return {
        "name": preset.name,
        "task": preset.task.name,
        "parameters": preset.parameters,
        "summary": preset.summary,
        "paper": preset.paper,
    }


def _menu(presets: Sequence[Any]) -> Iterator[str]:
    """A line a preset below its task; a narrow terminal cuts only what it is."""
    names = max(len(preset.name) for preset in presets)
    room = _columns() - names - len("   123.4 M  ")
    for task in sorted({preset.task.name for preset in presets}):
        yield click.style(task, bold=True)
        for preset in (p for p in presets if p.task.name == task):
            size = f"{preset.parameters / 1e6:.1f} M"
            yield f"  {preset.name:<{names}} {size:>7}  {_cut(preset.summary, room)}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else f"{text[: max(0, room - 1)]}…"


def _columns() -> int:
    """The width of the terminal; what goes elsewhere is not cut."""
    if sys.stdout.isatty() or "COLUMNS" in os.environ:
        return shutil.get_terminal_size().columns
    return sys.maxsize
