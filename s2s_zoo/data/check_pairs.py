"""What would hurt training on pairs of texts, found before it starts."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.pairs import Pair, PairSequence
from s2s_zoo.data.report import Report
from s2s_zoo.errors import UserError

KINDS = {
    "unreadable": "the split cannot be read",
    "empty": "the split holds no pair with text on both sides",
    "blank": "a side is blank; the pair is left out",
    "too_long": "a side has more words than tokens are allowed",
    "identical": "source and target are the same",
    "odd_ratio": "one side is over 4 times as long as the other: they may not belong "
    "together",
    "duplicate": "the same as an earlier pair of the split",
    "overlap": "the source is in train too",
}
"""Every kind of finding, and what it means."""

NOTES = frozenset({"duplicate"})
"""Kinds that do no harm."""

LISTED = 1000
"""Findings of each kind that are listed by name; all are counted."""

_RATIO = 4.0
_SHORTEST = 20
_DIGEST = 8
_ALWAYS_COUNTED = ("pairs", "usable", "source_words", "target_words")
_TICK = 1000

Split = Callable[[], Sequence[Pair]]


@dataclass
class PairReport(Report):
    """What was found in pairs of texts.

    Attributes:
        findings: for each kind of `KINDS` that occurred, the first (name, detail)
            pairs; names start with "SPLIT:".
        counts: pairs in all, usable ones, words of both sides, and how many of each
            kind.
    """

    kinds: ClassVar[Mapping[str, str]] = KINDS
    notes: ClassVar[frozenset[str]] = NOTES

    findings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    counts: dict[str, int] = field(
        default_factory=lambda: dict.fromkeys(_ALWAYS_COUNTED, 0)
    )

    @property
    def headline(self) -> str:
        """How much there is, in a line."""
        counts = self.counts
        return (
            f"{counts['pairs']} pairs, {counts['source_words']} words to "
            f"{counts['target_words']}; {counts['usable']} usable"
        )

    def add(self, kind: str, name: str, detail: str) -> None:
        """Count a finding, and list it while there are few."""
        self.count(kind)
        listed = self.findings.setdefault(kind, [])
        if len(listed) < LISTED:
            listed.append((name, detail))

    def count(self, what: str, number: int = 1) -> None:
        """Add to one of the counts."""
        self.counts[what] = self.counts.get(what, 0) + number

    def sort(self) -> None:
        """Bring the findings into the order of `KINDS`."""
        known = self.findings
        self.findings = {kind: known[kind] for kind in KINDS if kind in known}

    def count_unlisted(self, kind: str, found: int) -> None:
        """Count the findings beyond the first `LISTED`, which `add` has counted."""
        if found > LISTED:
            self.count(kind, found - LISTED)


@dataclass(frozen=True)
class _Limits:
    source_words: float
    target_words: float
    ratio: float


@dataclass(frozen=True)
class _Digests:
    """Of the source and of both sides of each pair of a split (N,)."""

    sources: NDArray[np.uint64]
    pairs: NDArray[np.uint64]


def check_pairs(
    splits: Mapping[str, Split],
    *,
    longest: int,
    cut: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> PairReport:
    """Read every pair once and report what would hurt training.

    Args:
        splits: what reads each, by name; whose sources "train" must not share.
        longest: words allowed on a side; a word is a token at least.
        cut: sources may be longer, and than their targets too: summaries.
        progress: called with (done, total) now and then.

    Only digests of the texts are kept, 16 bytes a pair.
    """
    report = PairReport()
    found = {split: _open(split, read, report) for split, read in splits.items()}
    total = sum(map(len, found.values()))

    def tick() -> None:
        if progress:
            progress(report.counts["pairs"], total)

    limits = _Limits(np.inf if cut else longest, longest, np.inf if cut else _RATIO)
    digests = {
        split: _check_split(split, pairs, limits, report, tick)
        for split, pairs in found.items()
    }
    for split, pairs in found.items():
        _find_duplicates(split, pairs, digests[split], report)
        if split != "train" and "train" in found:
            _find_overlap(split, pairs, digests[split], found["train"], digests, report)
    report.sort()
    return report


def _open(split: str, read: Split, report: PairReport) -> Sequence[Pair]:
    """The pairs of a split; a fault that two splits share is reported once."""
    try:
        pairs = read()
    except UserError as error:
        known = report.findings.get("unreadable", [])
        if str(error) not in (detail for _, detail in known):
            report.add("unreadable", split, str(error))
        return []
    if not len(pairs):
        report.add("empty", split, "0 pairs")
    if isinstance(pairs, PairSequence):
        for name in pairs.blank_names(LISTED):
            report.add("blank", f"{split}:{name}", "left out")
        report.count_unlisted("blank", pairs.blank)
    return pairs


def _check_split(
    split: str,
    pairs: Sequence[Pair],
    limits: _Limits,
    report: PairReport,
    tick: Callable[[], None],
) -> _Digests:
    digests = _Digests(*(np.zeros(len(pairs), np.uint64) for _ in range(2)))
    for i, pair in enumerate(pairs):
        if i % _TICK == 0:
            tick()
        report.count("pairs")
        words = len(pair.source.split()), len(pair.target.split())
        report.count("source_words", words[0])
        report.count("target_words", words[1])
        problems = dict(_problems(pair, words, limits))
        for kind, detail in problems.items():
            report.add(kind, f"{split}:{pair.name}", detail)
        report.count("usable", "too_long" not in problems)
        digests.sources[i] = _digest(pair.source)
        digests.pairs[i] = _digest(f"{pair.source}\0{pair.target}")
    tick()
    return digests


def _problems(
    pair: Pair, words: tuple[int, int], limits: _Limits
) -> Iterator[tuple[str, str]]:
    if words[0] > limits.source_words or words[1] > limits.target_words:
        yield "too_long", f"{words[0]} and {words[1]} words"
    if pair.source.strip() == pair.target.strip():
        yield "identical", repr(pair.source[:80])
    shorter, longer = sorted((len(pair.source.strip()), len(pair.target.strip())))
    if longer >= _SHORTEST and longer > limits.ratio * max(shorter, 1):
        yield "odd_ratio", f"{len(pair.source)} and {len(pair.target)} characters"


def _digest(text: str) -> int:
    content = text.strip().encode(errors="replace")
    digest = hashlib.blake2b(content, digest_size=_DIGEST, usedforsecurity=False)
    return int.from_bytes(digest.digest(), "little")


def _find_duplicates(
    split: str, pairs: Sequence[Pair], digests: _Digests, report: PairReport
) -> None:
    _, first, group = np.unique(digests.pairs, return_index=True, return_inverse=True)
    repeated = np.flatnonzero(first[group] != np.arange(len(pairs)))
    for row in repeated[:LISTED].tolist():
        earlier = pairs[int(first[group[row]])].name
        report.add("duplicate", f"{split}:{pairs[row].name}", f"the same as {earlier}")
    report.count_unlisted("duplicate", len(repeated))


def _find_overlap(
    split: str,
    pairs: Sequence[Pair],
    digests: _Digests,
    train: Sequence[Pair],
    every: Mapping[str, _Digests],
    report: PairReport,
) -> None:
    known, first = np.unique(every["train"].sources, return_index=True)
    shared = np.flatnonzero(np.isin(digests.sources, known))
    places = first[np.searchsorted(known, digests.sources[shared[:LISTED]])]
    for row, place in zip(shared[:LISTED].tolist(), places.tolist(), strict=True):
        report.add(
            "overlap", f"{split}:{pairs[row].name}", f"train:{train[place].name}"
        )
    report.count_unlisted("overlap", len(shared))
