"""Free Spoken Digit Dataset: English digits at 8 kHz."""

import re
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.download import download, tree_sha256
from s2s_zoo.data.manifests import Utterance, measure
from s2s_zoo.errors import UserError

COMMIT = "26eb9aaf76e81b692f806f9140c2d2777410d7a1"
URL = f"https://github.com/Jakobovski/free-spoken-digit-dataset/archive/{COMMIT}.tar.gz"
RECORDINGS = "recordings/*.wav"
RECORDINGS_SHA256 = "782ba3104cab450397c83dd3b51381d056bfbf7b5f479bdcdb60438902ef191f"
"""`sha256sum recordings/*.wav | sort | sha256sum` of that commit."""

WORDS = (
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
)
_FILE = re.compile(r"([0-9])_([a-z]+)_([0-9]+)\.wav")
_TEST_INDICES = range(5)
_VALIDATION_INDICES = range(5, 10)
_MAX_BYTES = 200 << 20


@dataclass(frozen=True, kw_only=True)
class Fsdd(Corpus):
    """Ten digits, six speakers, fifty recordings each.

    The official split: recordings 0 to 4 of each speaker and digit are the test.
    Recordings 5 to 9 of the rest are held out for validation.
    """

    name: str = "fsdd"
    summary: str = "Spoken digits: 6 speakers, 3,000 recordings, 0.36 h, 8 kHz"
    licence: str = "CC BY-SA 4.0"
    languages: tuple[str, ...] = ("en",)
    splits: tuple[str, ...] = ("train", "validation", "test")

    def found_in(self, directory: Path) -> bool:
        return (directory / "recordings" / "0_jackson_0.wav").is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            self._fetch(place, progress)
        _verify(place)
        return place

    def read(self, split: str, directory: Path) -> list[Utterance]:
        self.check_split(split)
        files = sorted((directory / "recordings").resolve().glob("*.wav"))
        matches = ((path, _FILE.fullmatch(path.name)) for path in files)
        utterances = [
            Utterance(f"recordings/{p.name}", str(p), -1.0, WORDS[int(m[1])], m[2])
            for p, m in matches
            if m and split_of(int(m[3])) == split
        ]
        if not utterances:
            raise UserError(f"{directory}: no recordings/DIGIT_SPEAKER_INDEX.wav here")
        return measure(utterances)

    def _fetch(self, place: Path, progress: bool) -> None:
        archive = download(URL, place / f"{COMMIT}.tar.gz", None, progress=progress)
        with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=place) as name:
            extract(archive, Path(name), _MAX_BYTES)
            tree = Path(name) / f"free-spoken-digit-dataset-{COMMIT}"
            archive.unlink()
            _verify(tree)
            shutil.move(tree / "recordings", place / "recordings")


def split_of(index: int) -> str:
    """The split that recording `index` of a speaker and digit belongs to."""
    if index in _TEST_INDICES:
        return "test"
    return "validation" if index in _VALIDATION_INDICES else "train"


def _verify(place: Path) -> None:
    received = tree_sha256(place, RECORDINGS)
    if received != RECORDINGS_SHA256:
        raise UserError(
            f"{place}: {RECORDINGS} are not those of commit {COMMIT[:7]}: expected the "
            f"SHA-256 {RECORDINGS_SHA256}, received {received}"
        )


CORPORA.register("fsdd", Fsdd(), __file__)
