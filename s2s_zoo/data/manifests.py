"""Lists of utterances, read from the formats that speech toolkits exchange."""

import csv
import dataclasses
import io
import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from s2s_zoo.data.audio import AudioError, probe_audio
from s2s_zoo.data.audio_roots import AudioRoots
from s2s_zoo.data.precomputed import FEATURE_RATE, feature_keys
from s2s_zoo.data.rows import Row, column_names, json_rows, table_rows
from s2s_zoo.data.speech_trees import LISTING, is_tree, listing_rows, tree_rows
from s2s_zoo.data.utf8 import read_utf8
from s2s_zoo.errors import UserError

AUDIO_COLUMNS = {
    "wav_filename": "transcript",
    "path": "sentence",
    "audio_filepath": "text",
}
"""The column of transcripts by that of audio files; of JSON, the keys."""

JSON_KEYS = ("audio_filepath", "text")
FEATURE_COLUMNS = ("utt", "frames", "transcript")
WRITTEN_COLUMNS = ("wav_filename", "wav_filesize", "transcript", "seconds", "speaker")

ACCEPTED = (
    "a CSV with the columns wav_filename,transcript "
    "(optional: wav_filesize,seconds,duration,speaker) or utt,frames,transcript; "
    "a Common Voice table (.tsv with path,sentence); "
    "JSON lines or an array with audio_filepath,text (optional: duration,speaker); "
    "a LibriSpeech split (*/*/*.trans.txt); an LJSpeech directory (metadata.csv)"
)
_UNKNOWN_SECONDS = -1.0
_NOTHING: Mapping[str, Any] = {}
_CLIPS = "clips"
_SPEAKERS = ("speaker", "client_id")
_DURATIONS = ("seconds", "duration")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Utterance:
    """One recording and what is said in it.

    Attributes:
        name: unique within its manifest; what messages call it.
        source: absolute path of an audio file, or "/abs/archive.npz#key" for
            precomputed features (T, D).
        seconds: duration; 0.0 where neither the manifest nor the file could tell.
        transcript: what is said; "" for nothing.
        speaker: who says it; "" when unknown.
        further: what its manifest says in columns that `write_manifest` does not write.
    """

    name: str
    source: str
    seconds: float
    transcript: str
    speaker: str = ""
    further: Mapping[str, Any] = field(
        default_factory=lambda: _NOTHING, compare=False, repr=False
    )

    @property
    def columns(self) -> dict[str, Any]:
        """What is known of it, by column of its manifest, or of one in our format."""
        known = {"wav_filename": self.name, "transcript": self.transcript}
        return known | {
            "seconds": self.seconds,
            "speaker": self.speaker,
            **self.further,
        }


def read_manifest(
    path: str | os.PathLike[str], *, audio_root: Iterable[Path] | None = None
) -> list[Utterance]:
    """Read a manifest in any of the formats it may come in.

    A CSV with `wav_filename` and `transcript` (OpenSeq2Seq, DeepSpeech); a table of
    Common Voice with `path` and `sentence`, the files in `clips/` beside it; objects
    of JSON with `audio_filepath` and `text` (NeMo), one a line or in an array; a
    LibriSpeech split directory; an LJSpeech directory; a CSV with
    `utt,frames,transcript` beside exactly one .npz file, whose arrays `utt` are
    features of 100 frames per second.

    Durations come from the manifest, else from the headers of the files. A file
    whose header cannot be read keeps 0.0 seconds and is named in a warning. A name
    that occurs again gets "#2", "#3", ... appended.

    Args:
        path: the file or directory.
        audio_root: directory trees beside the manifest's own that its files may lie
            in; None if the user cannot name any.

    Raises:
        UserError: names the file and line, and what is accepted.
    """
    place = Path(path).absolute()
    if not place.exists():
        raise UserError(f"{place}: no such file or directory; accepted: {ACCEPTED}")
    directory = place if place.is_dir() else place.parent
    roots = AudioRoots(directory, audio_root)
    if not place.is_dir():
        found = _read_file(place, roots)
    elif is_tree(place):
        found = _from_tree(tree_rows(place), roots)
    else:
        raise UserError(f"{place}: not a known layout; accepted: {ACCEPTED}")
    utterances = measure(_unique_names(found))
    if not utterances:
        raise UserError(f"{place}: holds no utterances; accepted: {ACCEPTED}")
    return utterances


def is_manifest(columns: Iterable[str]) -> bool:
    """Whether a table with these columns lists utterances."""
    return _audio_column(columns) is not None or set(FEATURE_COLUMNS) <= set(columns)


def write_manifest(
    path: str | os.PathLike[str], utterances: Iterable[Utterance]
) -> None:
    """Write a CSV `wav_filename,wav_filesize,transcript,seconds,speaker`.

    Files below the directory of `path` are named relative to it.

    Raises:
        UserError: an utterance is precomputed features, a file cannot be read, or
            `path` cannot be written.
    """
    target = Path(path)
    directory = target.parent.resolve()
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(WRITTEN_COLUMNS)
    for utterance in utterances:
        writer.writerow(_written_row(utterance, directory))
    part = target.with_name(f"{target.name}.part")
    try:
        part.write_text(text.getvalue(), encoding="utf-8", newline="")
        os.replace(part, target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error.strerror}") from error


