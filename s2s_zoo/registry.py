"""Names to things: presets, corpora and whatever other packages add."""

import difflib
import importlib
import pkgutil
from collections.abc import Iterator
from importlib.metadata import entry_points
from typing import Any, Generic, TypeVar

from s2s_zoo.errors import UserError

T = TypeVar("T")


def canonical(name: str) -> str:
    """The one spelling of a name: lower case, underscores."""
    return name.strip().lower().replace("-", "_")


class Registry(Generic[T]):
    """A table of named things, filled from a package and from entry points.

    Args:
        kind: what the things are called in messages, such as "preset".
        package: package whose modules register the built-in things when imported.
        group: entry-point group through which other packages register theirs.
    """

    def __init__(self, kind: str, package: str, group: str) -> None:
        self.kind = kind
        self.package = package
        self.group = group
        self._entries: dict[str, T] = {}
        self._origins: dict[str, str] = {}
        self._loaded = False

    def register(self, name: str, thing: T, origin: str) -> T:
        """Add `thing` under `name`.

        Args:
            origin: source file; the same file may register a name again (a reload).

        Raises:
            ValueError: another file registered the name already.
        """
        key = canonical(name)
        known = self._origins.get(key)
        if known not in (None, origin):
            raise ValueError(f"{self.kind} {key!r} of {origin} exists already: {known}")
        self._entries[key] = thing
        self._origins[key] = origin
        return thing

    def get(self, name: str) -> T:
        """The thing called `name`; hyphens and underscores are the same.

        Raises:
            UserError: unknown; the message lists close matches and all names.
        """
        self._load()
        key = canonical(name)
        if key not in self._entries:
            raise UserError(self.unknown(name))
        return self._entries[key]

    def names(self) -> list[str]:
        """All names, sorted."""
        self._load()
        return sorted(self._entries)

    def __contains__(self, name: str) -> bool:
        self._load()
        return canonical(name) in self._entries

    def __iter__(self) -> Iterator[T]:
        return (self._entries[name] for name in self.names())

    def unknown(self, name: str) -> str:
        """What a message says about a name that is none: close ones and all."""
        self._load()
        close = difflib.get_close_matches(canonical(name), self._entries, n=3)
        hint = f" Did you mean {' or '.join(close)}?" if close else ""
        return f"No {self.kind} {name!r}.{hint} All: {', '.join(sorted(self._entries))}"

    def _load(self) -> None:
        if self._loaded:
            return
        self._loaded = True
        package = importlib.import_module(self.package)
        for module in pkgutil.iter_modules(package.__path__):
            importlib.import_module(f"{self.package}.{module.name}")
        for point in entry_points(group=self.group):
            point.load()


PRESETS: Registry[Any] = Registry("preset", "s2s_zoo.presets", "s2s_zoo.presets")
TASKS: Registry[Any] = Registry("task", "s2s_zoo.tasks", "s2s_zoo.tasks")
