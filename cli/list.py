"""`s2s-zoo list`."""

import click

from . import options


@click.command("list")
@click.option("--task", help="Only presets of this task.")
@options.as_json
def command(task: str | None, as_json: bool) -> None:
    """Show the presets: name, size, what to expect."""
    options.start_backend(None)
    from s2s_zoo.errors import UserError
    from s2s_zoo.registry import PRESETS, canonical

    tasks = sorted({p.task.name for p in PRESETS})
    if task is not None and canonical(task) not in tasks:
        raise UserError(f"--task is one of {', '.join(tasks)}. Received: {task}")
    presets = [p for p in PRESETS if task is None or p.task.name == canonical(task)]
    rows = [
        {
            "name": p.name,
            "task": p.task.name,
            "parameters": p.parameters,
            "summary": p.summary,
            "paper": p.paper,
        }
        for p in presets
    ]
    if as_json:
        options.print_json(rows)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("preset", "task", "parameters", "what it is", "what to expect")
    for preset, row in zip(presets, rows, strict=True):
        size = f"{preset.parameters / 1e6:.1f} M"
        table.add_row(row["name"], row["task"], size, row["summary"], preset.expect)
    Console().print(table)