def measure(utterances: Iterable[Utterance]) -> list[Utterance]:
    """Fill in the durations that are unknown (negative) from the files' headers.

    A file whose header cannot be read gets 0.0 seconds; one warning names the first.
    """
    known = list(utterances)
    unknown = [i for i, u in enumerate(known) if u.seconds < 0]
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        measured = list(pool.map(_seconds_of, (known[i].source for i in unknown)))
    failures = [reason for reason in measured if isinstance(reason, AudioError)]
    if failures:
        _log.warning(
            "%d of %d audio files cannot be read; the first: %s",
            *(len(failures), len(known), failures[0]),
        )
    for i, seconds in zip(unknown, measured, strict=True):
        value = 0.0 if isinstance(seconds, AudioError) else seconds
        known[i] = dataclasses.replace(known[i], seconds=value)
    return known


def is_features(utterance: Utterance) -> bool:
    """Whether the source is precomputed features and not an audio file."""
    return ".npz#" in utterance.source


def _seconds_of(source: str) -> float | AudioError:
    try:
        return probe_audio(source).seconds
    except AudioError as error:
        return error


def _unique_names(utterances: Iterable[Utterance]) -> Iterator[Utterance]:
    seen: set[str] = set()
    counts: Counter[str] = Counter()
    for utterance in utterances:
        name = utterance.name
        while name in seen:
            counts[utterance.name] += 1
            name = f"{utterance.name}#{counts[utterance.name] + 1}"
        seen.add(name)
        yield dataclasses.replace(utterance, name=name)


def _read_file(path: Path, roots: AudioRoots) -> list[Utterance]:
    text = read_utf8(path)
    if text.lstrip()[:1] in ("{", "["):
        return _from_rows(json_rows(path, text, JSON_KEYS), roots)
    header = text.lstrip().partition("\n")[0]
    is_listing = path.name == LISTING and "|" in header
    if is_listing and not is_manifest(column_names(header)):
        return _from_tree(listing_rows(path), roots)
    columns, rows = table_rows(path, text)
    if _audio_column(columns):
        return _from_rows(rows, roots)
    if set(FEATURE_COLUMNS) <= set(columns):
        return list(_feature_utterances(path, rows, roots))
    raise UserError(
        f"{path}:1: the columns are {','.join(columns)}; accepted: {ACCEPTED}"
    )


def _audio_column(columns: Iterable[str]) -> str | None:
    known = set(columns)
    pairs = AUDIO_COLUMNS.items()
    return next((audio for audio, text in pairs if {audio, text} <= known), None)


def _from_rows(rows: Iterable[Row], roots: AudioRoots) -> list[Utterance]:
    found = [_utterance(row, roots) for row in rows]
    roots.refuse_outside()
    return found


def _from_tree(rows: Iterable[Row], roots: AudioRoots) -> list[Utterance]:
    """As `_from_rows`; the rows have names that are not those of their files."""
    named = list(rows)
    found = zip(_from_rows(named, roots), named, strict=True)
    return [dataclasses.replace(u, name=row.text("name")) for u, row in found]


def _utterance(row: Row, roots: AudioRoots) -> Utterance:
    if _stated(row, "offset"):
        raise row.fail("'offset' is not read: cut the file into pieces")
    audio = _audio_column(row.values)
    assert audio is not None
    folder = _CLIPS if audio == "path" else ""
    source = roots.locate(row.text(audio), row, folder)
    seconds = _stated(row, *_DURATIONS)
    speaker = next((key for key in _SPEAKERS if key in row.values), _SPEAKERS[0])
    return Utterance(
        name=roots.name(source),
        source=str(source),
        seconds=_UNKNOWN_SECONDS if seconds is None else seconds,
        transcript=row.text(AUDIO_COLUMNS[audio]),
        speaker=row.text(speaker, ""),
        further=_further(row),
    )


def _further(row: Row) -> Mapping[str, Any]:
    """The texts and numbers of columns of another format; one mapping where none is."""
    written = WRITTEN_COLUMNS if WRITTEN_COLUMNS[0] in row.values else ()
    values = ((k, v) for k, v in row.values.items() if k not in written)
    return {k: v for k, v in values if isinstance(v, str | int | float)} or _NOTHING


def _stated(row: Row, *keys: str) -> float | None:
    """The number under the first of the keys that a row has; None if it is open."""
    key = next((key for key in keys if key in row.values), "")
    return None if row.values.get(key) in (None, "") else row.number(key)


def _feature_utterances(
    path: Path, rows: Iterable[Row], roots: AudioRoots
) -> Iterator[Utterance]:
    archives = sorted(path.parent.resolve().glob("*.npz"))
    if len(archives) != 1:
        found = ", ".join(archive.name for archive in archives) or "none"
        raise UserError(
            f"{path}: features need exactly one .npz file beside the CSV, found {found}"
        )
    archive = roots.locate(archives[0].name, Row(str(path), {}))
    roots.refuse_outside()
    keys = feature_keys(archive)
    for row in rows:
        key = row.text("utt")
        if key not in keys:
            raise row.fail(f"no array {key!r} in {archive}")
        seconds, text = row.number("frames") / FEATURE_RATE, row.text("transcript")
        yield Utterance(key, f"{archive}#{key}", seconds, text, further=_further(row))


def _written_row(utterance: Utterance, directory: Path) -> list[str]:
    if is_features(utterance):
        raise UserError(f"{utterance.name}: features cannot be listed in a manifest")
    source = Path(utterance.source)
    try:
        size = source.stat().st_size
    except OSError as error:
        raise UserError(f"{source}: cannot be read: {error.strerror}") from error
    below = source.is_relative_to(directory)
    name = source.relative_to(directory).as_posix() if below else str(source)
    seconds = repr(utterance.seconds)
    return [name, str(size), utterance.transcript, seconds, utterance.speaker]
