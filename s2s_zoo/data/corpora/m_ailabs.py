"""M-AILABS: audio books in nine languages, read by few voices (Solak, 2019)."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.held_out import SPLITS, of_split
from s2s_zoo.data.download import download
from s2s_zoo.data.manifests import Utterance, read_manifest
from s2s_zoo.data.speech_trees import LISTING
from s2s_zoo.errors import UserError

URL = "https://ics.tau-ceti.space/data/Training/stt_tts"
"""As given in the README of github.com/i-celeste-aurora/m-ailabs-dataset, which has
no checksums; what is fetched is logged with its SHA-256."""

TAGS = {
    "en_US": "en-US",
    "en_UK": "en-GB",
    "de_DE": "de-DE",
    "fr_FR": "fr-FR",
    "es_ES": "es",
    "it_IT": "it-IT",
    "pl_PL": "pl-PL",
    "ru_RU": "ru-RU",
    "uk_UK": "uk-UA",
}
"""Languages by the names of the archives."""

_MAX_BYTES = 64 << 30


@dataclass(frozen=True, kw_only=True)
class MAilabs(Corpus):
    """The books of a language, or those of one voice; numbers are words.

    It has no splits of its own: 0.8 and 3.8 % of the utterances, chosen by the SHA-256
    of their names, are validation and test. Every recording begins and ends with half
    a second of silence, which `task.trim_db` cuts.

    Attributes:
        tag: which language, one of `TAGS`.
        voice: folder of a voice, such as "mary_ann"; empty for all.
    """

    name: str = "m_ailabs"
    summary: str = (
        "audio books, 16 kHz: 102 h in US English; m_ailabs:de_DE for another "
        "language, m_ailabs:en_US/mary_ann for one voice"
    )
    licence: str = "M-AILABS (BSD-like; any use)"
    languages: tuple[str, ...] = ("en-US",)
    splits: tuple[str, ...] = SPLITS
    prefix: str = "tts"
    tag: str = "en_US"
    voice: str = ""

    @property
    def called(self) -> str:
        return ":".join((self.name, self.tag + (self.voice and f"/{self.voice}")))

    def of_size(self, size: str) -> Self:
        """The corpus of a language, TAG, or of one of its voices, TAG/VOICE."""
        tag, slash, voice = size.partition("/")
        if tag not in TAGS or bool(slash) != bool(voice) or "/" in voice:
            raise UserError(
                f"{self.name}:TAG or {self.name}:TAG/VOICE has a TAG of "
                f"{', '.join(TAGS)}. Received: {size!r}"
            )
        return replace(self, tag=tag, voice=voice, languages=(TAGS[tag],))

    def found_in(self, directory: Path) -> bool:
        return self._books(directory) is not None

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            archive = place / f"{self.tag}.tgz"
            download(f"{URL}/{self.tag}.tgz", archive, None, progress=progress)
            extract(archive, place, _MAX_BYTES)
            archive.unlink()
        self._listings(place)
        return place

    def read(self, split: str, directory: Path) -> list[Utterance]:
        self.check_split(split)
        every = [
            replace(utterance, speaker=voice)
            for voice, listing in self._listings(directory)
            for utterance in read_manifest(listing.parent)
        ]
        return of_split(every, split)

    def _listings(self, directory: Path) -> list[tuple[str, Path]]:
        """The voice and the listing of each book that is read; one may be empty."""
        books = self._books(directory)
        if books is None:
            raise UserError(f"{directory}: no {self.tag}/by_book is here")
        paths = [path for path in sorted(books.rglob(LISTING)) if path.stat().st_size]
        every = [(_voice(path.relative_to(books)), path) for path in paths]
        found = [pair for pair in every if self.voice in ("", pair[0])]
        if not found:
            known = ", ".join(sorted({voice for voice, _ in every})) or "none"
            raise UserError(
                f"{books}: the voices are {known}. Received: {self.voice or 'any'!r}"
            )
        return found

    def _books(self, directory: Path) -> Path | None:
        """The folder of books: below the one of the language, or in that itself."""
        places = [directory / self.tag / "by_book"]
        if directory.resolve().name == self.tag:
            places.append(directory / "by_book")
        return next((place for place in places if place.is_dir()), None)


def _voice(listing: Path) -> str:
    """Of GENDER/VOICE/BOOK/metadata.csv the voice, of mix/BOOK/metadata.csv "mix"."""
    parts = listing.parts
    return parts[1] if len(parts) > 3 else parts[0]


CORPORA.register("m_ailabs", MAilabs(), __file__)
