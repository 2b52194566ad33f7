"""What would hurt training on texts, found before it starts."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

from s2s_zoo.data.report import Report
from s2s_zoo.data.texts import TextSequence
from s2s_zoo.errors import UserError

KINDS = {
    "unreadable": "the split cannot be read",
    "empty": "the split holds no words",
    "overlap": "a text of eight words or more is in train too",
}
"""Every kind of finding, and what it means."""

LISTED = 1000
"""Findings of each kind that are listed by name; all are counted."""

SHORTEST = 8
"""Words from which on a text that comes twice is no chance."""

_DIGEST = 8
_TICK = 1000

Split = Callable[[], TextSequence]


@dataclass
class TextReport(Report):
    """What was found in texts.

    Attributes:
        findings: for each kind of `KINDS` that occurred, the first (name, detail)
            pairs; names start with "SPLIT:".
        counts: texts in all, usable ones, their words, and how many of each kind.
    """

    kinds: ClassVar[Mapping[str, str]] = KINDS
    notes: ClassVar[frozenset[str]] = frozenset()

    findings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=lambda: {"texts": 0, "usable": 0, "words": 0}
    )

    @property
    def headline(self) -> str:
        counts = self.counts
        return f"{counts['texts']} texts, {counts['words']} words"

    def add(self, kind: str, name: str, detail: str) -> None:
        """Count a finding, and list it while there are few."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        listed = self.findings.setdefault(kind, [])
        if len(listed) < LISTED:
            listed.append((name, detail))


def check_texts(
    splits: Mapping[str, Split], progress: Callable[[int, int], None] | None = None
) -> TextReport:
    """Look at every text of all splits once, those of train first.

    Args:
        splits: what reads each split, by its role.
        progress: called with (done, total) of a split.
    """
    report, known = TextReport(), set[bytes]()
    for role, read in sorted(splits.items(), key=lambda split: split[0] != "train"):
        try:
            texts = read()
        except UserError as error:
            report.add("unreadable", role, str(error))
            continue
        before = report.counts["words"]
        _check_split(report, role, texts, known, progress)
        if report.counts["words"] == before:
            report.add("empty", role, f"{len(texts)} texts")
    return report


def _check_split(
    report: TextReport,
    role: str,
    texts: TextSequence,
    known: set[bytes],
    progress: Callable[[int, int], None] | None,
) -> None:
    for number, text in enumerate(texts, start=1):
        words = len(text.text.split())
        report.counts["texts"] += 1
        report.counts["usable"] += 1
        report.counts["words"] += words
        if words >= SHORTEST:
            content = hashlib.sha256(text.text.encode()).digest()[:_DIGEST]
            if role == "train":
                known.add(content)
            elif content in known:
                report.add("overlap", f"{role}:{text.name}", f"{text.text:.60}")
        if progress and (number % _TICK == 0 or number == len(texts)):
            progress(number, len(texts))
