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
        load: reads all of it.
        share: how often it comes, relative to others.
        seal: makes checksums in it agree again, where there are any.
    """

    name: str
    make: Callable[[Path], object]
    load: Callable[[Path], object]
    share: int = 1
    seal: Callable[[Path], object] | None = None


def subjects() -> list[Subject]:
    """All of them; those of the kinds of data come from the registry."""
    from tests.fuzzing.data import DATA
    from tests.fuzzing.models import MODELS

    return [*MODELS, *DATA]


def schedule(found: list[Subject]) -> list[Subject]:
    """The subjects of consecutive cases."""
    return [subject for subject in found for _ in range(subject.share)]
