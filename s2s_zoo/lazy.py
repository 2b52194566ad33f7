"""Public names of packages, imported when they are first used."""

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from typing import Any


def lazily(
    package: str, homes: Mapping[str, Collection[str]], packages: Collection[str] = ()
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of a package whose names come from its modules.

    The package itself imports no Keras, and so answers at once.

    Args:
        package: its `__name__`.
        homes: public names by the module that defines them, as relative imports name
            it: ".base". None of them is the name of a module of the package, which
            Python would put in its place.
        packages: packages inside it that are public.
    """
    found = {name: home for home, names in homes.items() for name in names}

    def attribute(name: str) -> Any:
        if name in packages:
            return import_module(f".{name}", package)
        if name in found:
            return getattr(import_module(found[name], package), name)
        raise AttributeError(
            f"module {package!r} has no attribute {name!r}",
            name=name,
            obj=sys.modules[package],
        )

    def names() -> list[str]:
        return sorted([*found, *packages])

    return attribute, names
