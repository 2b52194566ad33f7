"""The folder that fetched and synthesized corpora are kept in."""

import functools
import logging
import os
import tempfile
from pathlib import Path

from s2s_zoo.errors import UserError

_log = logging.getLogger(__name__)


@functools.cache
def _temporary_cache(unusable: Path, reason: str) -> tempfile.TemporaryDirectory[str]:
    directory = tempfile.TemporaryDirectory(prefix="s2s-zoo-")
    _log.warning(
        "The cache %s is not writable (%s); %s is used until this process ends. "
        "S2S_ZOO_CACHE names another.",
        *(unusable, reason, directory.name),
    )
    return directory


def cache_directory() -> Path:
    """The directory that fetched and made data is kept in.

    $S2S_ZOO_CACHE, else $XDG_CACHE_HOME/s2s-zoo, else ~/.cache/s2s-zoo. Where it
    cannot be written, a temporary directory, and one warning says so.

    Raises:
        UserError: there is no writable temporary directory either.
    """
    directory = _wanted_cache()
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            return directory
    except OSError as error:
        reason = error.strerror or str(error)
    try:
        return Path(_temporary_cache(directory, reason).name)
    except OSError as error:
        raise UserError(
            f"Neither {directory} nor a temporary directory can be written "
            f"({error.strerror}); set S2S_ZOO_CACHE to a directory that can"
        ) from error


def _wanted_cache() -> Path:
    if own := os.environ.get("S2S_ZOO_CACHE"):
        return Path(own).absolute()
    if shared := os.environ.get("XDG_CACHE_HOME"):
        return Path(shared).absolute() / "s2s-zoo"
    return Path(os.path.expanduser("~")) / ".cache" / "s2s-zoo"
