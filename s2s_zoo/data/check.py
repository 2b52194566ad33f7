"""What would hurt training, found before it starts."""

import dataclasses
import hashlib
import itertools
import math
import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.audio import (
    CancelledAudioError,
    EmptyAudioError,
    decode_audio,
)
from s2s_zoo.data.manifests import Utterance, is_features
from s2s_zoo.data.precomputed import FEATURE_RATE, load_features
from s2s_zoo.data.report import Report
from s2s_zoo.data.transcripts import normalize_transcript, unknown_characters
from s2s_zoo.errors import UserError

KINDS = {
    "unread": "the split cannot be read",
    "unreadable": "the file is missing, damaged or not audio",
    "empty": "no samples",
    "cancelled": "channels that cancel when they are averaged",
    "silent": "never louder than -60 dBFS",
    "too_short": "shorter than the shortest allowed",
    "too_long": "longer than the longest allowed",
    "ctc_infeasible": "more characters than CTC frames",
    "unknown_characters": "characters outside the alphabet",
    "duplicate": "the same audio and transcript as an earlier utterance",
    "conflict": "the same audio with different transcripts",
    "overlap": "the same audio in a later split",
    "no_transcript": "nothing is said",
    "odd_rate": "implausibly many or few characters per second",
    "same_name": "the same name in another split",
    "wrong_duration": "the manifest's duration is not the file's",
    "resampled": "the file has another sample rate than the model",
    "clipped": "samples cut off at full scale",
    "silent_ends": "silence before or behind what is said",
}
"""Every kind of finding, and what it means."""

NOTES = frozenset({"resampled"})
"""Kinds that do no harm."""

KEPT = NOTES | {
    *("no_transcript", "odd_rate", "same_name", "wrong_duration"),
    *("clipped", "silent_ends"),
}
"""Kinds that leave an utterance usable; all others exclude it."""

SILENCE = 10.0 ** (-60 / 20)
"""Peak below which audio counts as silent: -60 dBFS."""

_DURATION_TOLERANCE = 0.05
_RATE_DEVIATIONS = 6.0
_RATE_FACTOR = 3.0
_RATE_SAMPLE = 20
_CHUNK = 256

Listen = Callable[[NDArray[np.float32], int], Iterable[tuple[str, str]]]


@dataclass
class DataReport(Report):
    """What was found in the data.

    Attributes:
        findings: for each kind of `KINDS` that occurred, (name, detail) pairs; when
            several splits were checked, names start with "SPLIT:".
        counts: utterances in all, usable ones, and how many of each kind.
        hours: of readable audio.
        usable_hours: of the usable utterances.
        unknown_characters: characters outside the alphabet and how often they occur.
        usable_splits: the usable utterances of each split, with measured durations.
    """

    kinds: ClassVar[Mapping[str, str]] = KINDS
    notes: ClassVar[frozenset[str]] = NOTES

    findings: dict[str, list[tuple[str, str]]]
    counts: dict[str, int]
    hours: float
    usable_hours: float
    unknown_characters: dict[str, int]
    usable_splits: dict[str, list[Utterance]]

    @property
    def usable(self) -> list[Utterance]:
        """The usable utterances of all splits."""
        return [u for split in self.usable_splits.values() for u in split]

    @property
    def headline(self) -> str:
        """How much there is, in a line."""
        return (
            f"{self.counts['utterances']} utterances, {self.hours:.2f} h; "
            f"{self.counts['usable']} usable, {self.usable_hours:.2f} h"
        )

    def to_json(self) -> dict[str, Any]:
        """The report for `json.dumps`; the usable utterances only by number."""
        return super().to_json() | {
            "hours": self.hours,
            "usable_hours": self.usable_hours,
            "unknown_characters": self.unknown_characters,
        }


@dataclass
class _Checked:
    """An utterance and what has been found out about it."""

    split: str
    label: str
    utterance: Utterance
    text: str
    seconds: float = 0.0
    digest: str = ""
    problems: dict[str, str] = field(default_factory=dict)

    @property
    def is_usable(self) -> bool:
        return self.problems.keys() <= KEPT


@dataclass(frozen=True)
class _Limits:
    alphabet: str
    sample_rate: int
    output_frames: Callable[[float], int]
    max_seconds: float
    min_seconds: float
    fold: Callable[[str], str]
    listen: Listen | None


