"""Reports of invented events and what happened in them, in a sentence or two.

Six facts of the event are told in four sentences of a report, which are scattered among
up to thirty remarks that look alike, about other towns, days and events. The summary
states the facts and nothing else, so that it can be right or wrong.
"""

import itertools
from dataclasses import dataclass
from random import Random
from typing import NamedTuple, Self

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_pairs import DemoPairs, Texts

COUNTS = {"train": 8000, "validation": 200, "test": 400}
MOST_REMARKS = 30
"""Sentences of a report beside the four that matter, at most."""

NUMBERS = range(50, 1000, 50)

TOWNS = [
    "Arden",
    "Belport",
    "Corvale",
    "Dunmere",
    "Estwick",
    "Farrow",
    "Glenby",
    "Hollin",
    "Ivers",
    "Jarrow",
    "Kelbrook",
    "Linden",
    "Marsk",
    "Norwell",
    "Oakham",
    "Penrith",
]
DAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]
EVENTS = {
    "flood": "the river left its bed and water stood in the streets",
    "fire": "flames were seen above the roofs of the old warehouse",
    "storm": "the wind tore tiles from the houses and broke the trees",
    "strike": "the drivers stayed at home and no bus left the yard",
    "festival": "music was played on every square until after midnight",
    "blackout": "the lights went out and the trams stood still",
    "concert": "the orchestra played in the open before a full house",
    "landslide": "a slope gave way and buried the road to the valley",
}
PEOPLE = [
    "Adams",
    "Brandt",
    "Castor",
    "Dietz",
    "Eaton",
    "Fischer",
    "Gomez",
    "Hale",
    "Ito",
    "Jensen",
]
OUTCOMES = {
    "opened the school as a shelter": "had the school opened so that people could stay",
    "closed the bridge": "had the bridge closed to all traffic",
    "thanked the volunteers": "thanked the volunteers who had come to help",
    "called for an inquiry": "called for an inquiry into what had happened",
    "promised new funds": "promised that new funds would be found",
    "asked people to stay home": "asked people to stay home for the time being",
}

_REMARKS = (
    "In {town} nothing of the kind was reported that week.",
    "A reader from {town} remembers {number} visitors in an ordinary summer.",
    "{person}, who keeps a shop by the station, was not available for comment.",
    "The last {event} in {town} lies many years back.",
    "On {day} the market will be held as usual.",
    "The paper of {town} had written about the weather on {day}.",
    "Some {number} letters have reached this office since the spring.",
    "The museum shows {number} pictures, most of them of boats.",
    "{person} teaches at the school of {town} and writes about birds.",
    "Nobody in {town} expects another {event} before the winter.",
    "The train to {town} was {number} minutes late, which is not unusual.",
    "Prices on the market have hardly changed since {day}.",
    "An old song of the region tells of a {event} and a miller's daughter.",
    "The library will stay closed on {day} because of works on the roof.",
)


class Facts(NamedTuple):
    """What happened: the kind of event, where, when, to how many; who did what."""

    event: str
    town: str
    day: str
    people: int
    mayor: str
    outcome: str

    @classmethod
    def draw(cls, random: Random) -> Self:
        kinds = (EVENTS, TOWNS, DAYS, NUMBERS, PEOPLE, OUTCOMES)
        return cls._make(random.choice([*kind]) for kind in kinds)


def summarize(facts: Facts) -> str:
    """The summary, which follows from the facts alone."""
    article = "an" if facts.event[0] in "aeiou" else "a"
    return (
        f"On {facts.day} {article} {facts.event} in {facts.town} touched "
        f"{facts.people} people. Mayor {facts.mayor} {facts.outcome}."
    )


def report(facts: Facts, random: Random) -> str:
    """A report that tells the facts in this order among remarks about others.

    Short reports are more common than long ones: how facts are copied is learned from
    them, which to copy from the long ones.
    """
    told = [
        f"It was {facts.day} when it began in {facts.town}: {EVENTS[facts.event]}.",
        f"People in {facts.town} speak of the {facts.event} as the event of the year.",
        f"In all {facts.people} people were affected, the town says.",
        f"Mayor {facts.mayor} {OUTCOMES[facts.outcome]}.",
    ]
    remarks = random.randint(0, random.randint(0, MOST_REMARKS))
    sentences = [_remark(facts, random) for _ in range(remarks)]
    places = sorted(random.choices(range(len(sentences) + 1), k=len(told)))
    for place, sentence in reversed([*zip(places, told, strict=True)]):
        sentences.insert(place, sentence)
    return " ".join(sentences)


def _remark(facts: Facts, random: Random) -> str:
    return random.choice(_REMARKS).format(
        town=random.choice([town for town in TOWNS if town != facts.town]),
        number=random.choice(NUMBERS),
        person=random.choice(PEOPLE),
        event=random.choice([event for event in EVENTS if event != facts.event]),
        day=random.choice([day for day in DAYS if day != facts.day]),
    )


@dataclass(frozen=True, kw_only=True)
class DemoSummaries(DemoPairs):
    """The built-in corpus of summarization.

    No combination of facts occurs twice, in one split or in two.
    """

    name: str = "demo_summaries"
    summary: str = "invented reports of up to 400 words with summaries: 8,600 pairs"
    languages: tuple[str, ...] = ("en",)
    version: int = 2

    def texts(self) -> Texts:
        random = Random(self.version)
        drawn: dict[Facts, None] = {}
        while len(drawn) < sum(COUNTS.values()):
            drawn[Facts.draw(random)] = None
        happened = iter(drawn)
        return {
            split: [
                (report(facts, random), summarize(facts))
                for facts in itertools.islice(happened, count)
            ]
            for split, count in COUNTS.items()
        }


CORPORA.register("demo_summaries", DemoSummaries(), __file__)
