"""`s2s-zoo data`."""

from typing import Any

import click

from . import options


@click.group("data")
def command() -> None:
    """List, fetch and check corpora."""


@command.command("list")
@options.as_json
def list_corpora(as_json: bool) -> None:
    """Show the corpora that have a name."""
    from s2s_zoo.data.corpora import CORPORA

    rows = [
        {
            "name": corpus.name,
            "kind": corpus.kind,
            "summary": corpus.summary,
            "licence": corpus.licence,
            "splits": list(corpus.splits),
        }
        for corpus in CORPORA
    ]
    if as_json:
        options.print_json(rows)
        return
    for row in rows:
        click.echo(f"{row['name']}: {row['summary']} ({row['licence']})")
        click.echo(f"    {row['kind']}; splits: {', '.join(row['splits'])}")


@command.command("prepare")
@click.argument("name")
@click.option("--directory", type=click.Path(file_okay=False), help="Where it lies.")
@options.as_json
def prepare(name: str, directory: str | None, as_json: bool) -> None:
    """Fetch the corpus NAME into the cache, or verify what lies in --directory."""
    from pathlib import Path

    from s2s_zoo.data.corpora import CORPORA
    from s2s_zoo.data.corpora.lookup import corpus_called

    corpus = corpus_called(name) or CORPORA.get(name)
    path = corpus.prepare(Path(directory) if directory else None)
    if as_json:
        options.print_json({"name": name, "path": str(path)})
    else:
        click.echo(f"{name} is ready in {path}")


@command.command("check")
@click.argument("path")
@click.option("--preset", help="By default one for what PATH looks like.")
@options.settings
@click.option("--source", help="Language of the sources of pairs of texts.")
@click.option("--target", help="Language of the targets.")
@options.audio_root
@click.option("--show", default=5, show_default=True, help="Names shown of each kind.")
@options.as_json
def check(
    path: str,
    preset: str | None,
    settings: tuple[str, ...],
    show: int,
    as_json: bool,
    **given: Any,
) -> int:
    """Find in PATH (or a corpus by name) what would hurt training PRESET."""
    options.start_backend(None)
    from s2s_zoo.settings import parse_setting
    from s2s_zoo.workflows.check_data import check_data

    from .console import counting

    chosen = {name: value for name, value in given.items() if value}
    with counting("checking") as progress:
        report = check_data(
            data=path,
            preset=preset,
            settings=dict(map(parse_setting, settings)),
            options=chosen,
            progress=progress,
        )
    if as_json:
        options.print_json(report.to_json())
    else:
        _tell(report, show)
    return 0 if report.ok else 1


def _tell(report: Any, show: int) -> None:
    click.echo(report.headline)
    for kind, found in report.findings.items():
        click.echo(f"{kind} ({report.kinds[kind]}): {report.counts[kind]}")
        for name, detail in found[:show]:
            click.echo(f"    {name}: {detail}")
    if report.ok:
        click.echo("Nothing in it would hurt training.")
