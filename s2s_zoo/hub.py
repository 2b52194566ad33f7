"""keras-hub: its objects as plain data, made again without their preset."""

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import keras

from s2s_zoo.errors import UserError
from s2s_zoo.json_text import parse_json

PREFIX = "keras_hub>"
TOKENIZER = "keras_hub_tokenizer."
"""What the names of the files of a tokenizer begin with."""

_CONFIG = f"{TOKENIZER}json"
_UNKEPT = ("name", "trainable", "dtype")


def keras_hub() -> Any:
    """The package.

    Raises:
        UserError: it is not installed, or cannot be imported.
    """
    try:
        import keras_hub
    except ImportError as error:
        raise UserError(
            f"keras-hub cannot be imported ({error}): install it with "
            "pip install 's2s-zoo[hub]'"
        ) from error
    return keras_hub


def load(kind: Any, preset: str, what: str) -> Any:
    """A backbone, a tokenizer or a converter of a keras-hub preset.

    Args:
        kind: a class of keras-hub with `from_preset`.
        preset: name of a preset, or a local preset directory.
        what: what messages call it, such as "backbone".

    Raises:
        UserError: the preset cannot be had, or has nothing of this kind.
    """
    directory = Path(preset).expanduser()
    try:
        return kind.from_preset(str(directory) if directory.is_dir() else preset)
    except Exception as error:  # of whichever hub is asked, or of its absence
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"No {what} in {preset!r}, which is the name of a keras-hub preset or a "
            f"local preset directory: {reason[0]}"
        ) from error


def describe(thing: Any) -> dict[str, Any]:
    """An object of keras-hub as plain data: its registered name and its arguments."""
    config = keras.saving.serialize_keras_object(thing)["config"]
    kept = {key: value for key, value in config.items() if key not in _UNKEPT}
    name = keras.saving.get_registered_name(type(thing))
    return {"name": name, "config": json.loads(json.dumps(kept))}


def make(kind: Any, described: Mapping[str, Any], dtype: Any = None) -> Any:
    """What `describe` gave, made again.

    Args:
        kind: a class of keras-hub that it derives from.
        described: its name and arguments; nothing in them is executed.
        dtype: policy it computes in, None for the one in force.

    Raises:
        ValueError: no registered class of that kind, or arguments it does not take.
    """
    name, config = described.get("name"), described.get("config")
    cls = _registered(name)
    if not (isinstance(cls, type) and issubclass(cls, kind)):
        raise ValueError(f"a {kind.__name__} of keras-hub is named. Received: {name!r}")
    if not isinstance(config, Mapping) or set(described) != {"name", "config"}:
        raise ValueError(f"an object with name and config. Received: {described!r}")
    _check_names(config)
    own = {} if dtype is None else {"dtype": dtype}
    whole = {
        "module": cls.__module__,
        "class_name": cls.__name__,
        "registered_name": name,
        "config": {**config, **own},
    }
    try:
        return keras.saving.deserialize_keras_object(whole)
    except (TypeError, KeyError) as error:
        raise ValueError(f"{name} refuses its arguments: {error}") from error


def tokenizer_assets(tokenizer: Any) -> dict[str, bytes]:
    """The files of a tokenizer by name, its description among them."""
    described = json.dumps(describe(tokenizer)).encode()
    with tempfile.TemporaryDirectory() as directory:
        tokenizer.save_assets(directory)
        files = {
            TOKENIZER + path.name: path.read_bytes()
            for path in sorted(Path(directory).iterdir())
        }
    return {_CONFIG: described, **files}


def tokenizer_from_assets(assets: Mapping[str, bytes]) -> Any:
    """The tokenizer whose files `tokenizer_assets` gave.

    Raises:
        UserError: a file is missing or is not what it should be.
    """
    tokenizers = keras_hub().tokenizers
    try:
        described = parse_json(assets[_CONFIG])
        tokenizer = make(tokenizers.Tokenizer, described, dtype="int32")
        with tempfile.TemporaryDirectory() as directory:
            for name in tokenizer.file_assets:
                (Path(directory) / name).write_bytes(assets[TOKENIZER + name])
            tokenizer.load_assets(directory)
    except (KeyError, ValueError, AttributeError, OSError, RuntimeError) as error:
        raise UserError(f"{TOKENIZER}*: no tokenizer of keras-hub: {error}") from error
    return tokenizer


def _registered(name: Any) -> Any:
    if not isinstance(name, str) or not name.startswith(PREFIX):
        return None
    keras_hub()
    return keras.saving.get_registered_object(name)


def _check_names(value: Any) -> None:
    """Refuse objects in a description that are neither of keras-hub nor of Keras.

    Raises:
        ValueError: names what it found.
    """
    if isinstance(value, (list, tuple)):
        for item in value:
            _check_names(item)
    if not isinstance(value, Mapping):
        return
    if "class_name" in value:
        module, name = value.get("module"), value.get("registered_name")
        own = isinstance(name, str) and name.startswith(PREFIX)
        if not own and str(module).split(".")[0] != "keras":
            raise ValueError(f"objects are of Keras and keras-hub. Received: {value!r}")
    for item in value.values():
        _check_names(item)
