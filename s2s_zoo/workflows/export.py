"""Export a trained model, and compare what was written with the model itself."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras

from s2s_zoo.errors import UserError
from s2s_zoo.export.comparison import compare
from s2s_zoo.export.formats import FORMATS, Format
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.tasks.base import task_of
from s2s_zoo.tasks.serving import Serving
from s2s_zoo.workflows.reporting import Reporter
from s2s_zoo.workflows.run_directory import RunDirectory, find_run
from s2s_zoo.workflows.sources import open_data_of

FLOAT32 = {"dtype": "float32"}


@dataclass(frozen=True)
class ExportResult:
    """What was written; the fields are the keys of `export --json`.

    Attributes:
        format: its name.
        path: directory it was written to.
        max_abs_difference: largest absolute difference of any floating-point output
            between the exported model and the model itself.
    """

    format: str
    path: str
    max_abs_difference: float


def export(
    *,
    run: str | Path | None = None,
    format: str = "savedmodel",
    output: str | Path | None = None,
    reporter: Reporter | None = None,
) -> ExportResult:
    """Write a run's best model, in float32, for use without this package.

    The preset directory is the same for every backend: a model trained on any of
    them is exported by the backend that writes the format, if only one does. What was
    written is reloaded in another process and compared with the model on inputs of
    the test split the run was trained on, or on generated ones where that is not at
    hand. It appears at `output` only if both agree.

    Args:
        run: run directory; None is the newest under ./runs.
        format: one of `FORMATS`.
        output: directory that is absent or empty; None is RUN/export/FORMAT.
        reporter: hears what happens.

    Raises:
        UserError: no such run or format, the backend does not write the format, the
            directory is in use, or the exported model differs.
    """
    chosen = _find_format(format)
    found = find_run(run)
    target = Path(output) if output is not None else found.path / "export" / format
    reporter = reporter or Reporter()
    with _publishing(target) as path:
        model = Seq2Seq.from_preset(
            found.preset, load_weights=True, encoder=FLOAT32, decoder=FLOAT32
        )
        serving = _serving(found, model, reporter)
        chosen.write(serving, path)
        written = chosen.compared(serving)
        if "takes" in written.description:
            reporter.note(f"What was exported takes {written.description['takes']}")
        difference = compare(written, partial(chosen.run, path))
    return ExportResult(format, str(target), difference)


def _find_format(name: str) -> Format:
    if name not in FORMATS:
        known = ", ".join(FORMATS)
        raise UserError(f"A model is exported to {known}. Received: {name}")
    wanted, running = FORMATS[name].backend, keras.backend.backend()
    if wanted not in (None, running):
        raise UserError(
            f"The {wanted} backend writes {name}, whatever backend trained the model. "
            f"Set KERAS_BACKEND={wanted}. Running: {running}"
        )
    return FORMATS[name]


def _serving(run: RunDirectory, model: Seq2Seq, reporter: Reporter) -> Serving:
    task = task_of(model)
    try:
        examples: Sequence[Any] = open_data_of(run, task).read_split("test")
    except UserError as error:
        reporter.note(f"Compared on generated inputs: {error}")
        examples = ()
    return task.serving(model, examples)


@contextmanager
def _publishing(target: Path) -> Iterator[Path]:
    """A path to write to, renamed to `target` at the end unless something fails."""
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise UserError(
            f"{target} exists and is not an empty directory: remove it, or choose "
            "another place with --output"
        )
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(dir=target.parent, prefix=f".{target.name}-") as folder:
            path = Path(folder, target.name)
            yield path
            if target.exists():
                target.rmdir()
            os.rename(path, target)
    except OSError as error:
        raise UserError(f"{target} cannot be written: {error}") from error
