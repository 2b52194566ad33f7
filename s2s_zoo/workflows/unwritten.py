"""What a disk refuses while a training goes on."""

from collections.abc import Iterator
from contextlib import contextmanager

from s2s_zoo.workflows.reporting import Reporter


class Unwritten:
    """What could not be written and nothing later has made up for; iterates over it.

    Args:
        reporter: hears of each kind when it first fails.
    """

    def __init__(self, reporter: Reporter) -> None:
        self.reporter = reporter
        self._newest: dict[str, str] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._newest.values())

    def recall(self, kind: str, what: str) -> None:
        """Take up what an earlier process could not write."""
        self._newest[kind] = what

    @contextmanager
    def noted(self, kind: str, what: str, replaces: bool = True) -> Iterator[None]:
        """Let a disk that refuses `what` end in a note instead of the training.

        Args:
            kind: such as "checkpoint".
            what: which one, in words.
            replaces: success makes up for earlier failures of that kind.
        """
        try:
            yield
        except OSError as error:
            found = f"{what}: not written, {error.strerror or error}"
            if kind not in self._newest:
                self.reporter.note(
                    f"{found}; what was written before is untouched, training goes on"
                )
            self._newest[kind] = found
        else:
            if replaces:
                self._newest.pop(kind, None)
