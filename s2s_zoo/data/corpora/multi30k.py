"""Multi30k: captions of photographs in four languages (Elliott et al., 2016)."""

from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import PairCorpus
from s2s_zoo.data.download import download, file_sha256
from s2s_zoo.data.pair_formats import read_aligned
from s2s_zoo.data.pairs import PairSequence
from s2s_zoo.errors import UserError

COMMIT = "a3d2e0d26b56f3846f66a952536ffed4e401d05a"
URLS = (
    f"https://raw.githubusercontent.com/multi30k/dataset/{COMMIT}/data/task1/raw",
    f"https://cdn.jsdelivr.net/gh/multi30k/dataset@{COMMIT}/data/task1/raw",
)
FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}

SHA256 = {
    "train.en.gz": "d79cfa999dd4c51d2cb42499b6796d5a882c3a8a961923c25a898c90f8bbd56f",
    "train.de.gz": "726e39b2fa9eb9ffb6dc763fb35a179f80fae06ffc5d28b6ace5faa883de28a6",
    "train.fr.gz": "622e75069e9f4c577425c4f277116ce66e63a2401c0a2312d90073cb12379a3c",
    "train.cs.gz": "a65adb8b32e3bc664f21ecba7a6e7f6950fd1f405e135f7c312faabdb6255077",
    "val.en.gz": "14f7d25ddd868909a9213e361768460edcacdd6ab9d1e77b92560dc10c10dc28",
    "val.de.gz": "f0cba2f995189cf5770f29a8a9a537a3ad3f51657ad873405082ff6863a5e75a",
    "val.fr.gz": "ca3106f1a72390591d25f6c45cb4cd39dec4cd3f123e099748a3ce5256c160e9",
    "val.cs.gz": "b63226e05c4bd5dd6a42897d74b86a1b9d2c31498252c572b1ea7f7996927fcc",
    "test_2016_flickr.en.gz": (
        "611d361c6334bc7246101d48097c13cf5c4413c5befc793cc629934359d532d9"
    ),
    "test_2016_flickr.de.gz": (
        "9204244e408ccb38d2a55cfcd344df15005fc42a07a6e55ca6c52b6ababb8cc8"
    ),
    "test_2016_flickr.fr.gz": (
        "6d326e188d259fb1d04ac19eae3af956559b3a0b93d7635e56c90987c40c8b90"
    ),
    "test_2016_flickr.cs.gz": (
        "200a4a74cc9560f051924abb9803be008d1908d77f747e9141aeb86dfd2797f1"
    ),
}
"""Of the files of that commit."""


@dataclass(frozen=True, kw_only=True)
class Multi30k(PairCorpus):
    """Task 1 as published, raw text: any of its languages into any other."""

    name: str = "multi30k"
    summary: str = "Captions of photographs: 29,000 pairs to train on"
    licence: str = "CC BY-NC-SA 4.0, non-commercial research (Flickr30k terms)"
    languages: tuple[str, ...] = ("en", "de", "fr", "cs")
    splits: tuple[str, ...] = tuple(FILES)

    def found_in(self, directory: Path) -> bool:
        return (directory / "test_2016_flickr.en.gz").is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        for name, expected in SHA256.items():
            path = place / name
            if not path.exists():
                urls = [f"{url}/{name}" for url in URLS]
                download(urls, path, expected, progress=progress)
            elif (received := file_sha256(path)) != expected:
                raise UserError(
                    f"{path}: not that of commit {COMMIT[:7]}: expected the SHA-256 "
                    f"{expected}, received {received}"
                )
        return place

    def read_pairs(
        self, split: str, directory: Path, source: str, target: str
    ) -> PairSequence:
        self.check_split(split)
        self.check_languages(source, target)
        sides = (directory / f"{FILES[split]}.{tag}.gz" for tag in (source, target))
        return read_aligned(*sides)


CORPORA.register("multi30k", Multi30k(), __file__)
