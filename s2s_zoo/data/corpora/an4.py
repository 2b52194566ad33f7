"""CMU AN4 (census): spelled words, digits, dates and commands."""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.download import download
from s2s_zoo.data.manifests import Utterance, measure, read_manifest
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError

URL = "https://dldata-public.s3.us-east-2.amazonaws.com/an4_sphere.tar.gz"
SHA256 = "a0525579493735d32b60fb6fa5975dd0eaacde087b0a4eeb7f13b7ef33077b12"
"""Of the archive at `URL`, as one public training script records it; not by CMU."""

COUNTS = {"train": 948, "test": 130}
VALIDATION_SHARE = 0.1

_FOLDERS = {"train": "an4_clstk", "test": "an4test_clstk"}
_LINE = re.compile(r"(?:<s>)?\s*(?P<text>.*?)\s*(?:</s>)?\s*\((?P<name>[\w-]+)\)")
_MAX_BYTES = 500 << 20


@dataclass(frozen=True, kw_only=True)
class An4(Corpus):
    """948 training and 130 test utterances of 84 speakers, the official split.

    Two layouts are read: the official tree of an4_sphere.tar.gz (`etc/`, `wav/`), and
    `an4_train_mfcc.csv`, `an4_test_mfcc.csv` beside an .npz file of 13 MFCC. About
    10 % of the training speakers, by the hash of their code, are held out for
    validation.
    """

    name: str = "an4"
    summary: str = "Spelling, digits, dates: 84 speakers, 1,078 utterances, 0.8 h"
    licence: str = "CMU AN4 (free for any use)"
    languages: tuple[str, ...] = ("en-US",)
    splits: tuple[str, ...] = ("train", "validation", "test")

    def found_in(self, directory: Path) -> bool:
        return _sphere_root(directory) is not None or _has_mfcc(directory)

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            archive = place / "an4_sphere.tar.gz"
            download(URL, archive, SHA256, progress=progress)
            extract(archive, place, _MAX_BYTES)
            archive.unlink()
        for part, count in COUNTS.items():
            received = len(_read_part(part, place))
            if received != count:
                raise UserError(
                    f"{place}: {part} has {received} utterances; AN4 has {count}"
                )
        return place

    def read(self, split: str, directory: Path) -> list[Utterance]:
        self.check_split(split)
        if split == "test":
            return measure(_read_part("test", directory))
        utterances = _read_part("train", directory)
        held_out = validation_speakers(u.speaker for u in utterances)
        wanted = split == "validation"
        return measure(u for u in utterances if (u.speaker in held_out) == wanted)


def validation_speakers(speakers: Iterable[str]) -> frozenset[str]:
    """The training speakers held out: those whose codes have the smallest hashes."""
    order = sorted(
        set(speakers), key=lambda code: hashlib.sha256(code.encode()).digest()
    )
    return frozenset(order[: round(len(order) * VALIDATION_SHARE)])


def _read_part(part: str, directory: Path) -> list[Utterance]:
    root = _sphere_root(directory)
    if root is not None:
        return _read_sphere(part, root)
    if not _has_mfcc(directory):
        raise UserError(
            f"{directory}: neither etc/an4_train.transcription with wav/an4_clstk nor "
            "an4_train_mfcc.csv is here"
        )
    listed = read_manifest(directory / f"an4_{part}_mfcc.csv")
    return [replace(u, speaker=_speaker(u.name)) for u in listed]


def _read_sphere(part: str, root: Path) -> list[Utterance]:
    listing = root / "etc" / f"an4_{part}.transcription"
    utterances = []
    for number, line in enumerate(read_utf8(listing).splitlines(), start=1):
        match = _LINE.fullmatch(line.strip())
        if match is None:
            raise UserError(f"{listing}:{number}: want TEXT (NAME), received {line!r}")
        name = match["name"]
        speaker = _speaker(name)
        source = root / "wav" / _FOLDERS[part] / speaker / f"{name}.sph"
        text = match["text"].lower()
        utterances.append(Utterance(name, str(source), -1.0, text, speaker))
    return utterances


def _speaker(name: str) -> str:
    """The speaker code of an utterance: "an251-fash-b" is by fash."""
    return name.split("-")[1] if name.count("-") == 2 else ""


def _sphere_root(directory: Path) -> Path | None:
    """The directory of the official tree that holds etc/ and wav/."""
    for root in (directory.resolve(), directory.resolve() / "an4"):
        has_audio = (root / "wav" / "an4_clstk").is_dir()
        if has_audio and (root / "etc" / "an4_train.transcription").is_file():
            return root
    return None


def _has_mfcc(directory: Path) -> bool:
    return (directory / "an4_train_mfcc.csv").is_file()


CORPORA.register("an4", An4(), __file__)
