"""Weights of one model for another: all of them, or as far as they fit."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras

from s2s_zoo.errors import UserError
from s2s_zoo.layers.carry import Carry
from s2s_zoo.models.saving import TASK, copy_weights, read_json
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.models.unallocated import unallocated

SHOWN = 20
Shapes = dict[str, tuple[int, ...]]


@dataclass(frozen=True)
class Transfer:
    """Which weights of a model came from where.

    Attributes:
        directory: the preset directory.
        taken: names of the weights that were taken.
        skipped: why others were not, by name: those of the model and those of the
            directory.
        weights: of the model, in all.
        share: of the numbers of the model, that were taken.
    """

    directory: Path
    taken: tuple[str, ...]
    skipped: dict[str, str]
    weights: int
    share: float

    def __str__(self) -> str:
        taken = f"{len(self.taken)} of {self.weights} weights"
        text = f"{taken}, {self.share:.1%} of the numbers, taken from {self.directory}"
        lines = [f"{name} {why}" for name, why in self.skipped.items()]
        return text + (f"; not{_listed(lines)}" if lines else "")

    def described(self) -> dict[str, Any]:
        """All of it as JSON values."""
        return {
            "directory": str(self.directory),
            "taken": list(self.taken),
            "skipped": self.skipped,
            "share": self.share,
        }


def is_for_another_task(model: Seq2Seq, directory: Path) -> bool:
    """Whether a preset directory holds a model for another task than this one is."""
    return bool(read_json(directory / TASK).get("task") != model.task.name)


def copy_all_weights(model: Seq2Seq, directory: Path) -> Transfer:
    """Give `model` the weights of a preset directory, all of them.

    Raises:
        UserError: no preset directory, or weights that differ: names them with both
            shapes, and how to take the others.
    """
    here, there = _shapes(model), _shapes_in(directory)
    if here != there:
        fitting = sum(there.get(name) == shape for name, shape in here.items())
        partly = f"--init-partly takes the {fitting} of {len(here)} that fit"
        raise UserError(
            f"Weights of {directory} do not fit this model:"
            f"{_listed(_differences(here, there))}\n"
            f"{partly if fitting else 'None of them fits'}"
        )
    copy_weights(model, directory)
    return Transfer(directory, tuple(here), {}, len(here), 1.0)


def copy_fitting_weights(model: Seq2Seq, directory: Path) -> Transfer:
    """Give `model` those weights of a preset directory that it has in the same shape.

    Raises:
        UserError: no preset directory, or nothing in it fits.
    """
    donor = Seq2Seq.from_preset(directory, load_weights=True)
    here, there = _shapes(model), _shapes(donor)
    fitting = [name for name, shape in here.items() if there.get(name) == shape]
    skipped = _reasons(here, there)
    if not fitting:
        told = _listed(_differences(here, there))
        raise UserError(f"Nothing of {directory} fits this model:{told}")
    weights, given = _weights(model), _weights(donor)
    for name in fitting:
        weights[name].assign(given[name])
    numbers = sum(math.prod(here[name]) for name in fitting)
    share = numbers / sum(map(math.prod, here.values()))
    return Transfer(directory, tuple(fitting), skipped, len(here), share)


def _differences(here: Shapes, there: Shapes) -> list[str]:
    """A line for each weight of another shape, or that only one of them has."""
    return [f"{name} {why}" for name, why in _reasons(here, there).items()]


def _reasons(here: Shapes, there: Shapes) -> dict[str, str]:
    """Both shapes of each weight of another shape, or that only one of them has."""
    names = [name for name in {**here, **there} if here.get(name) != there.get(name)]
    return {
        name: f"{_shown(here, name)}, there {_shown(there, name)}" for name in names
    }


def _listed(lines: list[str]) -> str:
    """Lines of their own, at most `SHOWN`."""
    shown = lines
    if len(lines) > SHOWN:
        shown = [*lines[:SHOWN], f"and {len(lines) - SHOWN} more"]
    return "".join(f"\n  {line}" for line in shown)


def _shown(shapes: Mapping[str, tuple[int, ...]], name: str) -> str:
    return str(shapes.get(name, "none"))


def _shapes_in(directory: Path) -> Shapes:
    """Shapes of the weights of a preset directory, without making room for them."""
    return unallocated(
        lambda: _shapes(Seq2Seq.from_preset(directory, load_weights=False))
    )


def _shapes(model: Seq2Seq) -> Shapes:
    return {name: tuple(weight.shape) for name, weight in _weights(model).items()}


def _weights(model: Seq2Seq) -> dict[str, keras.Variable]:
    """Weights by part and path inside it; a table that parts share comes once.

    What a training carries on is no weight.
    """
    every = {name: getattr(model, name) for name in Seq2Seq.PARTS}
    parts = {name: part for name, part in every.items() if part is not None}
    found: dict[str, keras.Variable] = {}
    known: set[str] = set()
    for layer in model._flatten_layers():
        if isinstance(layer, Carry):
            known.update(weight.path for weight in layer.weights)
    for part, layer in parts.items():
        for weight in layer.weights:
            if weight.path not in known:
                known.add(weight.path)
                found[f"{part}/{weight.path.split('/', 2)[2]}"] = weight
    return found
