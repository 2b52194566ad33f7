"""LibriSpeech: read English audio books at 16 kHz (Panayotov et al., 2015)."""

from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.archive import extract
from s2s_zoo.data.cache import cache_directory
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.download import download
from s2s_zoo.data.manifests import Utterance, read_manifest, write_manifest
from s2s_zoo.errors import UserError

URL = "https://www.openslr.org/resources/12"
SHA256 = {
    "dev-clean": "76f87d090650617fca0cac8f88b9416e0ebf80350acb97b343a85fa903728ab3",
    "dev-other": "12661c48e8c3fe1de2c1caa4c3e135193bfb1811584f11f569dd12645aa84365",
    "test-clean": "39fde525e59672dc6d1551919b1478f724438a95aa55f874b576be21967e6c23",
    "test-other": "d09c181bba5cf717b3dee7d4d592af11a3ee3a09e08ae025c5506f6ebe961c29",
    "train-clean-100": (
        "d4ddd1d5a6ab303066f14971d768ee43278a5f2a0aa43dc716b0e64ecbbbf6e2"
    ),
    "train-clean-360": (
        "146a56496217e96c14334a160df97fffedd6e0a04e66b9c5af0d40be3c792ecf"
    ),
    "train-other-500": (
        "ddb22f27f96ec163645d53215559df6aa36515f26e01dd70798188350adcb6d2"
    ),
}
"""Archives of openslr.org/12, as published in torchaudio's datasets/librispeech.py."""

COUNTS = {
    "dev-clean": 2703,
    "dev-other": 2864,
    "test-clean": 2620,
    "test-other": 2939,
    "train-clean-100": 28539,
    "train-clean-360": 104014,
    "train-other-500": 148688,
}
"""Utterances of each subset."""

_MAX_BYTES = 64 << 30
_TREE = "LibriSpeech"


@dataclass(frozen=True, kw_only=True)
class LibriSpeech(Corpus):
    """LibriSpeech, trained on `train_split`; "A+B" reads two subsets as one.

    Read are the tree as it unpacks, and CSV manifests named after the subsets beside
    it, which spare opening every file for its duration.
    """

    name: str = "librispeech"
    summary: str = "Audio books, 100 h of training speech, 16 kHz"
    licence: str = "CC BY 4.0"
    languages: tuple[str, ...] = ("en-US",)
    splits: tuple[str, ...] = tuple(SHA256)
    train_split: str = "train-clean-100"
    validation_split: str = "dev-clean"
    test_split: str = "test-clean"

    def home(self) -> Path:
        return cache_directory() / "librispeech"

    def found_in(self, directory: Path) -> bool:
        return any(_tree(subset, directory) for subset in SHA256)

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        wanted = f"{self.train_split}+{self.validation_split}+{self.test_split}"
        for subset in wanted.split("+"):
            _prepare_subset(subset, place, progress)
        return place

    def read(self, split: str, directory: Path) -> list[Utterance]:
        subsets = split.split("+")
        for subset in subsets:
            self.check_split(subset)
        return [u for subset in subsets for u in _read_subset(subset, directory)]

    def roles(self, directory: Path) -> dict[str, str]:
        """The subsets that are there; the "other" ones stand in for "clean" ones."""
        wanted = {
            "train": (*self.train_split.split("+"),),
            "validation": (self.validation_split, "dev-other"),
            "test": (self.test_split, "test-other"),
        }
        there = {
            role: [subset for subset in subsets if _tree(subset, directory)]
            for role, subsets in wanted.items()
        }
        return {
            role: "+".join(subsets if role == "train" else subsets[:1])
            for role, subsets in there.items()
            if subsets
        }


def _prepare_subset(subset: str, place: Path, progress: bool) -> None:
    if _tree(subset, place) is None:
        archive = place / f"{subset}.tar.gz"
        download(f"{URL}/{subset}.tar.gz", archive, SHA256[subset], progress=progress)
        extract(archive, place, _MAX_BYTES)
        archive.unlink()
    manifest = place / f"{subset}.csv"
    utterances = _read_subset(subset, place)
    if len(utterances) != COUNTS[subset]:
        raise UserError(
            f"{place}: {subset} has {len(utterances)} utterances; LibriSpeech has "
            f"{COUNTS[subset]}"
        )
    if not manifest.exists():
        write_manifest(manifest, utterances)


def _read_subset(subset: str, directory: Path) -> list[Utterance]:
    manifest = directory / f"{subset}.csv"
    if manifest.is_file():
        return read_manifest(manifest)
    tree = _tree(subset, directory)
    if tree is None:
        raise UserError(f"{directory}: {subset} is not here")
    return read_manifest(tree)


def _tree(subset: str, directory: Path) -> Path | None:
    """The folder of a subset, below LibriSpeech/ or right here."""
    places = (directory / _TREE / subset, directory / subset)
    return next((place for place in places if place.is_dir()), None)


CORPORA.register("librispeech", LibriSpeech(), __file__)
CORPORA.register(
    "librispeech_960",
    LibriSpeech(
        name="librispeech_960",
        summary="Audio books, 960 h of training speech, 16 kHz",
        train_split="train-clean-100+train-clean-360+train-other-500",
    ),
    __file__,
)
