"""What would hurt training on labelled data, found before it starts."""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.report import Report
from s2s_zoo.errors import UserError

KINDS = {
    "unread": "the split cannot be read",
    "unreadable": "missing, damaged, or not what it should be",
    "one_class": "there is nothing to tell apart",
    "unlearned": "examples of a label that train has not",
    "conflict": "the same content with different labels",
    "overlap": "the same content in an earlier split",
    "duplicate": "the same content and label as an earlier one of the split",
    "imbalance": "the largest class of train is over 10 times the smallest; "
    "recipe.class_weight=balanced weighs them",
}
"""Every kind of finding, and what it means."""

NOTES = frozenset({"duplicate", "imbalance"})
"""Kinds that do no harm."""

IMBALANCE = 10
"""How many times the smallest class the largest may be."""

_TICK = 200

Split = Callable[[], Sequence[Labelled]]


@dataclass
class LabelReport(Report):
    """What was found in labelled data.

    Attributes:
        name: what the examples are called.
        findings: for each kind of `KINDS` that occurred, (name, detail) pairs; names
            start with "SPLIT:".
        counts: examples in all, usable ones, labels, and how many of each kind.
        labels: examples of each label, by split.
    """

    kinds: ClassVar[Mapping[str, str]] = KINDS
    notes: ClassVar[frozenset[str]] = NOTES

    name: str
    findings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=lambda: {"examples": 0, "usable": 0})
    labels: dict[str, dict[str, int]] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """How much there is, in a line."""
        name = self.name.replace("_", " ")
        return (
            f"{self.counts['examples']} {name} of {self.counts['labels']} classes; "
            f"{self.counts['usable']} usable"
        )

    def add(self, kind: str, name: str, detail: str) -> None:
        """Count and list a finding."""
        self.counts[kind] = self.counts.get(kind, 0) + 1
        self.findings.setdefault(kind, []).append((name, detail))

    def to_json(self) -> dict[str, Any]:
        return super().to_json() | {"labels": self.labels}


def check_labelled(
    splits: Mapping[str, Split],
    name: str,
    content: Callable[[Any], bytes],
    progress: Callable[[int, int], None] | None = None,
) -> LabelReport:
    """Read every example once and report what would hurt training.

    Args:
        splits: what reads each, by name, train first.
        name: what the examples are called.
        content: of a source, equal where what it holds is.
        progress: called with (done, total) now and then.
    """
    report = LabelReport(name)
    found = {s: e for s, read in splits.items() if (e := _read(s, read, report))}
    total = sum(map(len, found.values()))
    earlier: dict[bytes, tuple[str, str]] = {}
    for split, examples in found.items():
        known: dict[bytes, tuple[str, str]] = {}
        for example in examples:
            if progress and report.counts["examples"] % _TICK == 0:
                progress(report.counts["examples"], total)
            report.counts["examples"] += 1
            _check_one(split, example, content, known, earlier, report)
        earlier |= known
    _check_classes(found, report)
    report.findings = {k: report.findings[k] for k in KINDS if k in report.findings}
    return report


def _read(split: str, read: Split, report: LabelReport) -> Sequence[Labelled]:
    try:
        return read()
    except UserError as error:
        report.add("unread", split, str(error))
        return ()


def _check_one(
    split: str,
    example: Labelled,
    content: Callable[[Any], bytes],
    known: dict[bytes, tuple[str, str]],
    earlier: Mapping[bytes, tuple[str, str]],
    report: LabelReport,
) -> None:
    """Find what is wrong with an example; keeps what it holds in `known`."""
    name = f"{split}:{example.name}"
    try:
        digest = hashlib.blake2b(content(example.source), digest_size=16).digest()
    except UserError as error:
        report.add("unreadable", name, str(error))
        return
    report.counts["usable"] += 1
    if before := earlier.get(digest):
        report.add("overlap", name, f"the same as {before[0]}")
    first, label = known.setdefault(digest, (name, example.label))
    if label != example.label:
        report.add("conflict", name, f"{example.label!r}, but {first} is {label!r}")
    elif first != name:
        report.add("duplicate", name, f"the same as {first}")


def _check_classes(
    found: Mapping[str, Sequence[Labelled]], report: LabelReport
) -> None:
    for split, examples in found.items():
        counted = Counter(example.label for example in examples)
        report.labels[split] = dict(sorted(counted.items()))
    labels = report.labels
    report.counts["labels"] = len(
        {label for split in labels.values() for label in split}
    )
    train = labels.get("train")
    if train is None:
        return
    if len(train) == 1:
        report.add("one_class", "train", f"all of {next(iter(train))!r}")
    for split, counts in labels.items():
        for label in counts.keys() - train.keys():
            report.add("unlearned", split, f"{counts[label]} of {label!r}")
    (most, largest), *_, (least, smallest) = Counter(train).most_common() * 2
    if largest > IMBALANCE * smallest:
        report.add(
            "imbalance", "train", f"{largest} of {most!r}, {smallest} of {least!r}"
        )
