"""CIFAR-10: small photographs of ten things (Krizhevsky, 2009)."""

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from s2s_zoo.data.archive import extract
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.download import download
from s2s_zoo.data.idx import read_content
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError

URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
FOLDER = "cifar-10-batches-bin"
LABELS = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)
FILES = {
    "train": tuple(f"data_batch_{i}.bin" for i in range(1, 5)),
    "validation": ("data_batch_5.bin",),
    "test": ("test_batch.bin",),
}
SIDE, CHANNELS, ROWS = 32, 3, 10_000
_MAX_BYTES = 200 << 20


@dataclass(frozen=True, kw_only=True)
class Cifar10(Corpus):
    """The binary version: 10,000 rows a file; the fifth of train is validation."""

    name: str = "cifar10"
    summary: str = "Photographs: 50,000 of 32 x 32 in colours to train on, 10 classes"
    licence: str = "none stated (tiny images from the web)"
    languages: tuple[str, ...] = ("zxx",)
    splits: tuple[str, ...] = tuple(FILES)
    kind: str = "labelled_images"

    def found_in(self, directory: Path) -> bool:
        return (directory / "test_batch.bin").is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        if not self.found_in(place):
            archive = download(URL, place / URL.rpartition("/")[2], None)
            with tempfile.TemporaryDirectory(prefix=".unpacked-", dir=place) as name:
                extract(archive, Path(name), _MAX_BYTES)
                for file in (file for files in FILES.values() for file in files):
                    (Path(name) / FOLDER / file).replace(place / file)
            archive.unlink()
        for split in FILES:
            self.read(split, place)
        return place

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        return [
            example
            for name in FILES[split]
            for example in _read_batch(directory / name)
        ]


def _read_batch(path: Path) -> list[Labelled]:
    """Rows of a label and the pixels, channel by channel."""
    size = 1 + CHANNELS * SIDE**2
    content = read_content(path)
    if len(content) != ROWS * size:
        raise UserError(f"{path}: want {ROWS * size} bytes. It has {len(content)}")
    rows = np.frombuffer(content, np.uint8).reshape(ROWS, size)
    if rows[:, 0].max() >= len(LABELS):
        raise UserError(f"{path}: want labels below {len(LABELS)}")
    images = rows[:, 1:].reshape(ROWS, CHANNELS, SIDE, SIDE).transpose(0, 2, 3, 1)
    return [
        Labelled(f"{path.name}:{i}", image, LABELS[label])
        for i, (image, label) in enumerate(zip(images, rows[:, 0], strict=True))
    ]


CORPORA.register("cifar10", Cifar10(), __file__)
