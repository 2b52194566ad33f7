"""`s2s-zoo infer`."""

from pathlib import Path

import click

from . import options


@click.command("infer")
@click.argument("paths", nargs=-1, metavar="[RUN] [INPUT]...")
@click.option(
    "--input",
    "listing",
    type=click.Path(exists=True, dir_okay=False),
    help="Text file with one input a line.",
)
@click.option("--output", type=click.Path(dir_okay=False), help="File for the outputs.")
@options.backend
@options.as_json
def command(
    paths: tuple[str, ...],
    listing: str | None,
    output: str | None,
    backend: str | None,
    as_json: bool,
) -> None:
    """Transcribe audio files with RUN (by default the newest under ./runs)."""
    options.start_backend(backend)
    from s2s_zoo.workflows.infer import infer

    first_is_run = bool(paths) and Path(paths[0]).is_dir()
    run = paths[0] if first_is_run else None
    inputs = list(paths[1:] if first_is_run else paths)
    if listing:
        inputs += Path(listing).read_text(encoding="utf-8").split("\n")
    results = infer(run=run, inputs=[i for i in inputs if i.strip()], output=output)
    if as_json:
        options.print_json({"outputs": results})
        return
    for result in results:
        click.echo(f"{result['input']}\t{result['output']}")
