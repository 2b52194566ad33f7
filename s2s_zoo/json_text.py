"""JSON from files that anyone may have written."""

import json
from typing import Any

DEPTH = 100
"""Levels a value may be nested; what is far deeper is read, but cannot be shown."""


def parse_json(text: str | bytes) -> Any:
    """The value that `text` is.

    Raises:
        ValueError: it is no JSON, or nested deeper than `DEPTH`.

    Example:
        >>> from s2s_zoo.json_text import parse_json
        >>> parse_json('{"beam": [4, 8]}')
        {'beam': [4, 8]}
    """
    try:
        value = json.loads(text)
    except RecursionError as error:
        raise _too_deep() from error
    level = [value]
    for _ in range(DEPTH):
        level = [inner for outer in level for inner in _inside(outer)]
        if not level:
            return value
    raise _too_deep()


def _inside(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return list(value.values())
    return value if isinstance(value, list) else []


def _too_deep() -> ValueError:
    return ValueError(f"nested deeper than {DEPTH} levels")
