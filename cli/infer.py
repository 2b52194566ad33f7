"""`s2s-zoo infer`."""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from . import FAILED, options

STDIN = "-"


@click.command("infer")
@click.argument("paths", nargs=-1, metavar="[RUN] [INPUT]...")
@click.option(
    "--input",
    "listing",
    type=click.Path(exists=True, dir_okay=False, allow_dash=True),
    help="Text file with one input a line; - for standard input.",
)
@click.option("--output", type=click.Path(dir_okay=False), help="File for the outputs.")
@click.option("--plot", type=click.Path(dir_okay=False), help="PNG of the first.")
@click.option("--score", is_flag=True, help="How probable the lines of text are.")
@click.option(
    "--vocoder",
    metavar="griffin-lim|RUN",
    default="",
    help="What makes waveforms of a synthesizer's frames: griffin-lim, the default, or "
    "the run of a WaveNet.",
)
@options.search
@options.compiled
@options.backend
@options.as_json
def command(
    paths: tuple[str, ...],
    listing: str | None,
    output: str | None,
    plot: str | None,
    score: bool,
    vocoder: str,
    search: str,
    compiled: bool,
    backend: str | None,
    as_json: bool,
) -> int:
    """Run RUN (by default the newest under ./runs) on audio files or lines of text."""
    options.start_backend(backend)
    from s2s_zoo.workflows.infer import infer
    from s2s_zoo.workflows.run_directory import find_run

    first_is_run = bool(paths) and os.path.isdir(paths[0])
    if paths:
        _refuse_missing(paths[0], alone=len(paths) == 1 and not listing)
    inputs = list(paths[1:] if first_is_run else paths)
    if listing:
        inputs += _read_lines(listing)
    run = paths[0] if first_is_run else find_run(None).path
    if not first_is_run:
        click.echo(f"with {run}", err=True)
    from .console import advancing

    with advancing("inferring", len(inputs)) as progress:
        results = infer(
            run=run,
            inputs=inputs,
            output=output,
            search=search,
            compiled=compiled,
            plot=plot,
            score=score,
            vocoder=vocoder,
            progress=progress,
        )
    if as_json:
        options.print_json({"outputs": results})
    else:
        _tell(results)
    return FAILED if any("error" in result for result in results) else 0


def _tell(results: Sequence[Mapping[str, Any]]) -> None:
    for result in results:
        if "error" in result:
            click.echo(f"Error: {result['error']}", err=True)
            continue
        click.echo(f"{result['input']}\t{result['output']}")
        for found in result.get("labels", []):
            click.echo(f"\t{found['probability']:7.2%}  {found['label']}")
        for text in result.get("n_best", [])[1:]:
            click.echo(f"\t{text['text']}")
    cut = [result for result in results if result.get("tokens_cut")]
    if cut:
        click.echo(f"{len(cut)} of {len(results)} inputs were cut", err=True)


def _refuse_missing(text: str, alone: bool) -> None:
    """Tell a path to nowhere from a line of text, which holds spaces or no slash.

    One `alone` may hold a slash, as and/or does, where it leads nowhere at all.
    """
    from s2s_zoo.errors import UserError

    is_path = "/" in text and len(text.split()) == 1
    if alone and not os.path.isdir(os.path.dirname(text)):
        is_path = False
    if is_path and ".npz#" not in text and not os.path.exists(text):
        raise UserError(f"{text} does not exist: expected a run directory or an input")


def _read_lines(listing: str) -> list[str]:
    """The lines of UTF-8, each ended by a line feed and nothing else."""
    from s2s_zoo.data.utf8 import decode_utf8, read_utf8

    if listing == STDIN:
        text = decode_utf8(sys.stdin.buffer.read(), "standard input")
    else:
        text = read_utf8(Path(listing))
    lines = text.split("\n")
    return [line.removesuffix("\r") for line in (lines if lines[-1] else lines[:-1])]
