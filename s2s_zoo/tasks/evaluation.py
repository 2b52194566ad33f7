"""What a model made of examples, and how well it did."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from s2s_zoo.metrics.breakdown import Breakdown, Group


class Outcome(NamedTuple):
    """What a model made of an example.

    Example:
        >>> from s2s_zoo.tasks import Outcome, SpeechToText
        >>> outcome = Outcome("a.wav", reference="turn it on", output="turn on")
        >>> round(SpeechToText().measures([outcome])["word_error_rate"].value, 3)
        0.333
    """

    name: str
    reference: Any
    output: Any


@dataclass(frozen=True)
class Evaluation:
    """How well a model does.

    Attributes:
        metrics: value by name; the task's own metric first, the loss last.
        confidence: 95 % interval of a metric by name.
        examples: how many were evaluated.
        signature: how the metrics were computed.
        outputs: of each example.
        unreadable: why examples could not be read, by name; their output is empty.
        breakdown: what else there is to say of the outputs, where it was asked for.
        groups: of examples, by their value in a column; the worst first.

    Example:
        >>> from s2s_zoo.tasks import Evaluation
        >>> Evaluation({"exact_match": 0.9}, {}, 100, "exact", outputs=[]).metrics
        {'exact_match': 0.9}
    """

    metrics: dict[str, float]
    confidence: dict[str, tuple[float, float]]
    examples: int
    signature: str
    outputs: list[Outcome]
    unreadable: Mapping[str, str] = field(default_factory=dict)
    breakdown: Breakdown = field(default_factory=Breakdown)
    groups: Mapping[str, Group] = field(default_factory=dict)