def check_utterances(
    utterances: Sequence[Utterance] | Mapping[str, Sequence[Utterance]],
    *,
    alphabet: str,
    sample_rate: int,
    output_frames: Callable[[float], int],
    max_seconds: float,
    min_seconds: float,
    unread: Mapping[str, str] | None = None,
    fold: Callable[[str], str] | None = None,
    listen: Listen | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> DataReport:
    """Decode every utterance once and report what would hurt training.

    Args:
        utterances: of one split, or of several by name; audio of an earlier split that
            a later one has too is an overlap, so give them as train, validation, test.
        alphabet: the characters that transcripts may hold after
            `normalize_transcript`.
        sample_rate: Hz, of the model.
        output_frames: CTC frames of an utterance of so many seconds. CTC needs one
            for each character and one between equal neighbours (Graves et al., 2006).
        max_seconds: longest utterance allowed.
        min_seconds: shortest utterance allowed.
        unread: why further splits cannot be read, by name.
        fold: what is read of a transcript; None for `normalize_transcript`.
        listen: kinds and details of what else is found in samples (S,) at a rate.
        progress: called with (done, total) after each utterance.

    Implausible rates are those whose logarithm of characters per second is further
    from the median than 6 robust standard deviations (1.4826 MAD) and a factor of 3;
    they are judged where there are at least 20 utterances.
    """
    splits = utterances if isinstance(utterances, Mapping) else {"": utterances}
    fold = fold or partial(normalize_transcript, alphabet=alphabet)
    numbers = (sample_rate, output_frames, max_seconds, min_seconds)
    limits = _Limits(alphabet, *numbers, fold, listen)
    checked = _check_each(splits, limits, progress)
    _find_repeats(checked, list(splits))
    _find_same_names(checked)
    _find_odd_rates(checked)
    return _report(checked, list(splits), alphabet, unread or {})


def _check_each(
    splits: Mapping[str, Sequence[Utterance]],
    limits: _Limits,
    progress: Callable[[int, int], None] | None,
) -> list[_Checked]:
    items = [(split, u) for split, listed in splits.items() for u in listed]
    checked: list[_Checked] = []
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for start in range(0, len(items), _CHUNK):
            chunk = items[start : start + _CHUNK]
            for result in pool.map(
                lambda item: _check_one(item[0], item[1], limits), chunk
            ):
                checked.append(result)
                if progress:
                    progress(len(checked), len(items))
    return checked


def _check_one(split: str, utterance: Utterance, limits: _Limits) -> _Checked:
    text = limits.fold(utterance.transcript)
    label = f"{split}:{utterance.name}" if split else utterance.name
    checked = _Checked(split, label, utterance, text)
    checked.problems.update(_text_problems(text, limits))
    try:
        _measure(checked, limits)
    except EmptyAudioError as error:
        checked.problems["empty"] = str(error)
    except CancelledAudioError as error:
        checked.problems["cancelled"] = str(error)
    except UserError as error:
        checked.problems["unreadable"] = str(error)
    else:
        checked.problems.update(_length_problems(checked, limits))
    return checked


def _measure(checked: _Checked, limits: _Limits) -> None:
    """Decode an utterance: its duration, loudness and digest."""
    source = checked.utterance.source
    rate: float = FEATURE_RATE
    if is_features(checked.utterance):
        samples = load_features(source)
    else:
        samples, rate = decode_audio(source)
        if rate != limits.sample_rate:
            detail = f"{rate} Hz, the model takes {limits.sample_rate} Hz"
            checked.problems["resampled"] = detail
        if limits.listen and len(samples):
            checked.problems.update(limits.listen(samples, int(rate)))
    peak = float(np.abs(samples).max())
    if peak < SILENCE:
        level = f"{20 * math.log10(peak):.0f} dBFS" if peak else "digital silence"
        checked.problems["silent"] = level
    checked.seconds = len(samples) / rate
    start = f"{rate}|{samples.shape}|".encode()
    checked.digest = hashlib.sha256(start + samples.tobytes()).hexdigest()


def _text_problems(text: str, limits: _Limits) -> Iterator[tuple[str, str]]:
    if not text:
        yield "no_transcript", "the transcript is empty"
    unknown = unknown_characters([text], limits.alphabet)
    if unknown:
        yield "unknown_characters", f"{''.join(sorted(unknown))!r} in {text[:80]!r}"


def _length_problems(checked: _Checked, limits: _Limits) -> Iterator[tuple[str, str]]:
    seconds, listed = checked.seconds, checked.utterance.seconds
    if seconds > limits.max_seconds:
        yield "too_long", f"{seconds:.2f} s, at most {limits.max_seconds:g}"
    if seconds < limits.min_seconds:
        yield "too_short", f"{seconds:.4f} s, at least {limits.min_seconds:g}"
    frames, needed = limits.output_frames(seconds), ctc_frames(checked.text)
    if frames < needed:
        yield "ctc_infeasible", f"{frames} frames for a text that needs {needed}"
    if abs(seconds - listed) > _DURATION_TOLERANCE:
        yield "wrong_duration", f"{seconds:.3f} s, the manifest says {listed:.3f}"


def ctc_frames(text: str) -> int:
    """Frames CTC needs: one a character, and a blank between equal neighbours."""
    repeats = sum(a == b for a, b in itertools.pairwise(text))
    return len(text) + repeats


def _find_repeats(checked: Iterable[_Checked], splits: Sequence[str]) -> None:
    groups: dict[str, list[_Checked]] = defaultdict(list)
    for item in checked:
        if item.digest and "silent" not in item.problems:
            groups[item.digest].append(item)
    for group in groups.values():
        if len({item.text for item in group}) > 1:
            _mark_conflict(group)
        _mark_duplicates(group, splits)


def _mark_conflict(group: Sequence[_Checked]) -> None:
    said = " | ".join(f"{item.label}: {item.text[:60]!r}" for item in group[:4])
    for item in group:
        item.problems["conflict"] = said


def _mark_duplicates(group: Sequence[_Checked], splits: Sequence[str]) -> None:
    """The first of each split stays, unless a later split has the audio too."""
    last = max(group, key=lambda item: splits.index(item.split))
    firsts: dict[tuple[str, str], _Checked] = {}
    for item in group:
        first = firsts.setdefault((item.split, item.text), item)
        if first is not item:
            item.problems["duplicate"] = f"the same as {first.label}"
        if item.split != last.split:
            item.problems["overlap"] = f"also {last.label}"


def _find_same_names(checked: Iterable[_Checked]) -> None:
    firsts: dict[str, _Checked] = {}
    for item in checked:
        first = firsts.setdefault(item.utterance.name, item)
        if first.split != item.split:
            item.problems["same_name"] = f"also {first.label}"


def _find_odd_rates(checked: Iterable[_Checked]) -> None:
    spoken = [item for item in checked if item.seconds > 0 and item.text]
    if len(spoken) < _RATE_SAMPLE:
        return
    rates = np.log([len(item.text) / item.seconds for item in spoken])
    median = float(np.median(rates))
    deviation = 1.4826 * float(np.median(np.abs(rates - median)))
    limit = max(_RATE_DEVIATIONS * deviation, math.log(_RATE_FACTOR))
    for item, rate in zip(spoken, rates, strict=True):
        if abs(rate - median) > limit:
            item.problems["odd_rate"] = (
                f"{math.exp(rate):.1f} characters per second, the median is "
                f"{math.exp(median):.1f}: the transcript may belong elsewhere"
            )


def _report(
    checked: Sequence[_Checked],
    splits: Sequence[str],
    alphabet: str,
    unread: Mapping[str, str],
) -> DataReport:
    usable = [item for item in checked if item.is_usable]
    found = {
        kind: [(i.label, i.problems[kind]) for i in checked if kind in i.problems]
        for kind in KINDS
    }
    found["unread"] = list(unread.items())
    findings = {kind: listed for kind, listed in found.items() if listed}
    unknown: Counter[str] = unknown_characters((i.text for i in checked), alphabet)
    kinds = {kind: len(found) for kind, found in findings.items()}
    return DataReport(
        findings=findings,
        counts={"utterances": len(checked), "usable": len(usable), **kinds},
        hours=sum(item.seconds for item in checked) / 3600,
        usable_hours=sum(item.seconds for item in usable) / 3600,
        unknown_characters=dict(unknown.most_common()),
        usable_splits={
            split: [
                dataclasses.replace(item.utterance, seconds=item.seconds)
                for item in usable
                if item.split == split
            ]
            for split in splits
        },
    )
