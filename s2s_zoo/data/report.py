"""What a check of data tells, whatever kind it is of."""

import abc
from collections.abc import Mapping
from typing import Any, ClassVar


class Report(abc.ABC):
    """What was found in the data.

    Attributes:
        kinds: every kind of finding, and what it means.
        notes: kinds that do no harm.
        findings: for each kind that occurred, (name, detail) pairs; names start with
            "SPLIT:" where several splits were checked.
        counts: examples in all, usable ones, and how many of each kind.
    """

    kinds: ClassVar[Mapping[str, str]]
    notes: ClassVar[frozenset[str]]

    findings: dict[str, list[tuple[str, str]]]
    counts: dict[str, int]

    @property
    @abc.abstractmethod
    def headline(self) -> str:
        """How much there is, in a line."""

    @property
    def ok(self) -> bool:
        """Whether nothing harmful was found."""
        return not set(self.findings) - self.notes

    def to_json(self) -> dict[str, Any]:
        """The report for `json.dumps`."""
        return {
            "ok": self.ok,
            "counts": self.counts,
            "findings": {
                kind: [{"name": name, "detail": detail} for name, detail in found]
                for kind, found in self.findings.items()
            },
        }
