"""Corpora of speech in the layouts that they unpack in: LibriSpeech and LJSpeech."""

from collections.abc import Iterator
from pathlib import Path

from s2s_zoo.data.rows import Row
from s2s_zoo.data.utf8 import numbered_lines, read_utf8
from s2s_zoo.errors import UserError

LISTING = "metadata.csv"
"""The listing of LJSpeech."""

_TRANSCRIPTS = "*/*/*.trans.txt"
_LJ_FOLDERS = ("wavs", "flac", ".")


def is_tree(path: Path) -> bool:
    """Whether a directory is a LibriSpeech split or LJSpeech."""
    has_transcripts = next(path.glob(_TRANSCRIPTS), None) is not None
    return has_transcripts or (path / LISTING).is_file()


def tree_rows(directory: Path) -> Iterator[Row]:
    """The `name`, `wav_filename`, `transcript` and `speaker` of each utterance.

    Raises:
        UserError: in iterating, a line that is not like it.
    """
    listings = sorted(directory.glob(_TRANSCRIPTS))
    if not listings:
        yield from listing_rows(directory / LISTING)
    for listing in listings:
        for where, line in numbered_lines(listing, read_utf8(listing)):
            name, _, transcript = line.strip().partition(" ")
            values = {
                "name": name,
                "wav_filename": _first_file(listing.parent, name),
                "transcript": transcript.strip().lower(),
                "speaker": name.partition("-")[0],
            }
            yield Row(where, values)


def listing_rows(listing: Path) -> Iterator[Row]:
    """As `tree_rows`, of the listing of LJSpeech: id|raw|normalised."""
    directory = listing.parent
    for where, line in numbered_lines(listing, read_utf8(listing)):
        values = line.split("|")
        if len(values) not in (2, 3) or not values[0].strip():
            raise UserError(f"{where}: want id|raw|normalised, received {line[:80]!r}")
        name = values[0].strip()
        places = [directory / folder for folder in _LJ_FOLDERS]
        place = next((p for p in places if _has_audio(p, name)), places[0])
        told = {"name": name, "wav_filename": _first_file(place, name)}
        yield Row(where, told | {"transcript": values[-1].strip()})


def _has_audio(directory: Path, name: str) -> bool:
    return any(_is_file(directory / f"{name}{end}") for end in (".flac", ".wav"))


def _first_file(directory: Path, name: str) -> str:
    """The FLAC file of this name where there is one, else the WAV."""
    flac = directory / f"{name}.flac"
    return str(flac if _is_file(flac) else directory / f"{name}.wav")


def _is_file(path: Path) -> bool:
    """Whether there is such a file; no file has a name that is too long."""
    try:
        return path.is_file()
    except OSError:
        return False
