"""Parts of a model and of its task: described as plain data, and made from it.

A part is a layer of the zoo or a frozen dataclass, registered with
`keras.saving.register_keras_serializable`. Its description names it and its
constructor's arguments, `{"part": "s2s_zoo>CTCDecoder", "l2": 0.1}`; an argument may
be another part. Descriptions are looked up, never run.
"""

import importlib
import inspect
import pkgutil
import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import cache, partial
from types import NoneType, UnionType
from typing import Any, Literal, TypeVar, Union, get_args, get_origin

import keras

from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS

HOMES = ("features", "encoders", "decoders", "search", "losses")
"""Packages whose parts files may name without any preset having loaded them."""

_NO_TEXT = re.compile("[\0\ud800-\udfff]")
"""NUL and lone surrogates, which neither files nor tokenizers take."""

T = TypeVar("T")


@dataclass(frozen=True)
class PlainPart:
    """The base of parts that are no layers: frozen dataclasses of plain values."""

    def get_config(self) -> dict[str, Any]:
        """The fields, as Keras' registry wants them."""
        return arguments(self)


def arguments(thing: Any) -> dict[str, Any]:
    """The constructor's arguments that would make a dataclass or a layer again."""
    if not is_dataclass(thing):
        return dict(thing.settings())
    kept = [f.name for f in fields(thing) if f.metadata.get("setting", True)]
    return {name: getattr(thing, name) for name in kept}


def parameters(cls: Any) -> Mapping[str, inspect.Parameter]:
    """The constructor's arguments that are settings; of a layer, without Keras' own."""
    return _parameters(cls)


@cache
def _parameters(cls: type) -> Mapping[str, inspect.Parameter]:
    if is_dataclass(cls):
        every = inspect.signature(cls).parameters
        kept = [f.name for f in fields(cls) if f.metadata.get("setting", True)]
        return {name: every[name] for name in kept}
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    found: dict[str, inspect.Parameter] = {}
    for base in cls.__mro__[: cls.__mro__.index(keras.layers.Layer)]:
        if "__init__" not in vars(base):
            continue
        known = inspect.signature(vars(base)["__init__"]).parameters
        for name, parameter in known.items():
            if name != "self" and parameter.kind not in variadic:
                found.setdefault(name, parameter)
    return found


def describe(thing: Any) -> Any:
    """A part as plain data, the parts in it too; any other value as it is."""
    if isinstance(thing, (list, tuple)):
        return [describe(item) for item in thing]
    is_layer = isinstance(thing, keras.layers.Layer)
    if not is_layer and (isinstance(thing, type) or not is_dataclass(thing)):
        return thing
    name = keras.saving.get_registered_name(type(thing))
    if registered(name) is not type(thing):
        raise UserError(
            f"{name} is no registered part, so it could not be read again: write "
            '@keras.saving.register_keras_serializable("my_package") above it'
        )
    described = {"part": name}
    if is_layer:
        described["dtype"] = thing.dtype_policy.name
    return described | describe_arguments(thing)


def describe_arguments(thing: Any) -> dict[str, Any]:
    """As `describe`, without the name of the part."""
    return {name: describe(value) for name, value in arguments(thing).items()}


def make(kind: type[T], described: Any, where: str) -> T:
    """The part that a description read from a file names.

    Args:
        kind: what it must be.
        described: as `describe` gives it.
        where: what messages call it, such as "DIRECTORY: encoder".

    Raises:
        UserError: no registered part of that kind, or arguments it does not take.
    """
    if not isinstance(described, Mapping):
        raise UserError(
            f"{where} is an object naming a part and its arguments. "
            f"Received: {described!r}"
        )
    values = dict(described)
    cls = registered(values.pop("part", None))
    if cls is None or not issubclass(cls, kind):
        received = repr(described.get("part"))
        raise UserError(
            f"{where} is a registered {kind.__name__}. Received: {received}"
        )
    return make_of(cls, values, where)


def make_of(cls: type[T], values: Mapping[str, Any], where: str) -> T:
    """A part of the class `cls` with arguments read from a file; see `make`."""
    known: dict[str, Any] = {n: p.annotation for n, p in parameters(cls).items()}
    if issubclass(cls, keras.layers.Layer):
        known["dtype"] = str
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise UserError(f"{where} takes {', '.join(known)}. Received: {unknown}")
    made = {n: _argument(known[n], v, f"{where}.{n}") for n, v in values.items()}
    with refusing(where, TypeError, UserError):
        return cls(**made)


