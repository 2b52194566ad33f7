"""`s2s-zoo export`."""

import dataclasses
import importlib.util
import os

import click

from . import options


@click.command("export")
@options.run
@click.option(
    "--format",
    default="savedmodel",
    show_default=True,
    help="savedmodel: a TensorFlow SavedModel, raw input to raw output. ctranslate2: "
    "a Transformer that translates, for CTranslate2.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False),
    help="Directory, absent or empty; by default RUN/export/FORMAT.",
)
@options.as_json
def command(run: str | None, format: str, output: str | None, as_json: bool) -> None:
    """Export RUN (by default the newest under ./runs) and compare it with the model.

    Runs on the CPU, and a SavedModel is written by TensorFlow, whatever backend and
    device trained the model.
    """
    from s2s_zoo.export.backends import BACKENDS

    _start_backend(BACKENDS.get(format))
    from s2s_zoo.workflows.export import export

    from .console import ConsoleReporter

    with ConsoleReporter() as reporter:
        result = export(run=run, format=format, output=output, reporter=reporter)
    if as_json:
        options.print_json(dataclasses.asdict(result))
        return
    click.echo(
        f"{result.path}: {result.format}, reloaded; differs from the model by at most "
        f"{result.max_abs_difference:.1e}"
    )


def _start_backend(name: str | None) -> None:
    """A GPU is left to whoever trains on it, and to float32 without TF32."""
    from s2s_zoo.errors import UserError

    if name is not None and importlib.util.find_spec(name) is None:
        raise UserError(
            f"{name} writes this format, whatever backend trained the model, and it is "
            f"not installed: pip install {name}"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    options.start_backend(name)
