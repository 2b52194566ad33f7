"""Lists of utterances, read from the formats that speech toolkits exchange."""

import csv
import dataclasses
import functools
import io
import json
import logging
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from s2s_zoo.data.audio import AudioError, probe_audio
from s2s_zoo.data.precomputed import FEATURE_RATE, feature_keys
from s2s_zoo.errors import UserError

AUDIO_COLUMNS = ("wav_filename", "transcript")
FEATURE_COLUMNS = ("utt", "frames", "transcript")
JSON_KEYS = ("audio_filepath", "text")
WRITTEN_COLUMNS = ("wav_filename", "wav_filesize", "transcript", "seconds", "speaker")

ACCEPTED = (
    "a CSV with the columns wav_filename,transcript "
    "(optional: wav_filesize,seconds,duration,speaker) or utt,frames,transcript; "
    "JSON lines with audio_filepath,text (optional: duration,speaker); "
    "a LibriSpeech split (*/*/*.trans.txt); an LJSpeech directory (metadata.csv)"
)
_UNKNOWN_SECONDS = -1.0
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://")
_LJ_FOLDERS = ("wavs", "flac", ".")

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
    """

    name: str
    source: str
    seconds: float
    transcript: str
    speaker: str = ""


@dataclass(frozen=True)
class _Row:
    """A line of a manifest: where it stands and what it says."""

    where: str
    values: dict[str, Any]

    def fail(self, message: str) -> UserError:
        return UserError(f"{self.where}: {message}")

    def text(self, key: str, default: str | None = None) -> str:
        value = self.values.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise self.fail(f"{key!r} must be text, received {value!r}")
        if not value.isprintable() and re.search("[\0\ud800-\udfff]", value):
            raise self.fail(f"{key!r} holds NUL or a lone surrogate: {value!r}")
        return value

    def seconds(self) -> float:
        """The `seconds` or `duration` of the row; negative where it has none."""
        key = "seconds" if "seconds" in self.values else "duration"
        value = self.values.get(key)
        if value is None or value == "":
            return _UNKNOWN_SECONDS
        return self.number(key)

    def number(self, key: str) -> float:
        value: Any = self.values.get(key)
        is_number = isinstance(value, str | int | float) and not isinstance(value, bool)
        try:
            number = float(value if is_number else "nan")
        except (ValueError, OverflowError):
            number = math.nan
        if not (math.isfinite(number) and number >= 0):
            raise self.fail(f"{key!r} must be a number >= 0, received {value!r}")
        return number


class _Root:
    """The directory that the files of a manifest must lie in."""

    def __init__(self, directory: Path, allow_outside: bool) -> None:
        self.directory = directory.resolve()
        self.allow_outside = allow_outside
        self._parent = functools.cache(Path.resolve)

    def locate(self, value: str, row: _Row) -> Path:
        """The absolute path, links resolved, of a file named in a row."""
        if not value:
            raise row.fail("the name of the audio file is empty")
        if _URL.match(value):
            raise row.fail(f"a URL is not read, download it first: {value!r}")
        try:
            resolved = self._resolve(self.directory / value)
        except (OSError, RuntimeError) as error:
            raise row.fail(f"{value!r} cannot be located: {error}") from error
        if not self.allow_outside and not resolved.is_relative_to(self.directory):
            raise row.fail(
                f"{value!r} lies outside {self.directory}; files of a manifest must "
                "lie below it unless files outside are allowed"
            )
        return resolved

    def _resolve(self, path: Path) -> Path:
        """`Path.resolve`, which each directory pays for once."""
        resolved = self._parent(path.parent) / path.name
        if path.name == ".." or resolved.is_symlink():
            return resolved.resolve()
        return resolved

    def name(self, path: Path) -> str:
        """What messages call a located file."""
        if path.is_relative_to(self.directory):
            return path.relative_to(self.directory).as_posix()
        return str(path)


def read_manifest(
    path: str | os.PathLike[str], *, allow_outside: bool = False
) -> list[Utterance]:
    """Read a manifest in any of the formats it may come in.

    A CSV with `wav_filename` and `transcript` (OpenSeq2Seq, DeepSpeech); JSON lines
    with `audio_filepath` and `text` (NeMo); a LibriSpeech split directory; an
    LJSpeech directory; a CSV with `utt,frames,transcript` beside exactly one .npz
    file, whose arrays `utt` are features of 100 frames per second.

    Durations come from the manifest, else from the headers of the files. A file
    whose header cannot be read keeps 0.0 seconds and is named in a warning. A name
    that occurs again gets "#2", "#3", ... appended.

    Args:
        path: the file or directory.
        allow_outside: take files outside the manifest's directory tree.

    Raises:
        UserError: names the file and line, and what is accepted.
    """
    place = Path(path).absolute()
    if place.is_dir():
        rows = _read_directory(place)
    elif place.is_file():
        rows = _read_file(place, allow_outside)
    else:
        raise UserError(f"{place}: no such file or directory; accepted: {ACCEPTED}")
    utterances = measure(_unique_names(rows))
    if not utterances:
        raise UserError(f"{place}: holds no utterances; accepted: {ACCEPTED}")
    return utterances


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
    root = _Root(target.parent, allow_outside=True)
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(WRITTEN_COLUMNS)
    for utterance in utterances:
        writer.writerow(_written_row(utterance, root))
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


def is_tree(path: Path) -> bool:
    """Whether a directory is a LibriSpeech split or LJSpeech, as they unpack."""
    return _is_librispeech(path) or (path / "metadata.csv").is_file()


def _is_librispeech(directory: Path) -> bool:
    return next(directory.glob("*/*/*.trans.txt"), None) is not None


def _read_directory(directory: Path) -> list[Utterance]:
    if _is_librispeech(directory):
        return list(_read_librispeech(directory))
    if (directory / "metadata.csv").is_file():
        return list(_read_ljspeech(directory / "metadata.csv"))
    raise UserError(f"{directory}: not a known layout; accepted: {ACCEPTED}")


def _read_file(path: Path, allow_outside: bool) -> list[Utterance]:
    text = read_utf8(path)
    root = _Root(path.parent, allow_outside)
    if text.lstrip().startswith("{"):
        return [_json_utterance(row, root) for row in _json_rows(path, text)]
    columns, rows = _csv_rows(path, text)
    if set(AUDIO_COLUMNS) <= set(columns):
        return [_csv_utterance(row, root) for row in rows]
    if set(FEATURE_COLUMNS) <= set(columns):
        return list(_feature_utterances(path, rows))
    if path.name == "metadata.csv" and "|" in text.partition("\n")[0]:
        return list(_read_ljspeech(path))
    raise UserError(
        f"{path}:1: the columns are {','.join(columns)}; accepted: {ACCEPTED}"
    )


def read_utf8(path: Path) -> str:
    """The text of a UTF-8 file without byte-order mark."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}") from error
    if (nul := data.find(b"\0")) >= 0:
        raise UserError(f"{path}:{_line_of(data, nul)}: NUL byte; want UTF-8 text")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = _line_of(data, error.start)
        raise UserError(f"{path}:{line}: not UTF-8: {error.reason}") from error


