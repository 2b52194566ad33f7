"""`s2s-zoo compare`."""

from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from s2s_zoo.workflows.compare import Comparison

FOLDER = click.Path(file_okay=False)


@click.command("compare")
@click.argument("first", metavar="RUN", type=FOLDER)
@click.argument("second", metavar="RUN", type=FOLDER)
@click.option("--data", help="Corpus by name or path; by default that of both runs.")
@options.audio_root
@options.split
@options.search
@options.backend
@options.as_json
def command(
    first: str,
    second: str,
    data: str | None,
    audio_root: tuple[str, ...],
    split: str | None,
    search: str,
    backend: str | None,
    as_json: bool,
) -> None:
    """Measure two runs on the same examples and test whether they differ.

    Differences are second minus first; the test is the paired bootstrap.
    """
    options.start_backend(backend)
    from s2s_zoo.workflows.compare import compare

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        found = compare(
            first=first,
            second=second,
            data=data,
            split=split,
            search=search,
            audio_root=audio_root,
            reporter=reporter,
        )
    if as_json:
        options.print_json(found.summary())
    else:
        _print(found)


def _print(found: "Comparison") -> None:
    from s2s_zoo.metrics.presentation import (
        difference_text,
        metric_text,
        metric_title,
        verdict,
    )

    first, second = (str(run) for run in found.runs)
    width = max(len(first), len(second), len("difference"))
    for name, difference in found.differences.items():
        click.echo(metric_title(name))
        for run, result in zip((first, second), found.evaluations, strict=True):
            text = metric_text(name, result.metrics[name], result.confidence.get(name))
            click.echo(f"  {run:<{width}}  {text}")
        click.echo(f"  {'difference':<{width}}  {difference_text(name, difference)}")
        click.echo(f"  {verdict(name, difference, first, second)}")
    click.echo(f"{found.evaluations[0].examples} examples, {found.signature}")
