"""Sequences of letters and their reversal: what proves that two halves fit."""

import itertools
from dataclasses import dataclass
from random import Random

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_pairs import DemoPairs, Texts

LETTERS = "αβγδεζηθικ"
LENGTHS = range(5, 51)
COUNTS = {"train": 10_000, "validation": 1_000, "test": 2_000}


@dataclass(frozen=True, kw_only=True)
class DemoReversal(DemoPairs):
    """The toy data of OpenSeq2Seq: 5 to 50 of ten Greek letters, and back.

    No sequence occurs twice, in one split or in two.
    """

    name: str = "demo_reversal"
    summary: str = "5 to 50 letters, reversed: 13,000 pairs"
    languages: tuple[str, ...] = ("zxx",)

    def texts(self) -> Texts:
        random = Random(self.version)
        drawn: dict[str, None] = {}
        while len(drawn) < sum(COUNTS.values()):
            letters = random.choices(LETTERS, k=random.choice(LENGTHS))
            drawn[" ".join(letters)] = None
        sequences = iter(drawn)
        return {
            split: [(text, text[::-1]) for text in itertools.islice(sequences, count)]
            for split, count in COUNTS.items()
        }


CORPORA.register("demo_reversal", DemoReversal(), __file__)
