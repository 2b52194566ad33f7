"""The one error a user's mistake raises, and the sentences that refuse a value."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Bad input; the message names file, line or key, what is accepted, what came.

    The command line prints it without a traceback and exits with 1. Lone surrogates
    in what came, which no terminal can show, stand in it as escapes.
    """

    def __str__(self) -> str:
        return super().__str__().encode("utf-8", "backslashreplace").decode()


def check_choice(name: str, value: str, accepted: Collection[str]) -> None:
    """Raise a ValueError unless `value` is one of those `accepted`.

    What makes the part it belongs to turns the error into a UserError with the place.
    """
    if value not in accepted:
        raise ValueError(f"{name} is one of {', '.join(accepted)}. Received: {value!r}")


def check_range(name: str, value: float, low: float, high: float) -> None:
    """Raise a ValueError, as `check_choice`, unless `value` is from `low` to `high`."""
    if not low <= value <= high:
        raise ValueError(f"{name} is {low:,} to {high:,}. Received: {value!r}")


def named_path(name: str | Path) -> Path:
    """The path that a user names, `~` expanded; there need be nothing.

    Raises:
        UserError: nothing can be called so, or it cannot be looked for.
    """
    try:
        path = Path(name).expanduser()
        path.exists()
    except (OSError, RuntimeError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{name!s:.200}: no such path: {reason}") from error
    return path


def check_place(*paths: str | Path | None) -> None:
    """Raise a UserError where no file can be put at a path; None is none."""
    for path in paths:
        folder = None if path is None else Path(path).parent
        if folder is not None and not folder.is_dir():
            raise UserError(
                f"{path}: cannot be written: there is no directory {folder}"
            )


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what keeps `path` from being written into a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # damaged input, not the file system
            raise
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
