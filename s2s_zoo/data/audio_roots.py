"""The trees that a manifest may name files in, and no others."""

import errno
import functools
import os
import re
import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from s2s_zoo.data.rows import Row
from s2s_zoo.errors import UserError, named_path

OPTION = "--audio-root"

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")


@dataclass(frozen=True)
class _Outside:
    """A file that lies in none of the trees."""

    row: Row
    value: str
    path: Path
    is_link: bool


class AudioRoots:
    """The directory of a manifest, and others that it may reach.

    Args:
        directory: of the manifest, which relative paths start from.
        others: where relative paths are looked for as well; None if the user cannot
            name any.

    Raises:
        UserError: one of the others is no directory.
    """

    def __init__(self, directory: Path, others: Iterable[Path] | None = None) -> None:
        self._trees = [directory.resolve()]
        self._can_grow = others is not None
        for other in others or ():
            tree = named_path(other)
            if not tree.is_dir():
                raise UserError(f"{OPTION} {other}: no such directory")
            self._trees.append(tree.resolve())
        self._outside: list[_Outside] = []
        self._parent = functools.cache(_real_path)

    def locate(self, value: str, row: Row, folder: str = "") -> Path:
        """The absolute path, links resolved, of a file named in a row.

        Where there is none of that name, it is looked for in `folder` too; and
        backslashes are read as separators, the drive of a path of Windows left out.
        `refuse_outside` must be called before the path is used.

        Raises:
            UserError: it is empty, a URL, or a link without end.
        """
        if not value:
            raise row.fail("the name of the audio file is empty")
        if _URL.match(value):
            raise row.fail(f"a URL is not read, download it first: {value!r}")
        try:
            place = self._place(value, folder)
            resolved = self._resolve(place)
        except (OSError, RuntimeError) as error:
            raise row.fail(f"{value!r} cannot be located: {error}") from error
        if not self._holds(resolved):
            is_link = self._holds(Path(os.path.normpath(place)))
            self._outside.append(_Outside(row, value, resolved, is_link))
        return resolved

    def refuse_outside(self) -> None:
        """Raise a UserError if a file was located outside the trees.

        It prints the option that would allow such files, links left aside.
        """
        if not self._outside:
            return
        links = [file for file in self._outside if file.is_link]
        first = (links or self._outside)[0]
        trees = " and ".join(map(str, self._trees))
        if links:
            raise first.row.fail(
                f"{first.value!r} is a link to {first.path}, which lies outside "
                f"{trees}: links that leave are not followed"
            )
        message = f"{first.value!r} lies outside {trees}"
        if len(self._outside) > 1:
            message += f", like {len(self._outside) - 1} more"
        if not self._can_grow:
            raise first.row.fail(f"{message}; files must lie below it")
        wanted = shlex.quote(str(_common(self._outside)))
        raise first.row.fail(
            f"{message}; to read what lies there add {OPTION} {wanted}"
        )

    def name(self, path: Path) -> str:
        """What messages call a located file."""
        tree = next((t for t in self._trees if path.is_relative_to(t)), None)
        return path.relative_to(tree).as_posix() if tree else str(path)

    def _place(self, value: str, folder: str) -> Path:
        """Where a file lies or, if it does not exist, might."""
        values = [value]
        if "\\" in value and os.sep != "\\":
            windows = PureWindowsPath(value)
            values.append(windows.relative_to(windows.anchor).as_posix())
        folders = dict.fromkeys(("", folder))
        places = [t / f / v for v in values for f in folders for t in self._trees]
        if len(places) == 1:
            return places[0]
        return next((place for place in places if place.exists()), places[0])

    def _holds(self, path: Path) -> bool:
        return any(path.is_relative_to(tree) for tree in self._trees)

    def _resolve(self, path: Path) -> Path:
        """`_real_path`, which each directory pays for once."""
        resolved = self._parent(path.parent) / path.name
        if path.name == ".." or resolved.is_symlink():
            return _real_path(resolved)
        return resolved


def _common(files: Sequence[_Outside]) -> Path:
    """The deepest directory that holds all of the files, or else the first of them."""
    parents = [file.path.parent for file in files]
    try:
        common = Path(os.path.commonpath(parents))
    except ValueError:  # on different drives
        return parents[0]
    return parents[0] if common == Path(common.anchor) else common


def _real_path(path: Path) -> Path:
    """`Path.resolve`, which alone lets loops of links pass since Python 3.13."""
    try:
        return path.resolve(strict=True)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise
        return path.resolve()
