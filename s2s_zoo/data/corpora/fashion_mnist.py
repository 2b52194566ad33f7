"""Fashion-MNIST: clothes in grey, 28 x 28 (Xiao et al., 2017, arXiv 1708.07747)."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.download import download
from s2s_zoo.data.idx import read_content, read_idx
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError

URLS = (
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com",
    "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion",
)
LABELS = (
    *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
    *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
)
FILES = {
    "train-images-idx3-ubyte.gz": (
        "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888"
    ),
    "train-labels-idx1-ubyte.gz": (
        "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9"
    ),
    "t10k-images-idx3-ubyte.gz": (
        "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b"
    ),
    "t10k-labels-idx1-ubyte.gz": (
        "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34"
    ),
}
"""The SHA-256 of what they unpack to, which packers do not change."""
VALIDATION = 5000


@dataclass(frozen=True, kw_only=True)
class FashionMnist(Corpus):
    """Ten kinds of clothes; the last 5,000 of train are held out for validation."""

    name: str = "fashion_mnist"
    summary: str = "Clothes: 60,000 grey images of 28 x 28 to train on, 10 classes"
    licence: str = "MIT"
    languages: tuple[str, ...] = ("zxx",)
    splits: tuple[str, ...] = ("train", "validation", "test")
    kind: str = "labelled_images"

    def found_in(self, directory: Path) -> bool:
        names = [(directory / name).is_file() for name in FILES]
        return all(names) and _is_clothes(directory)

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        place = directory or self.home()
        for name, expected in FILES.items():
            urls = [f"{url}/{name}" for url in URLS]
            path = download(urls, place / name, None, progress=progress)
            received = hashlib.sha256(read_content(path)).hexdigest()
            if received != expected:
                raise UserError(
                    f"{path}: not that of Fashion-MNIST: expected what unpacks to the "
                    f"SHA-256 {expected}, received {received}"
                )
        return place

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        stem = "t10k" if split == "test" else "train"
        images = read_idx(directory / f"{stem}-images-idx3-ubyte.gz")
        labels = read_idx(directory / f"{stem}-labels-idx1-ubyte.gz")
        if images.ndim != 3 or labels.shape != images.shape[:1] or labels.max() > 9:
            raise UserError(
                f"{directory}: {stem} has images {images.shape}, labels {labels.shape}"
            )
        rows = range(len(images))
        if split == "validation":
            rows = rows[-VALIDATION:]
        elif split == "train":
            rows = rows[:-VALIDATION]
        return [Labelled(f"{stem}:{i}", images[i], LABELS[labels[i]]) for i in rows]


def _is_clothes(directory: Path) -> bool:
    """Whether it is not the digits of MNIST, whose files are called the same."""
    try:
        labels = read_content(directory / "t10k-labels-idx1-ubyte.gz")
    except UserError:
        return False
    return hashlib.sha256(labels).hexdigest() == FILES["t10k-labels-idx1-ubyte.gz"]


CORPORA.register("fashion_mnist", FashionMnist(), __file__)
