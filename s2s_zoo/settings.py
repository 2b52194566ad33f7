"""The tree of settings: every number of a preset by its path, as it is typed and shown.

A node is a dataclass or a partial, and holds what its fields or arguments are called.
"""

import dataclasses
import difflib
import inspect
import json
import re
from collections.abc import Mapping
from functools import cache, partial
from typing import Any

from s2s_zoo.errors import UserError
from s2s_zoo.layers.base import ZooLayer
from s2s_zoo.parts import accepts, parameters, refusing, shown, tuples

HIDDEN = {"self", "name", "kwargs", "args", "learning_rate"}
"""Arguments that are no settings; a recipe's learning rate is its schedule's."""


class Typed(str):
    """A value as typed on the command line, read as the type of its setting."""


def parse_setting(text: str) -> tuple[str, Typed]:
    """`path=value` as typed, or `path: value` as `show` prints it.

    Raises:
        UserError: it is neither.
    """
    found = re.fullmatch(r"([^=:]*)(?:=|: ?)(.*)", text, re.DOTALL)
    if not found:
        raise UserError(f"--set takes PATH=VALUE. Received: {text}")
    path, value = found.groups()
    return path.strip().replace("-", "_"), Typed(value)


def shown_setting(value: Any) -> str:
    """A value as `parse_setting` reads it: plain text where that is clear, or JSON."""
    if isinstance(value, str) and _is_clear(value):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)


def _is_clear(text: str) -> bool:
    """Whether one sees what it holds: no spaces at its ends, nothing unprintable."""
    seen = bool(text) and text == text.strip() and text.isprintable()
    return seen and not text.startswith('"')


_PYTHON = {str(value): value for value in (True, False, None)}


def read_typed(value: Any, current: Any) -> Any:
    """What was typed, in the type of a setting: text as it is, unless it is quoted."""
    if not isinstance(value, Typed):
        return value
    if isinstance(current, str) and not value.startswith('"'):
        return str(value)
    if value.strip() in _PYTHON:
        return _PYTHON[value.strip()]
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return str(value)


def split_cell(path: str, known: Mapping[str, Any]) -> tuple[str, int | None]:
    """A path as that of a known setting, and which of its places is meant."""
    column, _, place = path.rpartition(".")
    if path in known or not place.isdecimal():
        return path, None
    return (
        (column, int(place)) if isinstance(known.get(column), tuple) else (path, None)
    )


def with_cell(
    column: tuple[Any, ...], place: int, value: Any, path: str
) -> tuple[Any, ...]:
    """A column with another value at a place, which messages call `path`.

    Raises:
        UserError: it has no such place.
    """
    if place >= len(column):
        places = f"places 0 to {len(column) - 1}" if column else "no places"
        raise UserError(f"{path}: the column has {places}. Received: {place}")
    value = _like(column[place], read_typed(value, column[place]), path)
    return (*column[:place], value, *column[place + 1 :])


def children(node: Any) -> dict[str, Any]:
    """What a node of the settings tree holds under which name."""
    if isinstance(node, partial):
        defaults = {n: p.default for n, p in _parameters(node).items()}
        return {
            name: value
            for name, value in {**defaults, **node.keywords}.items()
            if value is not inspect.Parameter.empty
        }
    if _is_node(node):
        return {name: getattr(node, name) for name in _parameters(node)}
    return node if isinstance(node, dict) else {}


def _is_node(node: Any) -> bool:
    """Whether a value is no setting but holds settings."""
    is_dataclass = dataclasses.is_dataclass(node) and not isinstance(node, type)
    return is_dataclass or isinstance(node, partial)


def _parameters(node: Any) -> Mapping[str, inspect.Parameter]:
    """What makes a node: of a dataclass, or of what a partial will call."""
    function: Any = node.func if isinstance(node, partial) else type(node)
    return _parameters_of(function)


@cache
def _parameters_of(function: Any) -> Mapping[str, inspect.Parameter]:
    if inspect.isclass(function) and (
        issubclass(function, ZooLayer) or dataclasses.is_dataclass(function)
    ):
        return parameters(function)
    known = dict(inspect.signature(function).parameters)
    return {n: p for n, p in known.items() if n not in HIDDEN}


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Every setting of a tree by its path."""
    flat: dict[str, Any] = {}
    for name, node in tree.items():
        held = children(node)
        if held or _is_node(node):
            flat.update(flatten(held, f"{prefix}{name}."))
        else:
            flat[prefix + name] = node
    return flat


def kinds(tree: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The names of the classes and functions of all nodes by their paths."""
    found: dict[str, str] = {}
    for name, node in tree.items():
        if _is_node(node):
            kind = node.func if isinstance(node, partial) else type(node)
            found[prefix + name] = kind.__name__
            found.update(kinds(children(node), f"{prefix}{name}."))
    return found


def replaced(node: Any, path: list[str], value: Any, full: str) -> Any:
    """A copy of a node with another value at a path, which messages call `full`."""
    name, *rest = path
    child = children(node)[name]
    if rest:
        new = replaced(child, rest, value, full)
    else:
        new = _checked(_annotation(node, name), child, value, full)
    if isinstance(node, dict):
        return {**node, name: new}
    if isinstance(node, partial):
        return partial(node.func, *node.args, **{**node.keywords, name: new})
    with refusing(full):
        return dataclasses.replace(node, **{name: new})


def _annotation(node: Any, name: str) -> Any:
    """The declared type of a setting; Any where none is declared."""
    if isinstance(node, dict) or name not in (known := _parameters(node)):
        return Any
    declared = known[name].annotation
    return Any if declared is inspect.Parameter.empty else declared


def _checked(annotation: Any, current: Any, value: Any, path: str) -> Any:
    """`value` in the type `annotation`, in that of `current` where any is declared."""
    if annotation is Any:
        return _like(current, value, path)
    if not accepts(annotation, value):
        like = f"{shown(annotation)}, like {current!r}"
        raise UserError(f"{path} is of type {like}. Received: {value!r}")
    if isinstance(current, float) and type(value) is int:
        return float(value)
    return tuples(value)


def _like(current: Any, value: Any, path: str) -> Any:
    """`value` in the type of `current`."""
    if isinstance(current, float) and type(value) is int:
        return float(value)
    if isinstance(current, (list, tuple)) and isinstance(value, (list, tuple)):
        return tuples(value)
    if current is None or (
        isinstance(value, type(current))
        and (isinstance(value, bool) == isinstance(current, bool))
    ):
        return value
    kind = type(current).__name__
    raise UserError(f"{path} is of type {kind}, like {current!r}. Received: {value!r}")


def unknown_path(path: str, known: list[str]) -> str:
    """What a message says about a path that is none: close ones and all."""
    close = difflib.get_close_matches(path, known, n=3, cutoff=0.5)
    hint = f" Did you mean {' or '.join(close)}?" if close else ""
    return f"No setting {path!r}.{hint} All: {', '.join(known)}"
