"""The preset directory: a model as plain data.

`config.json` names encoder, decoder and augmentation with their constructor
arguments, `preprocessor.json` the features, `task.json` the task, `metadata.json`
who wrote it in which format, `model.weights.h5` the weights, `assets/` what else the
task needs. Nothing in it is executed: parts are looked up among the registered classes
and their arguments are plain values and other parts.
"""

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import h5py
import keras

from s2s_zoo.errors import UserError, named_path
from s2s_zoo.json_text import parse_json
from s2s_zoo.layers.carry import Carry
from s2s_zoo.models.assets import read_assets, write_assets, write_whole
from s2s_zoo.models.unallocated import unallocated
from s2s_zoo.parts import describe, make, make_of, refusing
from s2s_zoo.registry import PRESETS, TASKS
from s2s_zoo.version import __version__

FORMAT = 1
"""Of preset directories and runs; another number is another format."""

WEIGHTS = "model.weights.h5"
ASSETS = "assets"
TASK = "task.json"
BEST = "preset"
"""The directory of the best model in a run."""
JSON_LIMIT = 1 << 20
SLACK = 10_000
HDF5_BASE, HDF5_OF_WEIGHT = 16 << 10, 4 << 10
H5_ERRORS = (OSError, ValueError, KeyError, RuntimeError)
OPTIONAL = "augmentation"

ModelT = TypeVar("ModelT", bound=keras.Model)


def save_preset(model: keras.Model, directory: Path) -> None:
    """Write a `Seq2Seq` to `directory`, which is made if absent."""
    directory.mkdir(parents=True, exist_ok=True)
    described = describe_model(model)
    del described["task"]
    features = described.pop("features")
    _write_json(directory / "config.json", described)
    _write_json(directory / "preprocessor.json", {"features": features})
    write_task(model.task, directory)
    metadata = {
        "format": FORMAT,
        "s2s_zoo_version": __version__,
        "keras_version": keras.__version__,
        "parameter_count": model.count_params(),
    }
    _write_json(directory / "metadata.json", metadata)
    _save_weights(model, directory / WEIGHTS)


def describe_model(model: keras.Model) -> dict[str, Any]:
    """The parts and the task of a `Seq2Seq` as plain data, by name."""
    parts = {name: getattr(model, name) for name in model.PARTS}
    described = {n: describe(part) for n, part in parts.items() if part is not None}
    return described | {"task": {"task": model.task.name, **model.task.settings()}}


def write_task(task: Any, directory: Path) -> None:
    """Write a task and its assets to a preset directory, in the place of its own."""
    write_assets(directory / ASSETS, task.assets())
    _write_json(directory / TASK, {"task": task.name, **task.settings()})


def read_task(directory: Path) -> Any:
    """The task that `write_task` wrote."""
    task = make_task(read_json(directory / TASK), str(directory / TASK))
    return task.with_assets(read_assets(directory / ASSETS))


def preset_directory(path: str | Path) -> Path:
    """The best model of a run, or `path` itself where it is no run with a model.

    Raises:
        UserError: nothing can be called so.
    """
    directory = named_path(path)
    best = directory / BEST
    is_preset = (directory / "config.json").is_file()
    return best if best.is_dir() and not is_preset else directory


def load_preset(
    kind: type[ModelT],
    directory: Path,
    load_weights: bool | None = None,
    **overrides: dict[str, Any],
) -> ModelT:
    """The model `save_preset` wrote; see `Seq2Seq.from_preset`."""
    directory = preset_directory(directory)
    if not (directory / "config.json").is_file():
        raise UserError(
            f"{directory} is no directory with a config.json. "
            f"{PRESETS.unknown(str(directory))}"
        )
    check_format(directory, read_json(directory / "metadata.json"))
    parts = _read_parts(kind, directory, overrides)
    task = read_task(directory)
    weights = directory / WEIGHTS
    if load_weights is False or not (load_weights or weights.is_file()):
        return assemble(kind, task, parts, str(directory))
    _check_weights_file(weights, _count_parameters(kind, task, parts, str(directory)))
    model = assemble(kind, task, parts, str(directory))
    _load_weights(model, weights)
    return model


def check_format(directory: Path, described: dict[str, Any]) -> None:
    """Raise a UserError unless a directory is of the format that is written today.

    Args:
        directory: a preset directory or a run.
        described: its JSON object with the key "format".
    """
    found = described.get("format", 0)
    if found != FORMAT:
        raise UserError(
            f"{directory} is of format {found!r}; this version reads format {FORMAT}: "
            "train it anew, or use the version that wrote it"
        )


