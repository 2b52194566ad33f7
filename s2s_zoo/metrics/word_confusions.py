"""What recognizers mishear: how many words, in which way, and for which others."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

from s2s_zoo.metrics.breakdown import ERRORS, Breakdown
from s2s_zoo.metrics.error_rates import ErrorCounts, Pair, align
from s2s_zoo.metrics.presentation import table_lines

MOST = 10

Confusion = tuple[str, str, int]
"""What was said, what was heard in its place, and how often."""


def error_breakdown(references: Sequence[str], hypotheses: Sequence[str]) -> Breakdown:
    """The errors in words of recognized utterances, and the most frequent confusions.

    Errors are those of `align`; a confusion is a substitution. Of equally frequent
    ones those come first that come first in the alphabet.

    Returns:
        A summary with `errors`, which holds `substitutions`, `insertions`,
        `deletions` and the `words` of the references, and `confusions`, the ten most
        frequent, each with `said`, `heard` and `count`. The counts of utterances are
        `errors`, `words`, `substitutions`, `insertions` and `deletions`.

    Raises:
        ValueError: the two sequences differ in length.

    Example:
        >>> from s2s_zoo.metrics import error_breakdown
        >>> found = error_breakdown(["turn it on", "stop"], ["turn it off", "stop it"])
        >>> found.summary["errors"]
        {'substitutions': 1, 'insertions': 1, 'deletions': 0, 'words': 4}
        >>> found.summary["confusions"], found.counts["errors"]
        ([{'said': 'on', 'heard': 'off', 'count': 1}], [1, 1])
    """
    pairs = zip(references, hypotheses, strict=True)
    alignments = [align(one.split(), other.split()) for one, other in pairs]
    counts = [ErrorCounts.of(alignment) for alignment in alignments]
    total = _kinds(sum(counts, ErrorCounts()))
    confusions = _most_frequent(alignments)
    kinds = [_kinds(count) for count in counts]
    names = ("words", "substitutions", "insertions", "deletions")
    told = [{"said": a, "heard": b, "count": count} for a, b, count in confusions]
    return Breakdown(
        {ERRORS: total, "confusions": told},
        [*_lines(total, confusions)],
        {ERRORS: [count.errors for count in counts]}
        | {name: [kind[name] for kind in kinds] for name in names},
    )


def _kinds(counts: ErrorCounts) -> dict[str, int]:
    return {
        "substitutions": counts.substitutions,
        "insertions": counts.insertions,
        "deletions": counts.deletions,
        "words": counts.reference_length,
    }


def _most_frequent(alignments: Iterable[Sequence[Pair[str]]]) -> list[Confusion]:
    counter = Counter(
        (said, heard)
        for alignment in alignments
        for said, heard in alignment
        if said is not None and heard is not None and said != heard
    )
    found = [(said, heard, count) for (said, heard), count in counter.items()]
    return sorted(found, key=lambda each: (-each[2], each))[:MOST]


def _lines(total: dict[str, int], confusions: Sequence[Confusion]) -> Iterator[str]:
    kinds = ("substitutions", "insertions", "deletions")
    errors = sum(total[kind] for kind in kinds)
    told = ", ".join(f"{kind} {total[kind]}" for kind in kinds)
    yield f"errors: {errors} in {total['words']} words; {told}"
    if confusions:
        yield "most frequent confusions (said → heard):"
        rows = [(f"  {said} → {heard}", str(n)) for said, heard, n in confusions]
        yield from table_lines(rows)
