"""The formats a model can be exported to, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.export.backends import BACKENDS
from s2s_zoo.export.ctranslate2 import (
    as_ctranslate2,
    run_ctranslate2_model,
    write_ctranslate2,
)
from s2s_zoo.export.savedmodel import (
    as_saved_model,
    run_saved_model,
    write_saved_model,
)
from s2s_zoo.tasks.serving import Serving
from s2s_zoo.typing import Arrays


@dataclass(frozen=True)
class Format:
    """How a format is written and run.

    Attributes:
        backend: Keras backend that writes it, None where any does.
        write: puts the model into a directory that does not exist yet.
        run: runs what lies in the directory on batches of inputs, in another process.
        compared: the model with the signatures that `run` gives the outputs of.
    """

    backend: str | None
    write: Callable[[Serving, Path], None]
    run: Callable[[Path, list[Arrays]], list[Arrays]]
    compared: Callable[[Serving], Serving]


FORMATS = {
    "savedmodel": Format(
        BACKENDS["savedmodel"], write_saved_model, run_saved_model, as_saved_model
    ),
    "ctranslate2": Format(
        BACKENDS["ctranslate2"],
        write_ctranslate2,
        run_ctranslate2_model,
        as_ctranslate2,
    ),
}