def _line_of(data: bytes, offset: int) -> int:
    return data.count(b"\n", 0, offset) + 1


def _lines(path: Path, text: str) -> Iterator[tuple[str, str]]:
    """The lines that are not blank, each with its "file:line"."""
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            yield f"{path}:{number}", line.rstrip("\r")


def _csv_rows(path: Path, text: str) -> tuple[list[str], Iterator[_Row]]:
    lines = _csv_lines(path, text)
    _, header = next(lines, ("", []))
    columns = [column.strip() for column in header]
    if len(set(columns)) != len(columns):
        raise UserError(f"{path}:1: a column occurs twice: {','.join(columns)}")
    return columns, _keyed_rows(columns, lines)


def _keyed_rows(
    columns: Sequence[str], lines: Iterable[tuple[str, list[str]]]
) -> Iterator[_Row]:
    for where, values in lines:
        if len(values) != len(columns):
            raise UserError(
                f"{where}: {len(values)} values for the {len(columns)} columns "
                f"{','.join(columns)}; a text with commas needs quotes"
            )
        yield _Row(where, dict(zip(columns, values, strict=True)))


def _csv_lines(path: Path, text: str) -> Iterator[tuple[str, list[str]]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    while True:
        where = f"{path}:{reader.line_num + 1}"
        try:
            values = next(reader, None)
        except csv.Error as error:
            raise UserError(f"{where}: not CSV: {error}") from error
        if values is None:
            return
        if values:
            yield where, values


def _json_rows(path: Path, text: str) -> Iterator[_Row]:
    for where, line in _lines(path, text):
        try:
            values = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(f"{where}: not JSON: {error}") from error
        if not isinstance(values, dict) or not set(JSON_KEYS) <= set(values):
            raise UserError(f"{where}: want an object with {','.join(JSON_KEYS)}")
        if values.get("offset"):
            raise UserError(f"{where}: 'offset' is not read: cut the file into pieces")
        yield _Row(where, values)


def _csv_utterance(row: _Row, root: _Root) -> Utterance:
    source = root.locate(row.text("wav_filename"), row)
    return Utterance(
        name=root.name(source),
        source=str(source),
        seconds=row.seconds(),
        transcript=row.text("transcript"),
        speaker=row.text("speaker", ""),
    )


def _json_utterance(row: _Row, root: _Root) -> Utterance:
    source = root.locate(row.text("audio_filepath"), row)
    return Utterance(
        name=root.name(source),
        source=str(source),
        seconds=row.seconds(),
        transcript=row.text("text"),
        speaker=row.text("speaker", ""),
    )


def _feature_utterances(path: Path, rows: Iterable[_Row]) -> Iterator[Utterance]:
    archives = sorted(path.parent.resolve().glob("*.npz"))
    if len(archives) != 1:
        found = ", ".join(archive.name for archive in archives) or "none"
        raise UserError(
            f"{path}: features need exactly one .npz file beside the CSV, found {found}"
        )
    root = _Root(path.parent, allow_outside=False)
    archive = root.locate(archives[0].name, _Row(str(path), {}))
    keys = feature_keys(archive)
    for row in rows:
        key = row.text("utt")
        if key not in keys:
            raise row.fail(f"no array {key!r} in {archive}")
        seconds = row.number("frames") / FEATURE_RATE
        yield Utterance(key, f"{archive}#{key}", seconds, row.text("transcript"))


def _read_librispeech(directory: Path) -> Iterator[Utterance]:
    root = _Root(directory, allow_outside=False)
    for listing in sorted(directory.glob("*/*/*.trans.txt")):
        for where, line in _lines(listing, read_utf8(listing)):
            name, _, transcript = line.strip().partition(" ")
            source = root.locate(_first_file(listing.parent, name), _Row(where, {}))
            yield Utterance(
                name=name,
                source=str(source),
                seconds=_UNKNOWN_SECONDS,
                transcript=transcript.strip().lower(),
                speaker=name.partition("-")[0],
            )


def _read_ljspeech(listing: Path) -> Iterator[Utterance]:
    directory = listing.parent
    root = _Root(directory, allow_outside=False)
    for where, line in _lines(listing, read_utf8(listing)):
        values = line.split("|")
        if len(values) not in (2, 3) or not values[0].strip():
            raise UserError(f"{where}: want id|raw|normalised, received {line[:80]!r}")
        name = values[0].strip()
        places = [directory / folder for folder in _LJ_FOLDERS]
        place = next((p for p in places if _has_audio(p, name)), places[0])
        source = root.locate(_first_file(place, name), _Row(where, {}))
        yield Utterance(name, str(source), _UNKNOWN_SECONDS, values[-1].strip())


def _has_audio(directory: Path, name: str) -> bool:
    return any((directory / f"{name}{end}").is_file() for end in (".flac", ".wav"))


def _first_file(directory: Path, name: str) -> str:
    """The FLAC file of this name where there is one, else the WAV."""
    flac = directory / f"{name}.flac"
    return str(flac if flac.is_file() else directory / f"{name}.wav")


def _written_row(utterance: Utterance, root: _Root) -> list[str]:
    if is_features(utterance):
        raise UserError(f"{utterance.name}: features cannot be listed in a manifest")
    source = Path(utterance.source)
    try:
        size = source.stat().st_size
    except OSError as error:
        raise UserError(f"{source}: cannot be read: {error.strerror}") from error
    seconds = repr(utterance.seconds)
    name = root.name(source)
    return [name, str(size), utterance.transcript, seconds, utterance.speaker]
