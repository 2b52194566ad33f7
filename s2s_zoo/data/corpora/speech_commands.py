"""Google Speech Commands (Warden, 2018, https://arxiv.org/abs/1804.03209)."""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from s2s_zoo.data.audio_clips import parts_of
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.demo_commands import COMMANDS, SILENCE, UNKNOWN
from s2s_zoo.data.corpora.folds import FoldedCorpus
from s2s_zoo.data.kinds.labelled_recordings import ENDINGS
from s2s_zoo.data.labelled import Labelled, label_folders
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError

URL = "http://download.tensorflow.org/data/speech_commands_v0.02.tar.gz"
TEST_URL = "http://download.tensorflow.org/data/speech_commands_test_set_v0.02.tar.gz"
NOISE = "_background_noise_"
LISTS = {"validation": "validation_list.txt", "test": "testing_list.txt"}
NOISE_SHARES = {"train": (0.0, 0.8), "validation": (0.8, 0.9), "test": (0.9, 1.0)}
"""Where in each recording of noise the silence of a split lies."""

TWELVE = "12"
_FILE = re.compile(r"(?:[a-z]+_)?(?P<speaker>[0-9a-f]{8})_nohash_\d+\.\w+")


@dataclass(frozen=True, kw_only=True)
class SpeechCommands(Corpus):
    """Every word a label, or the twelve of "speech_commands:12".

    Its speakers are disjoint: the lists of the archive tell validation and test, which
    the hash of a speaker chose. Of the twelve, ten are commands; unknown are other
    words and silence is a second of background noise, each as many as there are of a
    command on average. Unknown words are chosen by the hash of their file.

    Attributes:
        twelve: whether it has twelve labels.
    """

    name: str = "speech_commands"
    summary: str = "spoken words of 1 s, 35 classes, or 12 with speech_commands:12"
    licence: str = "CC BY 4.0"
    languages: tuple[str, ...] = ("en",)
    splits: tuple[str, ...] = ("train", "validation", "test")
    kind: str = "labelled_recordings"
    twelve: bool = False

    def of_size(self, size: str) -> Self:
        if size != TWELVE:
            raise UserError(
                f"{self.name}:{TWELVE} has {TWELVE} classes, {self.name} all. "
                f"Received: {size!r}"
            )
        return replace(self, twelve=True)

    def found_in(self, directory: Path) -> bool:
        return all((directory / name).is_file() for name in LISTS.values())

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            raise UserError(f"{place}: unpack {URL} there")
        return place

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        place = directory.resolve()
        words = [
            example
            for example in _recordings(place)
            if example.label != NOISE
            and _split_of(example.name, self._lists(place)) == split
        ]
        return list(_twelve(words, place, split)) if self.twelve else words

    @staticmethod
    def _lists(place: Path) -> dict[str, frozenset[str]]:
        return {
            split: frozenset(read_utf8(place / name).split())
            for split, name in LISTS.items()
        }


@dataclass(frozen=True, kw_only=True)
class SpeechCommandsTest(FoldedCorpus):
    """The official test set of twelve classes, or a part, in folds by speaker.

    It is what later models are compared by, and small enough to learn from where the
    rest is not at hand.
    """

    name: str = "speech_commands_test"
    summary: str = (
        "the test set of speech_commands:12 in 10 folds by speaker, "
        "speech_commands_test:0 to :9"
    )
    licence: str = "CC BY 4.0"
    languages: tuple[str, ...] = ("en",)
    kind: str = "labelled_recordings"
    folder: str = "gsc_v2_test12"

    def found_in(self, directory: Path) -> bool:
        return all((directory / name).is_dir() for name in (SILENCE, UNKNOWN, "yes"))

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            raise UserError(f"{place}: unpack {TEST_URL} there")
        return place

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        every = _recordings(directory.resolve())
        return self.in_split(every, split, lambda e: str(e.columns["speaker"]))


def _recordings(place: Path) -> Iterator[Labelled]:
    """The files of a folder for each label; the speaker stands in a file's name."""
    for label, files in label_folders(place, ENDINGS).items():
        for file in files:
            found = _FILE.fullmatch(file.name)
            speaker = found["speaker"] if found else file.name
            name = f"{label}/{file.name}"
            yield Labelled(name, str(file), label, {"speaker": speaker})


def _split_of(name: str, lists: dict[str, frozenset[str]]) -> str:
    return next((split for split, names in lists.items() if name in names), "train")


def _twelve(words: Iterable[Labelled], place: Path, split: str) -> Iterator[Labelled]:
    """The commands, as many unknown words, and as much silence."""
    every = list(words)
    commands = [example for example in every if example.label in COMMANDS]
    others = [example for example in every if example.label not in COMMANDS]
    count = -(-len(commands) // max(1, len(Counter(e.label for e in commands))))
    yield from commands
    for example in sorted(others, key=_hash)[:count]:
        yield replace(example, label=UNKNOWN)
    yield from _silence(place / NOISE, split, count)


def _silence(folder: Path, split: str, count: int) -> list[Labelled]:
    """Seconds of the recordings of noise, in turns; fewer where they do not suffice."""
    files = sorted(file for file in folder.glob("*") if file.suffix in ENDINGS)
    parts = [
        part for file in files for part in parts_of(str(file), *NOISE_SHARES[split], 1)
    ]
    names = [part.rpartition("/")[2] for part in parts]
    found = [
        Labelled(f"{NOISE}/{name}", part, SILENCE, {"speaker": name.partition("#")[0]})
        for name, part in zip(names, parts, strict=True)
    ]
    return sorted(found, key=_hash)[:count]


def _hash(example: Labelled) -> bytes:
    return hashlib.sha256(example.name.encode()).digest()


CORPORA.register("speech_commands", SpeechCommands(), __file__)
CORPORA.register("speech_commands_test", SpeechCommandsTest(), __file__)
