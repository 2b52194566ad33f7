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
    is_tree,
    read_manifest,
)
from s2s_zoo.data.peek import holds_keys
from s2s_zoo.data.source import Part

_ENDINGS = (".csv", ".jsonl", ".json")


@dataclass(frozen=True)
class Utterances(Kind[list[Utterance]]):
    """Recordings with transcripts, or precomputed features of them."""

    name: ClassVar[str] = "utterances"
    prefix: ClassVar[str] = "asr"
    preset: ClassVar[str] = "deepspeech2_small"
    accepted: ClassVar[str] = ACCEPTED

    def match(self, files: Sequence[Path]) -> Match:
        return max(map(_match, files), default=Match.NONE)

    def part(self, directory: Path, stem: str) -> Part[list[Utterance]] | None:
        places = (directory / f"{stem}{ending}" for ending in _ENDINGS)
        file = next((place for place in places if place.is_file()), None)
        return self.lone(file) if file else None

    def lone(self, path: Path) -> Part[list[Utterance]] | None:
        if path.is_file() or is_tree(path):
            return Part((path,), partial(read_manifest, path))
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
        """Its alphabet, limits and CTC frames count."""
        source, task, model = self.open(data), preset.task, preset.scaled().build()
        return check_utterances(
            {split: source.read_split(split) for split in source.all_roles()},
            alphabet=task.alphabet,
            sample_rate=task.sample_rate,
            output_frames=partial(task.output_frames, model),
            max_seconds=task.max_seconds,
            min_seconds=task.min_seconds,
            progress=progress,
        )


def _match(file: Path) -> Match:
    if file.suffix in (".jsonl", ".json"):
        return Match.CONTENT if holds_keys(file, JSON_KEYS[:1]) else Match.NONE
    return Match.NAME if file.suffix == ".csv" else Match.NONE


KINDS.register(Utterances.name, Utterances(), __file__)
