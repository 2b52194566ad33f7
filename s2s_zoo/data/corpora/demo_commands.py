"""Spoken commands of one word, other words and silence, synthesized on this machine.

The voices of validation and test are not heard in training, nor are half of the
unknown words; speed, pitch, loudness, place in the clip and noise differ in every clip.
"""

import csv
import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.audio_clips import of_length
from s2s_zoo.data.audio_roots import AudioRoots
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_speech import ACCENTS, PARTS, SAMPLE_RATE
from s2s_zoo.data.corpora.made import MadeCorpus
from s2s_zoo.data.labelled import PATHS, Labelled, read_table
from s2s_zoo.data.speech_synthesis import SpeechSynthesizer
from s2s_zoo.errors import UserError

COMMANDS = ("yes", "no", "up", "down", "left", "right", "on", "off", "stop", "go")
UNKNOWN, SILENCE = "_unknown_", "_silence_"
LABELS = (SILENCE, UNKNOWN, *COMMANDS)
WORDS = {
    "heard": "bed bird cat dog eight five four happy house marvin",
    "unheard": "nine one seven sheila six three tree two wow zero",
}
"""Unknown words: those of every split, and those of validation and test besides."""

COUNTS = {"train": 96, "validation": 16, "test": 24}
"""Clips of each label."""

SPEEDS = range(130, 231)
PITCHES = range(30, 71)
NOISE_DB, GAIN_DB = (-60.0, -30.0), (-12.0, 0.0)
SHIFT = 1600
"""Samples by which a word stands before or behind the middle, at most."""


class Clip(NamedTuple):
    """A clip to be made.

    Attributes:
        label: its label.
        word: what is said; empty for silence.
        voice: of espeak-ng; of silence, nothing.
        words_per_minute: speed.
        pitch: of the voice.
    """

    label: str
    word: str
    voice: str
    words_per_minute: int
    pitch: int


def script(split: str, seed: int) -> Iterator[Clip]:
    """The clips of a split; labels take turns, and so do voices."""
    random = Random(f"{seed} {split}")
    voices = [accent + v for accent in ACCENTS for v in PARTS[split].variants]
    said = (WORDS["heard"], "" if split == "train" else WORDS["unheard"])
    unknown = " ".join(said).split()
    for number in range(COUNTS[split]):
        for label in LABELS:
            word = random.choice(unknown) if label == UNKNOWN else label
            voice = voices[(number + LABELS.index(label)) % len(voices)]
            yield Clip(
                label,
                "" if label == SILENCE else word,
                "" if label == SILENCE else voice,
                random.choice(SPEEDS),
                random.choice(PITCHES),
            )


@dataclass(frozen=True, kw_only=True)
class DemoCommands(MadeCorpus):
    """The built-in corpus of spoken commands; its column `speaker` names the voice."""

    name: str = "demo_commands"
    summary: str = "synthesized commands, 12 classes, 24 voices, 1,632 clips of 1 s"
    licence: str = "unrestricted (output of espeak-ng, which is GPL-3.0-or-later)"
    languages: tuple[str, ...] = ("en",)
    kind: str = "labelled_recordings"

    def check_makeable(self) -> None:
        if importlib.util.find_spec("espeakng_loader") is None:
            raise UserError(
                "The demo commands are synthesized by espeak-ng, which is not "
                "installed. Either install it: pip install 's2s-zoo[demo]'. Or bring "
                "recordings of your own: --data PATH with a folder for each label, or "
                "a CSV with the columns label,path."
            )

    def make(self, directory: Path, progress: bool) -> None:
        synthesizer = SpeechSynthesizer()
        for split in self.splits:
            rng = np.random.default_rng((self.version, len(split)))
            rows = [
                _written(synthesizer, clip, directory, f"{split}/{i:04}.wav", rng)
                for i, clip in enumerate(script(split, self.version))
            ]
            path = directory / f"{split}.csv"
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(("label", "path", "speaker", "word"))
                writer.writerows(rows)

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        self.check_made(directory)
        roots = AudioRoots(directory.absolute())
        return read_table(directory / f"{split}.csv", PATHS, roots)


def _written(
    synthesizer: SpeechSynthesizer,
    clip: Clip,
    directory: Path,
    name: str,
    rng: np.random.Generator,
) -> tuple[str, str, str, str]:
    """Make a clip; its row."""
    path = directory / name
    path.parent.mkdir(exist_ok=True)
    write_wav(path, _samples(synthesizer, clip, rng), SAMPLE_RATE)
    return clip.label, name, clip.voice, clip.word


def _samples(
    synthesizer: SpeechSynthesizer, clip: Clip, rng: np.random.Generator
) -> NDArray[np.float32]:
    level = 10 ** (rng.uniform(*NOISE_DB) / 20)
    noise = level * rng.standard_normal(SAMPLE_RATE, dtype=np.float32)
    if not clip.word:
        return noise.astype(np.float32)
    spoken = synthesizer.say(
        clip.word,
        voice=clip.voice,
        words_per_minute=clip.words_per_minute,
        pitch=clip.pitch,
        sample_rate=SAMPLE_RATE,
    )
    gain = 10 ** (rng.uniform(*GAIN_DB) / 20)
    shift = int(rng.integers(-SHIFT, SHIFT))
    whole = gain * of_length(spoken, SAMPLE_RATE, shift) + noise
    return np.clip(whole, -1, 1).astype(np.float32)


CORPORA.register("demo_commands", DemoCommands(), __file__)
