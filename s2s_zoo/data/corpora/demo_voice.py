"""One voice that reads household commands and plain English, made on this machine.

For synthesis to be learned from scratch on a processor: a single voice of espeak-ng,
one speed and pitch, short sentences, and words of which the held-out sentences are made
too. A synthesizer that is given the demo's commands is given nothing new but order.
"""

import itertools
import random
from dataclasses import dataclass

from s2s_zoo.data.corpora import CORPORA, demo_speech
from s2s_zoo.data.corpora.demo_speech import DemoSpeech, Line

VERSION = 1
"""Raised with every change of what is synthesized; names the folder of the cache."""

VOICE, WORDS_PER_MINUTE, PITCH = "en-us", 165, 50
SIZES = {"train": 1600, "validation": 32, "test": 64}
SHARE = 0.3
"""Of the sentences that are household commands."""

WORDS = {
    "WHO": "the_teacher the_old_man my_brother her_friend the_young_girl our_neighbor "
    "the_captain a_stranger the_little_boy his_uncle everyone the_farmer",
    "DID": "found lost carried bought painted forgot cleaned opened watched described",
    "WHAT": "a_heavy_box the_wooden_door some_fresh_bread a_green_jacket the_red_boat "
    "his_lucky_coin the_broken_chair a_letter_from_school two_silver_spoons "
    "the_yellow_umbrella a_jar_of_honey the_last_photograph",
    "WHERE": "near_the_river behind_the_church in_the_village at_the_station "
    "on_the_bridge under_the_table across_the_street beside_the_lake "
    "inside_the_museum over_the_hill",
    "WHEN": "yesterday this_morning last_winter before_breakfast after_the_storm "
    "in_the_evening at_noon every_summer once_again long_ago",
    "WEATHER": "cold warm quiet foggy bright rainy",
    "PLACE": "valley forest harbor city desert mountain",
    "FEEL": "happy tired hungry angry curious thirsty proud",
    "WHY": "the_train_was_late the_music_stopped nobody_answered the_soup_was_hot "
    "it_began_to_snow the_shop_had_closed",
}

TEMPLATES = (
    "WHO DID WHAT WHEN.",
    "WHO DID WHAT WHERE.",
    "WHEN, WHO DID WHAT.",
    "did WHO leave WHAT WHERE?",
    "it was WEATHER in the PLACE, and WHO felt FEEL.",
    "WHO was FEEL because WHY.",
    "why is WHO so FEEL WHEN?",
    "we saw WHO WHERE, but WHY.",
)


def script() -> dict[str, list[Line]]:
    """Everything to be spoken, split by split; no sentence in two of them."""
    generator = random.Random(VERSION)
    total = sum(SIZES.values())
    commands = generator.sample(_commands(), round(SHARE * total))
    sentences = _sentences(total - len(commands), generator)
    texts = generator.sample([*commands, *sentences], total)
    ends = list(itertools.accumulate(SIZES.values(), initial=0))
    return {
        split: [Line(text, VOICE, WORDS_PER_MINUTE, PITCH) for text in texts[i:j]]
        for split, i, j in zip(SIZES, ends, ends[1:], strict=False)
    }


def _commands() -> list[str]:
    """Those of the demo of recognition, with their marks."""
    every = itertools.chain.from_iterable(
        demo_speech.expand(template) for template in demo_speech.TEMPLATES
    )
    texts = (text.replace(" a alarm", " an alarm") for text in every)
    return [f"{text}{'?' if text.startswith('is ') else '.'}" for text in texts]


def _sentences(count: int, generator: random.Random) -> list[str]:
    """So many different sentences, templates in turn."""
    turns, found = itertools.cycle(TEMPLATES), dict[str, None]()
    while len(found) < count:
        found[_filled(next(turns), generator)] = None
    return list(found)


def _filled(template: str, generator: random.Random) -> str:
    """A template with words drawn for its names."""
    text = template
    for name, words in WORDS.items():
        while name in text:
            chosen = generator.choice(words.split()).replace("_", " ")
            text = text.replace(name, chosen, 1)
    return text


@dataclass(frozen=True, kw_only=True)
class DemoVoice(DemoSpeech):
    """The built-in corpus of speech synthesis."""

    name: str = "demo_voice"
    summary: str = "one synthesized voice, commands and plain English, 1696 sentences"
    version: int = VERSION

    def script(self) -> dict[str, list[Line]]:
        return script()


CORPORA.register("demo_voice", DemoVoice(), __file__)
