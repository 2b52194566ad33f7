"""The preset directory: a model as plain data.

`config.json` names encoder, decoder and augmentation with their constructor
arguments, `preprocessor.json` the features, `task.json` the task, `metadata.json`
who wrote it, `model.weights.h5` the weights, `assets/` what else the task needs.
Nothing in it is executed: parts are looked up among the registered classes and their
arguments are plain values.
"""

import inspect
import json
import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import keras

from s2s_zoo.decoders.base import Decoder
from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import UserError
from s2s_zoo.features.base import Features
from s2s_zoo.features.spec_augment import SpecAugment
from s2s_zoo.layers.base import ZooLayer, constructor_parameters
from s2s_zoo.models.argument_types import accepts, shown
from s2s_zoo.models.assets import read_assets, write_assets
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS, TASKS
from s2s_zoo.version import __version__

WEIGHTS = "model.weights.h5"
ASSETS = "assets"
JSON_LIMIT = 1 << 20
SLACK = 10_000
H5_ERRORS = (OSError, ValueError, KeyError, RuntimeError)
KINDS: dict[str, type[ZooLayer]] = {
    "features": Features,
    "encoder": Encoder,
    "decoder": Decoder,
    "augmentation": SpecAugment,
}


def save_preset(model: Seq2Seq, directory: Path) -> None:
    """Write `model` to `directory`, which is made if absent."""
    directory.mkdir(parents=True, exist_ok=True)
    parts = {"encoder": model.encoder, "decoder": model.decoder}
    if model.augmentation is not None:
        parts["augmentation"] = model.augmentation
    config = {name: _describe(part) for name, part in parts.items()}
    _write_json(directory / "config.json", config)
    _write_json(
        directory / "preprocessor.json", {"features": _describe(model.features)}
    )
    _write_json(directory / "task.json", _describe_task(model.task))
    write_assets(directory / ASSETS, model.task.assets())
    metadata = {
        "s2s_zoo_version": __version__,
        "keras_version": keras.__version__,
        "parameter_count": model.count_params(),
    }
    _write_json(directory / "metadata.json", metadata)
    _save_weights(model, directory / WEIGHTS)


def load_preset(
    directory: Path, load_weights: bool | None = None, **overrides: dict[str, Any]
) -> Seq2Seq:
    """The model `save_preset` wrote; see `Seq2Seq.from_preset`."""
    if not (directory / "config.json").is_file():
        raise UserError(
            f"{directory} is no directory with a config.json. "
            f"{PRESETS.unknown(str(directory))}"
        )
    parts = _read_parts(directory, overrides)
    task = _load_task(directory)
    weights = directory / WEIGHTS
    if load_weights is False or not (load_weights or weights.is_file()):
        return _assemble(directory, task, parts)
    _check_weights_file(weights, _count_parameters(directory, task, parts))
    model = _assemble(directory, task, parts)
    _load_weights(model, weights)
    return model


def _read_parts(
    directory: Path, overrides: dict[str, dict[str, Any]]
) -> dict[str, dict[str, Any]]:
    config = _read_json(directory / "config.json")
    config.update(_read_json(directory / "preprocessor.json"))
    unknown = sorted((set(config) | set(overrides)) - set(KINDS))
    if unknown:
        raise UserError(
            f"{directory}: parts are {', '.join(KINDS)}. Received: {unknown}"
        )
    for name in [*config, *(k for k in KINDS if k != "augmentation")]:
        if not isinstance(config.get(name), dict):
            raise UserError(
                f"{directory}: {name!r} is an object naming a part and its arguments. "
                f"Received: {config.get(name)!r}"
            )
    return {name: {**part, **overrides.get(name, {})} for name, part in config.items()}


def _count_parameters(
    directory: Path, task: Any, parts: dict[str, dict[str, Any]]
) -> int:
    """Numbers the model will hold, without making room for them.

    In a thread of its own, whose Keras state ends with it: variables that were never
    initialized would be as soon as another scope closes.
    """

    def count() -> int:
        with keras.StatelessScope(initialize_variables=False):
            return int(_assemble(directory, task, parts).count_params())

    with ThreadPoolExecutor(1) as pool:
        return pool.submit(count).result()


def _assemble(directory: Path, task: Any, parts: dict[str, dict[str, Any]]) -> Seq2Seq:
    made = {
        name: _make(KINDS[name], part, directory, name) for name, part in parts.items()
    }
    model = Seq2Seq(task, **made)
    try:
        model.build()
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{directory}: {error}") from error
    return model


def _describe(part: ZooLayer) -> dict[str, Any]:
    registered = keras.saving.get_registered_name(type(part))
    return {"part": registered, "dtype": part.dtype_policy.name, **part.settings()}


def _make(
    kind: type[ZooLayer], described: dict[str, Any], directory: Path, name: str
) -> ZooLayer:
    arguments = dict(described)
    registered = arguments.pop("part", None)
    cls = _registered(registered)
    if cls is None or not issubclass(cls, kind):
        raise UserError(
            f"{directory}: {name!r} is a registered {kind.__name__}. "
            f"Received: {registered!r}"
        )
    accepted = [*constructor_parameters(cls), "dtype"]
    unknown = sorted(set(arguments) - set(accepted))
    if unknown:
        raise UserError(
            f"{directory}: {name} takes {', '.join(accepted)}. Received: {unknown}"
        )
    _check_types(f"{directory}: {name}", constructor_parameters(cls), arguments)
    try:
        return cls(**arguments)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{directory}: {name}: {error}") from error


def _check_types(
    where: str, parameters: Mapping[str, inspect.Parameter], values: dict[str, Any]
) -> None:
    for key, value in values.items():
        annotation = parameters[key].annotation if key in parameters else Any
        if annotation is not Any and not accepts(annotation, value):
            raise UserError(
                f"{where}.{key} is of type {shown(annotation)}. Received: {value!r}"
            )


def _registered(name: Any) -> type[Any] | None:
    if not isinstance(name, str):
        return None
    PRESETS.names()  # loads the packages that register parts
    cls = keras.saving.get_registered_object(name)
    return cls if inspect.isclass(cls) else None


def _describe_task(task: Any) -> dict[str, Any]:
    return {"task": task.name, **task.settings()}


def _load_task(directory: Path) -> Any:
    path = directory / "task.json"
    described = _read_json(path)
    name = str(described.pop("task", None))
    if name not in TASKS:
        known = ", ".join(TASKS.names())
        raise UserError(f"{path}: 'task' is one of {known}. Received: {name}")
    cls = TASKS.get(name)
    parameters = dict(inspect.signature(cls).parameters)
    plain = {k: v for k, v in described.items() if not isinstance(v, dict)}
    _check_types(str(path), parameters, plain)
    try:
        task = cls.from_settings(described)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    return task.with_assets(read_assets(directory / ASSETS))


def _save_weights(model: Seq2Seq, path: Path) -> None:
    partial = path.with_name(f"partial.{os.getpid()}.weights.h5")
    optimizer = getattr(model, "optimizer", None)
    model.optimizer = None
    try:
        model.save_weights(partial)
        partial.replace(path)
    finally:
        model.optimizer = optimizer
        partial.unlink(missing_ok=True)


def _load_weights(model: Seq2Seq, path: Path) -> None:
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
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise ValueError(f"larger than {JSON_LIMIT} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a JSON object. Received: {type(value).__name__}")
    return value


def copy_weights(model: Seq2Seq, directory: Path) -> None:
    """Load the weights of a preset directory of the same architecture into `model`."""
    _check_weights_file(directory / WEIGHTS, model.count_params())
    _load_weights(model, directory / WEIGHTS)
