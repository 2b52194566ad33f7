"""What the corpora that are made on this machine have in common."""

import abc
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.cache import cache_directory
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.errors import UserError, writing


@dataclass(frozen=True, kw_only=True)
class MadeCorpus(Corpus):
    """A corpus that is made here, always the same.

    Attributes:
        version: raised with every change of what is made; in the folder's name.
    """

    licence: str = "unrestricted"
    splits: tuple[str, ...] = ("train", "validation", "test")
    made_locally: bool = True
    version: int = 1

    @property
    def edition(self) -> str:
        """What tells what is made from anything else that may be called the same."""
        return str(self.version)

    def check_makeable(self) -> None:
        """Raise a UserError unless what it is made with is installed."""

    @abc.abstractmethod
    def make(self, directory: Path, progress: bool) -> None:
        """Write everything into an empty directory."""

    def found_in(self, directory: Path) -> bool:
        return self.mark_in(directory) == self._mark

    def mark_in(self, directory: Path) -> str:
        """What says which corpus lies in a directory; nothing if none does."""
        mark = directory / "VERSION"
        return mark.read_bytes().decode("utf-8", "replace") if mark.is_file() else ""

    def home(self) -> Path:
        return cache_directory() / f"{self.name}-{self.edition}"

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        """Make the corpus unless it is there already.

        It is made in a temporary folder that is renamed when complete: a killed
        process leaves no half corpus, and of several processes one wins.
        """
        directory = directory or self.home()
        if self.found_in(directory):
            return directory
        if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
            raise UserError(
                f"{directory} exists and is not version {self.edition} of {self.name}: "
                "name a new or an empty directory"
            )
        self.check_makeable()
        with writing(directory):
            directory.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                dir=directory.parent, prefix=f".{directory.name}-"
            ) as temporary:
                self._put(Path(temporary) / "corpus", directory, progress)
        return directory

    def check_made(self, directory: Path) -> None:
        """Raise a UserError unless the corpus lies in a directory."""
        if not self.found_in(directory):
            raise UserError(
                f"{directory} does not hold version {self.edition} of {self.name}: "
                f"make it with `s2s-zoo data prepare {self.name}`"
            )

    @property
    def _mark(self) -> str:
        return f"{self.name} {self.edition}\n"

    def _put(self, made: Path, directory: Path, progress: bool) -> None:
        made.mkdir()
        self.make(made, progress)
        (made / "VERSION").write_bytes(self._mark.encode())
        try:
            os.replace(made, directory)
        except OSError:
            if not self.found_in(directory):  # else another process was faster
                raise
