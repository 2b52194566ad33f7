"""`s2s-zoo export`."""

import dataclasses
import importlib.util
import os

import click

from . import options

BACKEND = "tensorflow"


@click.command("export")
@options.run
@click.option(
    "--format",
    default="savedmodel",
    show_default=True,
    help="savedmodel: a TensorFlow SavedModel, raw input to raw output.",
)
@click.option(
    "--output",
    type=click.Path(file_okay=False),
    help="Directory, absent or empty; by default RUN/export/FORMAT.",
)
@options.as_json
def command(run: str | None, format: str, output: str | None, as_json: bool) -> None:
    """Export RUN (by default the newest under ./runs) and compare it with the model.

    Runs on TensorFlow and on the CPU, whatever backend and device trained the model.
    """
    _start_tensorflow()
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


def _start_tensorflow() -> None:
    """A GPU is left to whoever trains on it, and to float32 without TF32."""
    from s2s_zoo.errors import UserError

    if importlib.util.find_spec(BACKEND) is None:
        raise UserError(
            "Models are exported by TensorFlow, whatever backend trained them, and it "
            "is not installed: pip install tensorflow"
        )
    os.environ["CUDA_VISIBLE_DEVICES"] = "-1"
    options.start_backend(BACKEND)
