"""Reviews of films and how they judge, written on this machine.

Counting words does not tell: every adjective, and every word that turns one round,
stands as often in good reviews as in bad ones, and what is contrasted comes in pairs
of the same words in another order. The judgement follows from

- negation: "the plot is not bad at all", "nobody could call the cast boring";
- contrast: what comes after "but" counts, and not what "although" begins;
- whose judgement it is: what others say of the film does not count;
- both at once: "although the plot is not bad, the cast is never funny".

Plain reviews, whose one adjective tells, are a sixth of all.
"""

import csv
import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.made import MadeCorpus
from s2s_zoo.data.labelled import TEXTS, Labelled, read_table

LABELS = ("negative", "positive")
COUNTS = {"train": 6000, "validation": 600, "test": 1000}

WORDS = {
    "good": "good great lovely funny clever moving brilliant charming fresh honest",
    "bad": "bad dull silly boring clumsy hollow terrible tedious stale fake",
    "aspect": "plot cast story music script ending dialogue camera pace humour acting "
    "beginning direction editing hero villain song costume title idea",
}
GOOD, BAD, ASPECTS = (WORDS[kind].split() for kind in ("good", "bad", "aspect"))
OTHERS = ("my brother", "the poster", "every critic", "her friend", "the trailer")
DEGREES = ("", "really ", "quite ", "so ", "just ", "simply ")

Construction = Callable[[Random, bool], str]
"""Words that praise, or that do not."""


def _plain(random: Random, praises: bool) -> str:
    adjective = random.choice(GOOD if praises else BAD)
    degree = random.choice(DEGREES)
    return f"the {random.choice(ASPECTS)} is {degree}{adjective}"


def _negated(random: Random, praises: bool) -> str:
    adjective = random.choice(BAD if praises else GOOD)
    aspect = random.choice(ASPECTS)
    forms = (
        f"the {aspect} is not {adjective}",
        f"the {aspect} is not {adjective} at all",
        f"the {aspect} is never {adjective}",
        f"nobody could call the {aspect} {adjective}",
    )
    return random.choice(forms)


def _any(random: Random, praises: bool) -> str:
    return random.choice((_plain, _negated))(random, praises)


def _contrast(part: Construction) -> Construction:
    """Two clauses that judge differently, one of which counts."""

    def make(random: Random, praises: bool) -> str:
        aside, judgement = part(random, not praises), part(random, praises)
        forms = (
            f"{aside} , but {judgement}",
            f"although {aside} , {judgement}",
            f"{judgement} , even though {aside}",
        )
        return random.choice(forms)

    return make


def _reported(random: Random, praises: bool) -> str:
    said = random.choice(BAD if praises else GOOD)
    found = random.choice(GOOD if praises else BAD)
    other = random.choice(OTHERS)
    forms = (
        f"{other} calls it {said} , i find it {found}",
        f"i find it {found} , {other} calls it {said}",
    )
    return random.choice(forms)


CONSTRUCTIONS: dict[str, Construction] = {
    "plain": _plain,
    "negation": _negated,
    "contrast": _contrast(_plain),
    "report": _reported,
    "contrast and negation": _contrast(_negated),
    "mixed contrast": _contrast(_any),
}


def reviews(seed: int) -> Iterator[tuple[str, str, str]]:
    """Label, text and construction; no text comes twice.

    Labels and constructions take turns. There are texts for some 9,000.
    """
    random, met = Random(seed), set[str]()
    turns = itertools.product(CONSTRUCTIONS.items(), (False, True))
    for (name, make), praises in itertools.cycle(turns):
        text = make(random, praises)
        while text in met:
            text = make(random, praises)
        met.add(text)
        yield LABELS[praises], text, name


@dataclass(frozen=True, kw_only=True)
class DemoReviews(MadeCorpus):
    """The built-in corpus of text classification.

    Its column `construction` says what tells: `evaluate --by construction`.
    """

    name: str = "demo_reviews"
    summary: str = "generated film reviews, 2 classes, 7,600 sentences"
    languages: tuple[str, ...] = ("en",)
    kind: str = "labelled_texts"

    def make(self, directory: Path, progress: bool) -> None:
        found = reviews(self.version)
        for split, count in COUNTS.items():
            path = directory / f"{split}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("label", "text", "construction"))
                writer.writerows(next(found) for _ in range(count))

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        self.check_made(directory)
        return read_table(directory / f"{split}.csv", TEXTS)


CORPORA.register("demo_reviews", DemoReviews(), __file__)
