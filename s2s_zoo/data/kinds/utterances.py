"""Utterances: recordings and what is said in them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.check import DataReport, check_utterances
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind, Match, Progress
from s2s_zoo.data.manifests import (
    ACCEPTED,
    JSON_KEYS,
    Utterance,
    is_manifest,
    read_manifest,
)
from s2s_zoo.data.peek import first_line, holds_keys
from s2s_zoo.data.rows import column_names
from s2s_zoo.data.source import Part, Source
from s2s_zoo.data.speech_trees import is_tree
from s2s_zoo.errors import UserError

_ENDINGS = (".csv", ".tsv", ".jsonl", ".json")


@dataclass(frozen=True)
class Utterances(Kind[list[Utterance]]):
    """Recordings with transcripts, or precomputed features of them.

    Attributes:
        audio_root: directory trees beside that of a manifest that its files may lie
            in.
    """

    name: ClassVar[str] = "utterances"
    prefix: ClassVar[str] = "asr"
    preset: ClassVar[str] = "deepspeech2_small"
    accepted: ClassVar[str] = ACCEPTED

    audio_root: tuple[Path, ...] = ()

    def match(self, files: Sequence[Path]) -> Match:
        return max(map(_match, files), default=Match.NONE)

    def part(self, directory: Path, stem: str) -> Part[list[Utterance]] | None:
        places = (directory / f"{stem}{ending}" for ending in _ENDINGS)
        file = next((place for place in places if place.is_file()), None)
        return self.lone(file) if file else None

    def lone(self, path: Path) -> Part[list[Utterance]] | None:
        if path.is_file() or is_tree(path):
            return Part(
                (path,), partial(read_manifest, path, audio_root=self.audio_root)
            )
        return None

    def join(self, parts: list[list[Utterance]]) -> list[Utterance]:
        return list(chain.from_iterable(parts))

    def take(
        self, examples: list[Utterance], rows: NDArray[np.int64]
    ) -> list[Utterance]:
        return [examples[row] for row in rows.tolist()]

    def hashes(self, examples: list[Utterance]) -> NDArray[np.uint64]:
        """The first 64 bits of the SHA-256 of their names."""
        digests = (hashlib.sha256(u.name.encode()).digest() for u in examples)
        return np.array([int.from_bytes(d[:8], "big") for d in digests], np.uint64)

    def check(
        self, data: str, preset: Any, progress: Progress | None = None
    ) -> DataReport:
        """Its alphabet, limits and CTC frames count.

        Raises:
            UserError: nothing can be read, or the task reads no transcripts.
        """
        task = preset.task
        if not hasattr(task, "alphabet"):
            raise UserError(
                f"{task.name} reads no transcripts, so there is nothing to check them "
                "by: name a preset of a recognizer or of a synthesizer"
            )
        found, unread = _splits(self.open(data))
        model = preset.scaled().build()
        return check_utterances(
            found,
            unread=unread,
            alphabet=task.alphabet,
            sample_rate=task.sample_rate,
            output_frames=partial(task.output_frames, model),
            max_seconds=task.max_seconds,
            min_seconds=task.min_seconds,
            fold=getattr(task, "fold", None),
            listen=getattr(task, "listen", None),
            progress=progress,
        )


def _splits(
    source: Source[list[Utterance]],
) -> tuple[dict[str, list[Utterance]], dict[str, str]]:
    """The splits that can be read, and why others cannot.

    Raises:
        UserError: none can.
    """
    found, unread = {}, {}
    for split in source.all_roles():
        try:
            found[split] = source.read_split(split)
        except UserError as error:
            unread[split] = str(error)
    if not found:
        raise UserError(next(iter(unread.values())))
    return found, unread


def _match(file: Path) -> Match:
    if file.suffix in (".jsonl", ".json"):
        return Match.CONTENT if holds_keys(file, JSON_KEYS[:1]) else Match.NONE
    if file.suffix in (".csv", ".tsv") and is_manifest(column_names(first_line(file))):
        return Match.CONTENT
    return Match.NAME if file.suffix == ".csv" else Match.NONE


KINDS.register(Utterances.name, Utterances(), __file__)