def build(part: partial[T], offered: Mapping[str, Any], where: str) -> T:
    """The part that a preset names, the parts in it first.

    Args:
        part: of a registered class; its own arguments go before those offered.
        offered: arguments by name; a constructor gets those it takes.
        where: what messages call it, such as "encoder".

    Raises:
        UserError: the constructor refuses a value.
    """
    own = {
        name: build(value, offered, f"{where}.{name}")
        if isinstance(value, partial)
        else value
        for name, value in part.keywords.items()
    }
    accepted = {*parameters(part.func), "dtype"}
    taken = {name: value for name, value in offered.items() if name in accepted}
    with refusing(where):
        return part.func(**{**taken, **own})


def scaled(part: partial[Any]) -> dict[str, Any]:
    """Settings by path that make a tiny one of the same topology, for tests."""
    cls: Any = part.func
    found = dict(cls.scaled_settings(part))
    for name, value in part.keywords.items():
        if isinstance(value, partial):
            found |= {f"{name}.{path}": size for path, size in scaled(value).items()}
    return found


@contextmanager
def refusing(where: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what a constructor refuses into a UserError that says where."""
    refused: tuple[type[Exception], ...] = (ValueError, OverflowError, *more)
    try:
        yield
    except refused as error:
        raise UserError(f"{where}: {error}") from error


def registered(name: Any) -> type[Any] | None:
    """The class registered under a name; None if there is none."""
    if not isinstance(name, str):
        return None
    load_parts()
    cls = keras.saving.get_registered_object(name)
    return cls if inspect.isclass(cls) else None


@cache
def load_parts() -> None:
    """Import the modules that register parts, those of other packages too."""
    for home in HOMES:
        package = importlib.import_module(f"s2s_zoo.{home}")
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{package.__name__}.{module.name}")
    PRESETS.names()


def _argument(annotation: Any, value: Any, where: str) -> Any:
    """`value` read from a file, as an argument of the declared type."""
    kinds = [kind for kind in _choices(annotation) if _is_part(kind)]
    if isinstance(value, dict) and kinds:
        return make(kinds[0], value, where)
    check_type(annotation, value, where)
    return tuples(value)


def check_type(annotation: Any, value: Any, where: str) -> None:
    """Raise a UserError unless `value` is of the type that an argument declares."""
    if not accepts(annotation, value):
        raise UserError(f"{where} is of type {shown(annotation)}. Received: {value!r}")


def accepts(annotation: Any, value: Any) -> bool:
    """Whether `value`, as JSON gives it, is of the type `annotation`.

    Lists stand for tuples and sequences, whole numbers for floats; floats are finite.
    """
    if annotation in (Any, inspect.Parameter.empty):
        return True
    inner = get_args(annotation)
    match get_origin(annotation):
        case None:
            return _is_plain(annotation, value)
        case origin if origin in (Union, UnionType):
            return any(accepts(choice, value) for choice in inner)
        case origin if origin is Literal:
            return value in inner
        case origin if origin is dict:
            return isinstance(value, dict)
        case origin if not isinstance(value, (list, tuple)):
            return False
        case origin if origin is tuple and inner[-1] is not Ellipsis:
            pairs = zip(inner, value, strict=False)
            return len(value) == len(inner) and all(accepts(*pair) for pair in pairs)
    return all(accepts(inner[0], item) for item in value)


def shown(annotation: Any) -> str:
    """How a message names the type."""
    plain = isinstance(annotation, type) and not get_args(annotation)
    return annotation.__name__ if plain else str(annotation).replace("typing.", "")


def tuples(value: Any) -> Any:
    """`value` with tuples in the place of lists."""
    return tuple(map(tuples, value)) if isinstance(value, (list, tuple)) else value


def _is_plain(annotation: Any, value: Any) -> bool:
    if annotation in (int, float) and isinstance(value, bool):
        return False
    if annotation is float:
        return isinstance(value, (int, float)) and abs(value) <= sys.float_info.max
    if isinstance(value, str) and _NO_TEXT.search(value):
        return False
    return isinstance(value, NoneType if annotation is None else annotation)


def _choices(annotation: Any) -> tuple[Any, ...]:
    is_union = get_origin(annotation) in (Union, UnionType)
    return get_args(annotation) if is_union else (annotation,)


def _is_part(kind: Any) -> bool:
    is_class = isinstance(kind, type) and get_origin(kind) is None
    return is_class and issubclass(kind, (PlainPart, keras.layers.Layer))
