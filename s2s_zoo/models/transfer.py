"""Weights of one model for another of different shape, as far as they fit."""

import math
from pathlib import Path

import keras

from s2s_zoo.errors import UserError
from s2s_zoo.models.seq2seq import Seq2Seq

SHOWN = 20


def copy_fitting_weights(model: Seq2Seq, directory: Path) -> str:
    """Give `model` those weights of a preset directory that it has in the same shape.

    Returns:
        What share was taken, and the weights of the model that stay as they were.

    Raises:
        UserError: no preset directory, or nothing in it fits.
    """
    there = _weights(Seq2Seq.from_preset(directory, load_weights=True))
    here = _weights(model)
    fitting = [n for n, w in here.items() if n in there and there[n].shape == w.shape]
    left = {n: w for n, w in here.items() if n not in fitting}
    described = "".join(
        f"\n  {name} {tuple(weight.shape)}, there {_shape(there.get(name))}"
        for name, weight in list(left.items())[:SHOWN]
    )
    if not fitting:
        raise UserError(f"Nothing of {directory} fits this model:{described}")
    for name in fitting:
        here[name].assign(there[name])
    numbers = sum(math.prod(here[name].shape) for name in fitting)
    share = numbers / sum(math.prod(weight.shape) for weight in here.values())
    taken = f"{len(fitting)} of {len(here)} weights, {share:.1%} of the numbers, taken"
    return f"{taken} from {directory}" + (f"; not{described}" if left else "")


def _shape(weight: keras.Variable | None) -> str:
    return "none" if weight is None else str(tuple(weight.shape))


def _weights(model: Seq2Seq) -> dict[str, keras.Variable]:
    """Weights by part and path inside it; a table that parts share comes once."""
    every = {name: getattr(model, name) for name in Seq2Seq.PARTS}
    parts = {name: part for name, part in every.items() if part is not None}
    found: dict[str, keras.Variable] = {}
    known: set[str] = set()
    for part, layer in parts.items():
        for weight in layer.weights:
            if weight.path not in known:
                known.add(weight.path)
                found[f"{part}/{weight.path.split('/', 2)[2]}"] = weight
    return found
