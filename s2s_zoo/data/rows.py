"""Rows of tables and of JSON, each with the place it stands at."""

import csv
import io
import itertools
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s_zoo.data.utf8 import numbered_lines
from s2s_zoo.errors import UserError
from s2s_zoo.json_text import parse_json

MAX_CHARACTERS = csv.field_size_limit()
"""Of a value: as many as the csv module reads."""


@dataclass(frozen=True)
class Row:
    """What is said at a place.

    Attributes:
        where: "file:line"; what messages call it.
        values: by the names of the columns or keys.
    """

    where: str
    values: dict[str, Any]

    def fail(self, message: str) -> UserError:
        """An error that names the place."""
        return UserError(f"{self.where}: {message}")

    def text(self, key: str, default: str | None = None) -> str:
        """A value that must be text, or a whole number.

        Raises:
            UserError: it is something else, too long, or holds NUL or a surrogate.
        """
        value = self.values.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.fail(f"{key!r} must be text, received {value!r}")
        if len(value) > MAX_CHARACTERS:
            raise self.fail(
                f"{key!r} has {len(value):,} characters; up to {MAX_CHARACTERS:,} are "
                "read"
            )
        if not value.isprintable() and re.search("[\0\ud800-\udfff]", value):
            raise self.fail(f"{key!r} holds NUL or a lone surrogate: {value!r}")
        return value

    def number(self, key: str) -> float:
        """A value that must be a number, or text that says one.

        Raises:
            UserError: it is not, or is negative or infinite.
        """
        value: Any = self.values.get(key)
        is_number = isinstance(value, str | int | float) and not isinstance(value, bool)
        try:
            number = float(value if is_number else "nan")
        except (ValueError, OverflowError):
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise self.fail(f"{key!r} must be a number >= 0, received {value!r}")
        return number


def column_names(header: str) -> list[str]:
    """The columns that the first line of a table names, by commas or by tabs."""
    return [name.strip() for name in header.split(_delimiter(header))]


def table_rows(path: Path, text: str) -> tuple[list[str], Iterator[Row]]:
    """The columns of a table and its rows.

    Values are separated by commas and may be quoted, as in a CSV; or, where the first
    line holds a tab, by tabs, and quotes are characters like others.

    Raises:
        UserError: a column occurs twice; or in iterating, a row that is not like it.
    """
    lines = _values(path, text)
    _, header = next(lines, ("", []))
    columns = [column.strip() for column in header]
    if len(set(columns)) != len(columns):
        raise UserError(f"{path}:1: a column occurs twice: {','.join(columns)}")
    return columns, _keyed(columns, lines)


def json_rows(path: Path, text: str, keys: Sequence[str]) -> Iterator[Row]:
    """The objects of a file of JSON: one a line; or in an array; or one alone.

    Args:
        path: the file.
        text: what it holds.
        keys: that each object has.

    Raises:
        UserError: in iterating, what is no JSON, or no object with these keys.
    """
    for where, value in json_values(path, text):
        if not isinstance(value, dict) or not set(keys) <= set(value):
            raise UserError(f"{where}: want an object with {','.join(keys)}")
        yield Row(where, value)


def json_values(path: Path, text: str) -> Iterator[tuple[str, Any]]:
    """The values of a file of JSON, each with its place: see `json_rows`."""
    first = text.lstrip().partition("\n")[0]
    whole = None if is_json_object(first) else json_document(path, text)
    if whole is not None:
        for number, value in enumerate(whole, start=1):
            yield f"{path}, object {number}", value
        return
    for where, line in numbered_lines(path, text):
        try:
            yield where, parse_json(line)
        except ValueError as error:
            raise UserError(f"{where}: not JSON: {error}") from error


def is_json_object(line: str) -> bool:
    """Whether a line is a JSON object by itself."""
    try:
        return isinstance(parse_json(line), dict)
    except ValueError:
        return False


def json_document(path: Path, text: str) -> list[Any] | None:
    """The values of an array, or the one value, of several lines; None if it is none.

    Raises:
        UserError: it begins as such a document and breaks off; names the line.
    """
    try:
        value = parse_json(text)
    except ValueError as error:
        if text.lstrip().partition("\n")[0].strip() not in ("{", "["):
            return None
        line, reason = getattr(error, "lineno", 1), getattr(error, "msg", error)
        raise UserError(f"{path}:{line}: not JSON: {reason}") from error
    return value if isinstance(value, list) else [value]


def _delimiter(header: str) -> str:
    return "\t" if "\t" in header else ","


def _keyed(
    columns: Sequence[str], lines: Iterable[tuple[str, list[str]]]
) -> Iterator[Row]:
    for where, values in lines:
        if len(values) != len(columns):
            raise UserError(
                f"{where}: {len(values)} values for the {len(columns)} columns "
                f"{','.join(columns)}; a text with commas needs quotes"
            )
        yield Row(where, dict(zip(columns, values, strict=True)))


def _values(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    delimiter = _delimiter(text.partition("\n")[0])
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=delimiter,
        quoting=csv.QUOTE_NONE if delimiter == "\t" else csv.QUOTE_MINIMAL,
        strict=True,
    )
    while True:
        line = reader.line_num
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise UserError(
                f"{path}:{line + 1}: {_fault(error, text, line)}"
            ) from error
        if values is None:
            return
        if values:
            yield f"{path}:{line + 1}", values


def _fault(error: csv.Error, text: str, row: int) -> str:
    """What is wrong with the line of this number, counted from 0."""
    if "field limit" not in str(error):
        return f"not CSV: {error}"
    line = next(itertools.islice(io.StringIO(text, newline=""), row, None))
    size = len(line.rstrip("\r\n"))
    if size > MAX_CHARACTERS:
        return f"{size:,} characters; values of up to {MAX_CHARACTERS:,} are read"
    return f"a value goes on for {MAX_CHARACTERS:,} characters: is its quote closed?"
