"""Translation memories: TMX 1.4, the exchange format of LISA OSCAR."""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from s2s_zoo.errors import UserError

_LANGUAGES = ("{http://www.w3.org/XML/1998/namespace}lang", "lang")
_CODES = frozenset({"bpt", "ept", "it", "ph", "ut"})
"""Elements that hold the codes of another format and no text."""


def write_units(path: Path, source: str, target: str, destination: Path) -> None:
    """Write a line for each translation unit: JSON of both sides, or blank.

    Args:
        path: the memory, plain or .gz; read as a stream, entities refused.
        source: language of the source; "en" takes "en-GB" too.
        target: language of the target.
        destination: the file to write; its lines are {"source": ..., "target": ...}.

    Raises:
        UserError: not well-formed, hostile, or no unit has both languages.
    """
    seen: set[str] = set()
    found = False
    with destination.open("w", encoding="utf-8", newline="\n") as output:
        for unit in _units(path):
            seen |= unit.keys()
            sides = {
                "source": _side(unit, source),
                "target": _side(unit, target),
            }
            both = None not in sides.values()
            found = found or both
            output.write(f"{json.dumps(sides) if both else ''}\n")
    if not found:
        raise UserError(
            f"{path}: no unit has both {source!r} and {target!r}; its languages are: "
            f"{', '.join(sorted(seen)) or 'none'}"
        )


def _side(unit: dict[str, str], language: str) -> str | None:
    wanted = language.lower()
    if wanted in unit:
        return unit[wanted]
    regional = (text for tag, text in unit.items() if tag.startswith(f"{wanted}-"))
    return next(regional, None)


def _units(path: Path) -> Iterator[dict[str, str]]:
    """The text of each language of each unit; a language is in lower case."""
    import defusedxml
    from defusedxml.ElementTree import ParseError, iterparse

    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rb") as file:
            parents: list[Any] = []
            for event, element in iterparse(cast(IO[bytes], file), ("start", "end")):
                if event == "start":
                    parents.append(element)
                    continue
                parents.pop()
                if element.tag == "tu":
                    yield _texts(element)
                    for parent in parents[-1:]:
                        parent.clear()  # or the whole file would be held in memory
    except defusedxml.DefusedXmlException as error:
        raise UserError(f"{path}: refused: {error}") from error
    except (ParseError, LookupError, ValueError) as error:  # unknown encodings too
        raise UserError(f"{path}: not well-formed XML: {error}") from error
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged: {error}") from error


def _texts(unit: Any) -> dict[str, str]:
    texts: dict[str, str] = {}
    for variant in unit.iter("tuv"):
        tags = [variant.get(name) for name in _LANGUAGES]
        language = next((tag for tag in tags if tag), "").lower().replace("_", "-")
        segment = variant.find("seg")
        if language and segment is not None:
            texts.setdefault(language, " ".join("".join(_words(segment)).split()))
    return texts


def _words(segment: Any) -> Iterator[str]:
    """The texts of a segment in their order, codes left out."""
    pending: list[Any] = [segment]
    while pending:
        found = pending.pop()
        if isinstance(found, str):
            yield found
        elif found.tag not in _CODES:
            yield found.text or ""
            for child in reversed(found):
                pending += [child.tail or "", child]
