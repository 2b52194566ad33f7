"""What is damaged: how each kind of directory is made, and everything that reads it."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Subject:
    """A kind of directory.

    Attributes:
        name: what messages call it.
        make: writes an undamaged one; the directory does not exist yet.
        load: reads all of it; it is the working directory.
        share: how often it comes, relative to others.
        slow: takes seconds, so that it comes only where many cases are run.
        seal: makes checksums in it agree again, where there are any.
    """

    name: str
    make: Callable[[Path], object]
    load: Callable[[Path], object]
    share: int = 1
    slow: bool = False
    seal: Callable[[Path], object] | None = None


def subjects(slow: bool) -> list[Subject]:
    """Those that are quick, or all; the kinds of data come from the registry."""
    from tests.fuzzing.data import DATA
    from tests.fuzzing.models import MODELS
    from tests.fuzzing.runs import RUNS

    every = [*MODELS, *RUNS, *DATA]
    return [subject for subject in every if slow or not subject.slow]


def schedule(found: list[Subject]) -> list[Subject]:
    """The subjects of consecutive cases."""
    return [subject for subject in found for _ in range(subject.share)]
