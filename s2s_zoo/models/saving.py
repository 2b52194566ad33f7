"""The preset directory: a model as plain data.

`config.json` names encoder, decoder and augmentation with their constructor
arguments, `preprocessor.json` the features, `task.json` the task, `metadata.json`
who wrote it, `model.weights.h5` the weights. Nothing in it is executed: parts are
looked up among the registered classes and their arguments are plain values.
"""

import dataclasses
import inspect
import json
from pathlib import Path
from typing import Any

import h5py
import keras

from s2s_zoo.decoders.base import Decoder
from s2s_zoo.encoders.base import Encoder
from s2s_zoo.errors import UserError
from s2s_zoo.features.base import AudioFeatures
from s2s_zoo.features.spec_augment import SpecAugment
from s2s_zoo.layers.base import ZooLayer, constructor_parameters
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.registry import PRESETS, TASKS
from s2s_zoo.version import __version__

WEIGHTS = "model.weights.h5"
JSON_LIMIT = 1 << 20


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
            "A preset is a registered name or a directory with a config.json. "
            f"Names: {', '.join(PRESETS.names())}. Received: {directory}"
        )
    config = _read_json(directory / "config.json")
    config.update(_read_json(directory / "preprocessor.json"))
    kinds: dict[str, type[ZooLayer]] = {
        "features": AudioFeatures,
        "encoder": Encoder,
        "decoder": Decoder,
        "augmentation": SpecAugment,
    }
    unknown = sorted((set(config) | set(overrides)) - set(kinds))
    if unknown:
        raise UserError(
            f"{directory}: parts are {', '.join(kinds)}. Received: {unknown}"
        )
    parts = {
        name: _make(kinds[name], {**part, **overrides.get(name, {})}, directory, name)
        for name, part in config.items()
    }
    model = Seq2Seq(_load_task(directory / "task.json"), **parts)
    model.build()
    if load_weights is not False:
        _load_weights(model, directory / WEIGHTS, required=load_weights is True)
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
    try:
        return cls(**arguments)
    except (TypeError, ValueError) as error:
        raise UserError(f"{directory}: {name}: {error}") from error


def _registered(name: Any) -> type[Any] | None:
    if not isinstance(name, str):
        return None
    PRESETS.names()  # loads the packages that register parts
    cls = keras.saving.get_registered_object(name)
    return cls if inspect.isclass(cls) else None


def _describe_task(task: Any) -> dict[str, Any]:
    return {"task": task.name, **dataclasses.asdict(task)}


def _load_task(path: Path) -> Any:
    described = _read_json(path)
    name = str(described.pop("task", None))
    if name not in TASKS:
        known = ", ".join(TASKS.names())
        raise UserError(f"{path}: 'task' is one of {known}. Received: {name}")
    try:
        return TASKS.get(name).from_settings(described)
    except (TypeError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error


def _save_weights(model: Seq2Seq, path: Path) -> None:
    optimizer = getattr(model, "optimizer", None)
    model.optimizer = None
    try:
        model.save_weights(path)
    finally:
        model.optimizer = optimizer


def _load_weights(model: Seq2Seq, path: Path, required: bool) -> None:
    if not path.is_file():
        if required:
            raise UserError(f"No weights: {path} does not exist")
        return
    try:
        _check_weights_file(path, model.count_params())
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise UserError(f"{path} does not fit this model: {error}") from error


def _check_weights_file(path: Path, parameters: int) -> None:
    """Refuse links out of the file and more data than the model holds."""
    stored = 0
    with h5py.File(path, "r") as file:
        pending = [file]
        while pending:
            group = pending.pop()
            for name in group:
                link = group.get(name, getlink=True)
                if not isinstance(link, h5py.HardLink):
                    raise ValueError(f"{group.name}/{name} is a link")
                item = group[name]
                if isinstance(item, h5py.Group):
                    pending.append(item)
                else:
                    stored += item.size
    if stored > parameters + 10_000:
        raise ValueError(f"it holds {stored:,} numbers, the model {parameters:,}")


def _write_json(path: Path, value: dict[str, Any]) -> None:
    path.write_text(json.dumps(value, indent=2) + "\n", encoding="utf-8")


def _read_json(path: Path) -> dict[str, Any]:
    try:
        if path.stat().st_size > JSON_LIMIT:
            raise ValueError(f"larger than {JSON_LIMIT} bytes")
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: {error}") from error
    if not isinstance(value, dict):
        raise UserError(f"{path} holds a JSON object. Received: {type(value).__name__}")
    return value


def copy_weights(model: Seq2Seq, directory: Path) -> None:
    """Load the weights of a preset directory of the same architecture into `model`."""
    _load_weights(model, directory / WEIGHTS, required=True)
