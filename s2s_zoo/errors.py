"""The one error a user's mistake raises."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


class UserError(Exception):
    """Bad input; the message names file, line or key, what is accepted, what came.

    The command line prints it without a traceback and exits with 1.
    """


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what keeps `path` from being written into a UserError that names it."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # damaged input, not the file system
            raise
        raise UserError(f"{path}: cannot be written: {error.strerror}") from error
