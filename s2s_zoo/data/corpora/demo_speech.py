"""Spoken household commands, synthesized on this machine.

Small enough to learn from scratch on a processor in minutes: a grammar of short
commands, several voices, and a test of both unheard sentences and unheard voices.
"""

import importlib.util
import itertools
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.made import MadeCorpus
from s2s_zoo.data.manifests import Utterance, read_manifest, write_manifest
from s2s_zoo.data.speech_synthesis import SpeechSynthesizer
from s2s_zoo.errors import UserError

VERSION = 1
"""Raised with every change of what is synthesized; names the folder of the cache."""

SAMPLE_RATE = 16000

WORDS = {
    "ROOM": "kitchen bedroom bathroom garage office garden hallway",
    "DEVICE": "lamp heater radio television fan",
    "SWITCH": "on off",
    "MOVE": "open close lock",
    "BARRIER": "door window",
    "MUSIC": "jazz rock opera blues folk",
    "CLOCK": "timer alarm",
    "UNIT": "minutes hours",
    "NUMBER": "one two three four five six seven eight nine ten eleven twelve",
    "CHANGE": "warmer cooler brighter darker quieter",
    "FOOD": "apples onions lemons cookies eggs bananas",
    "PERSON": "mother father doctor sister grandma",
    "TIME": "today tonight tomorrow",
    "WEATHER": "sunny windy cloudy",
    "DAY": "monday tuesday wednesday thursday friday saturday sunday",
}

TEMPLATES = (
    "turn SWITCH the ROOM DEVICE",
    "MOVE the ROOM BARRIER",
    "play MUSIC in the ROOM",
    "set a CLOCK for NUMBER UNIT",
    "wake me at NUMBER on DAY",
    "make the ROOM CHANGE",
    "add NUMBER FOOD to the list",
    "call my PERSON at NUMBER TIME",
    "is it WEATHER on DAY",
)

ACCENTS = ("en-us", "en-gb-x-rp")
SPEEDS = range(170, 221)
"""Words per minute."""
PITCHES = range(40, 61)


class Part(NamedTuple):
    """What makes up a split.

    Attributes:
        utterances: how many.
        variants: variants of the voices, heard in this split alone; every variant
            speaks with every accent.
    """

    utterances: int
    variants: tuple[str, ...]


PARTS = {
    "train": Part(2400, ("", "+m1", "+m2", "+m4", "+m7", "+f1", "+f4", "+f5")),
    "validation": Part(200, ("+m3", "+f2")),
    "test": Part(200, ("+m6", "+f3")),
}


class Line(NamedTuple):
    """An utterance to be spoken."""

    text: str
    voice: str
    words_per_minute: int
    pitch: int


def script() -> dict[str, list[Line]]:
    """Everything to be spoken, split by split; always the same."""
    generator = random.Random(VERSION)
    sentences = [_split(expand(template), generator) for template in TEMPLATES]
    return {
        split: list(_draw([parts[split] for parts in sentences], part, generator))
        for split, part in PARTS.items()
    }


def expand(template: str) -> list[str]:
    """Every sentence of a template."""
    choices = [WORDS.get(word, word).split() for word in template.split()]
    return [" ".join(sentence) for sentence in itertools.product(*choices)]


def _split(sentences: list[str], generator: random.Random) -> dict[str, list[str]]:
    """Deal a template's sentences: one in eight each for validation and test."""
    shuffled = generator.sample(sentences, len(sentences))
    held = len(sentences) // 8
    return {
        "validation": shuffled[:held],
        "test": shuffled[held : 2 * held],
        "train": shuffled[2 * held :],
    }


def _draw(
    sentences: list[list[str]], part: Part, generator: random.Random
) -> Iterator[Line]:
    """Take turns: templates, each one's sentences, and voices come equally often."""
    turns = [itertools.cycle(of_template) for of_template in sentences]
    voices = [accent + variant for accent in ACCENTS for variant in part.variants]
    for number in range(part.utterances):
        if number % len(voices) == 0:
            generator.shuffle(voices)
        yield Line(
            text=next(turns[number % len(turns)]),
            voice=voices[number % len(voices)],
            words_per_minute=generator.choice(SPEEDS),
            pitch=generator.choice(PITCHES),
        )


@dataclass(frozen=True, kw_only=True)
class DemoSpeech(MadeCorpus):
    """The built-in corpus of speech recognition."""

    name: str = "demo_speech"
    summary: str = (
        "synthesized household commands, 24 voices, 87 words, 2800 utterances, 1 h"
    )
    licence: str = "unrestricted (output of espeak-ng, which is GPL-3.0-or-later)"
    languages: tuple[str, ...] = ("en",)
    version: int = VERSION

    def script(self) -> dict[str, list[Line]]:
        """Everything to be spoken, split by split."""
        return script()

    def check_makeable(self) -> None:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise UserError(
                "The demo speech is synthesized by espeak-ng, which is not installed. "
                "Either install it: pip install 's2s-zoo[demo]'. Or bring speech of "
                "your own: --data PATH with a CSV "
                "(wav_filename,wav_filesize,transcript), a JSON-lines manifest "
                "(audio_filepath,duration,text), or the folder of LibriSpeech or "
                "LJSpeech as it unpacks."
            )

    def make(self, directory: Path, progress: bool) -> None:
        _synthesize(self.script(), directory, progress)

    def read(self, split: str, directory: Path) -> list[Utterance]:
        self.check_split(split)
        self.check_made(directory)
        return read_manifest(directory / f"{split}.csv")


def _synthesize(
    every: Mapping[str, Sequence[Line]], directory: Path, progress: bool
) -> None:
    from rich.console import Console
    from rich.progress import track

    synthesizer = SpeechSynthesizer()
    for split, lines in every.items():
        folder = directory / split
        folder.mkdir(parents=True)
        shown = track(
            lines,
            f"synthesizing {split}",
            console=Console(stderr=True),
            disable=not progress,
        )
        spoken = [
            _speak(synthesizer, line, folder / f"{number:04}.wav")
            for number, line in enumerate(shown)
        ]
        write_manifest(directory / f"{split}.csv", spoken)


def _speak(synthesizer: SpeechSynthesizer, line: Line, path: Path) -> Utterance:
    samples = synthesizer.say(
        line.text,
        voice=line.voice,
        words_per_minute=line.words_per_minute,
        pitch=line.pitch,
        sample_rate=SAMPLE_RATE,
    )
    write_wav(path, samples, SAMPLE_RATE)
    seconds = len(samples) / SAMPLE_RATE
    return Utterance(path.stem, str(path), seconds, line.text, line.voice)


CORPORA.register("demo_speech", DemoSpeech(), __file__)
