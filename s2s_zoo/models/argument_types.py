"""Whether a value read from a file is of the type an argument declares."""

from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin


def accepts(annotation: Any, value: Any) -> bool:
    """Whether `value`, as JSON gives it, is of the type `annotation`.

    Lists stand for tuples and sequences, whole numbers for floats.
    """
    inner = get_args(annotation)
    match get_origin(annotation):
        case None:
            return _is_plain(annotation, value)
        case origin if origin in (Union, UnionType):
            return any(accepts(choice, value) for choice in inner)
        case origin if origin is Literal:
            return value in inner
        case origin if not isinstance(value, (list, tuple)):
            return False
        case origin if origin is tuple and inner[-1] is not Ellipsis:
            pairs = zip(inner, value, strict=False)
            return len(value) == len(inner) and all(accepts(*pair) for pair in pairs)
    return all(accepts(inner[0], item) for item in value)


def _is_plain(annotation: Any, value: Any) -> bool:
    if annotation in (int, float) and isinstance(value, bool):
        return False
    if annotation is float:
        return isinstance(value, (int, float))
    return isinstance(value, NoneType if annotation is None else annotation)


def shown(annotation: Any) -> str:
    """How a message names the type."""
    plain = isinstance(annotation, type) and not get_args(annotation)
    return annotation.__name__ if plain else str(annotation).replace("typing.", "")