def _read_parts(
    kind: type[ModelT], directory: Path, overrides: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    config = read_json(directory / "config.json")
    config.update(read_json(directory / "preprocessor.json"))
    unknown = sorted((set(config) | set(overrides)) - set(kind.PARTS))
    if unknown:
        raise UserError(
            f"{directory}: parts are {', '.join(kind.PARTS)}. Received: {unknown}"
        )
    for name in [*config, *(n for n in kind.PARTS if n != OPTIONAL)]:
        if not isinstance(config.get(name), dict):
            raise UserError(
                f"{directory}: {name!r} is an object naming a part and its arguments. "
                f"Received: {config.get(name)!r}"
            )
    return {name: {**part, **overrides.get(name, {})} for name, part in config.items()}


def _count_parameters(
    kind: type[ModelT], task: Any, parts: dict[str, dict[str, Any]], where: str
) -> int:
    """Numbers the file will hold, without making room for them."""
    return unallocated(lambda: stored_numbers(assemble(kind, task, parts, where)))


def stored_numbers(model: keras.Model) -> int:
    """Numbers of the file of weights: all but what trainings carry along."""
    layers = model._flatten_layers(include_self=False)
    carried = {id(v) for la in layers if isinstance(la, Carry) for v in la.variables}
    kept = [weight for weight in model.weights if id(weight) not in carried]
    return sum(math.prod(weight.shape) for weight in kept)


def assemble(
    kind: type[ModelT], task: Any, parts: dict[str, dict[str, Any]], where: str
) -> ModelT:
    """The built model whose parts are described so.

    Raises:
        UserError: begins with `where` and names what does not describe a part, or
            parts that do not fit each other.
    """
    made = {
        name: make(kind.PARTS[name], part, f"{where}: {name!r}")
        for name, part in parts.items()
    }
    model = kind(task, **made)
    with refusing(where, TypeError):
        model.build()
    return model


def make_task(described: dict[str, Any], where: str) -> Any:
    """The task that is described so, without its assets.

    Raises:
        UserError: no registered task, or settings it does not take.
    """
    name = str(described.get("task"))
    if name not in TASKS:
        known = ", ".join(TASKS.names())
        raise UserError(f"{where}: 'task' is one of {known}. Received: {name}")
    settings = {key: value for key, value in described.items() if key != "task"}
    return make_of(TASKS.get(name), settings, where)


def _save_weights(model: keras.Model, path: Path) -> None:
    partial = path.with_name(f"partial.{os.getpid()}.weights.h5")
    optimizer = getattr(model, "optimizer", None)
    model.optimizer = None
    try:
        _reserve(partial, weights_room(model))
        model.save_weights(partial)
        partial.replace(path)
    finally:
        model.optimizer = optimizer
        partial.unlink(missing_ok=True)


def weights_room(model: keras.Model) -> int:
    """Bytes that the weights take in HDF5, names and groups included, at most."""
    return 4 * model.count_params() + HDF5_BASE + HDF5_OF_WEIGHT * len(model.weights)


def _reserve(path: Path, size: int) -> None:
    """Refuse a full disk before HDF5 meets it, which crashes the process there."""
    if hasattr(os, "posix_fallocate"):  # not on macOS
        with path.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, size)


def _load_weights(model: keras.Model, path: Path) -> None:
    try:
        model.load_weights(path)
    except H5_ERRORS as error:
        raise UserError(f"{path} does not fit this model: {error}") from error


def _check_weights_file(path: Path, parameters: int) -> None:
    """Refuse links out of the file and another amount of data than the model holds.

    Raises:
        UserError: no such file, or it is refused.
    """
    if not path.is_file():
        raise UserError(f"No weights: {path} does not exist")
    try:
        with h5py.File(path, "r") as file:
            stored = sum(item.nbytes for item in _datasets(file)) // 4
    except H5_ERRORS as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    if abs(stored - parameters) > SLACK:
        raise UserError(
            f"{path} does not fit this model: it holds {stored:,} numbers, the model "
            f"{parameters:,}"
        )


def _datasets(file: h5py.File) -> Iterator[h5py.Dataset]:
    """All datasets of a tree whose data lies in this file.

    Raises:
        ValueError: a link, a group met twice, or data in another file.
    """
    pending, met = [file["/"]], {hash(file["/"].id)}
    while pending:
        group = pending.pop()
        for name in group:
            where = f"{group.name}/{name}"
            if not isinstance(group.get(name, getlink=True), h5py.HardLink):
                raise ValueError(f"{where} is a link")
            item = group[name]
            if hash(item.id) in met:
                raise ValueError(f"{where} is in it twice")
            met.add(hash(item.id))
            if isinstance(item, h5py.Group):
                pending.append(item)
            elif not isinstance(item, h5py.Dataset):
                raise ValueError(f"{where} is neither group nor dataset")
            elif item.external or item.is_virtual:
                raise ValueError(f"{where} lies in another file")
            else:
                yield item


def _write_json(path: Path, value: dict[str, Any]) -> None:
    write_whole(path, (json.dumps(value, indent=2) + "\n").encode())


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object of a file of at most a megabyte.

    Raises:
        UserError: there is no such file, or it holds something else.
    """
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise ValueError(f"larger than {JSON_LIMIT} bytes")
        value = parse_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a JSON object. Received: {type(value).__name__}")
    return value


def copy_weights(model: keras.Model, directory: Path) -> None:
    """Load the weights of a preset directory of the same architecture into `model`."""
    _check_weights_file(directory / WEIGHTS, stored_numbers(model))
    _load_weights(model, directory / WEIGHTS)
