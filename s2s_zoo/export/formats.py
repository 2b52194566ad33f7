"""The formats a model can be exported to, by name."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.export.comparison import Arrays
from s2s_zoo.export.savedmodel import run_saved_model, write_saved_model
from s2s_zoo.tasks.serving import Serving


@dataclass(frozen=True)
class Format:
    """How a format is written and run.

    Attributes:
        backend: Keras backend that writes it.
        write: puts the model into a directory that does not exist yet.
        run: runs what lies in the directory on batches of inputs, in another process.
    """

    backend: str
    write: Callable[[Serving, Path], None]
    run: Callable[[Path, list[Arrays]], list[Arrays]]


FORMATS = {"savedmodel": Format("tensorflow", write_saved_model, run_saved_model)}
