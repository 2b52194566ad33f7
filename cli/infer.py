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
@click.option("--plot", type=click.Path(dir_okay=False), help="PNG of the first.")
@options.search
@options.backend
@options.as_json
def command(
    paths: tuple[str, ...],
    listing: str | None,
    output: str | None,
    plot: str | None,
    search: str,
    backend: str | None,
    as_json: bool,
) -> None:
    """Run RUN (by default the newest under ./runs) on audio files or lines of text."""
    options.start_backend(backend)
    from s2s_zoo.workflows.infer import infer

    first_is_run = bool(paths) and Path(paths[0]).is_dir()
    run = paths[0] if first_is_run else None
    inputs = list(paths[1:] if first_is_run else paths)
    if listing:
        inputs += Path(listing).read_text(encoding="utf-8").splitlines()
    results = infer(run=run, inputs=inputs, output=output, search=search, plot=plot)
    if as_json:
        options.print_json({"outputs": results})
        return
    for result in results:
        click.echo(f"{result['input']}\t{result['output']}")
