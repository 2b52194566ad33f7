"""Digits drawn on this machine, so that a first training needs no network."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.cache import cache_directory
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.labelled import Labelled, read_arrays
from s2s_zoo.errors import UserError, writing

if TYPE_CHECKING:
    from PIL.Image import Image

VERSION = 1
COUNTS = {"train": 4000, "validation": 500, "test": 1000}
FILE = "digits.npz"
SIDE, LARGE = 28, 112
TURN = 25.0
"""Degrees a digit is turned at most."""
CONTRAST = 45.0
"""Of ink and paper at least."""


@dataclass(frozen=True, kw_only=True)
class DemoDigits(Corpus):
    """Digits of Pillow's own font: turned, slanted, scaled, shifted, thick or thin.

    Ink and paper are any two greys that differ enough, the ink as often the lighter;
    two lines cross every image, and noise lies on it. So neither the brightness nor how
    much of it is dark says which digit it is, nor does a pixel: the nearest mean image
    is wrong most of the time.
    """

    name: str = "demo_digits"
    summary: str = "Digits drawn on this machine: 5,500 grey images of 28 x 28"
    licence: str = "unrestricted"
    languages: tuple[str, ...] = ("zxx",)
    splits: tuple[str, ...] = tuple(COUNTS)
    kind: str = "labelled_images"
    made_locally: bool = True

    def found_in(self, directory: Path) -> bool:
        mark = directory / "VERSION"
        return mark.is_file() and mark.read_bytes() == _MARK

    def home(self) -> Path:
        return cache_directory() / f"{self.name}-{VERSION}"

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        """Draw it unless it is there already.

        It is made in a temporary folder that is renamed when complete: of several
        processes one wins.
        """
        place = directory or self.home()
        if self.found_in(place):
            return place
        if place.exists() and (not place.is_dir() or any(place.iterdir())):
            raise UserError(
                f"{place} exists and is not version {VERSION} of {self.name}: name a "
                "new or an empty directory"
            )
        with writing(place):
            place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(
                dir=place.parent, prefix=f".{place.name}-"
            ) as temporary:
                self._put(Path(temporary) / "corpus", place)
        return place

    def _put(self, made: Path, place: Path) -> None:
        made.mkdir()
        np.savez_compressed(made / FILE, allow_pickle=False, **draw())
        (made / "VERSION").write_bytes(_MARK)
        try:
            os.replace(made, place)
        except OSError:
            if not self.found_in(place):  # else another process was faster
                raise

    def read(self, split: str, directory: Path) -> list[Labelled]:
        self.check_split(split)
        if not self.found_in(directory):
            raise UserError(
                f"{directory} does not hold version {VERSION} of {self.name}: make it "
                "with `s2s-zoo data prepare`"
            )
        return read_arrays(directory / FILE)[split]


_MARK = f"demo_digits {VERSION}\n".encode()


def draw() -> dict[str, NDArray[np.uint8]]:
    """The images and labels of every split, `x_train` and so on; always the same."""
    from PIL import ImageFont

    rng = np.random.default_rng(VERSION)
    fonts = [ImageFont.load_default(size) for size in (56, 64, 72, 80)]
    arrays: dict[str, NDArray[np.uint8]] = {}
    for split, count in COUNTS.items():
        labels = rng.permutation(np.arange(count, dtype=np.uint8) % 10)
        images = [_image(int(digit), fonts, rng) for digit in labels]
        arrays |= {f"x_{split}": np.stack(images), f"y_{split}": labels}
    return arrays


def _image(digit: int, fonts: list[Any], rng: np.random.Generator) -> NDArray[np.uint8]:
    """(28, 28) of a digit."""
    from PIL import Image, ImageDraw

    drawn = Image.new("L", (LARGE, LARGE))
    pen = ImageDraw.Draw(drawn)
    font = fonts[rng.integers(len(fonts))]
    pen.text(
        (LARGE / 2, LARGE / 2),
        *(str(digit), 255, font),
        anchor="mm",
        stroke_width=int(rng.integers(0, 5)),
    )
    drawn = _bent(drawn, rng)
    pen = ImageDraw.Draw(drawn)
    for _ in range(2):
        ends = [float(value) for value in rng.uniform(0, LARGE, 4)]
        pen.line(ends, 255, int(rng.integers(2, 5)))
    share = np.asarray(drawn.resize((SIDE, SIDE), Image.Resampling.BOX)) / 255
    paper = rng.uniform(CONTRAST, 255 - CONTRAST)
    darker = rng.uniform(0, paper - CONTRAST)
    lighter = rng.uniform(paper + CONTRAST, 255)
    ink = darker if rng.random() < 0.5 else lighter
    grey = paper + (ink - paper) * share + rng.normal(0, 10, share.shape)
    return np.clip(grey.round(), 0, 255).astype(np.uint8)


def _bent(image: "Image", rng: np.random.Generator) -> "Image":
    """Turned, slanted, scaled in each direction and shifted."""
    from PIL import Image

    angle, slant = np.radians(rng.uniform(-TURN, TURN)), rng.uniform(-0.3, 0.3)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    scale = np.diag(1 / rng.uniform(0.7, 1.2, 2))
    matrix = scale @ np.array([[1, slant], [0, 1]]) @ turn
    middle = np.full(2, LARGE / 2)
    shift = middle - matrix @ (middle + rng.uniform(-14, 14, 2))
    data = [float(v) for v in (*matrix[0], shift[0], *matrix[1], shift[1])]
    return image.transform(
        image.size, Image.Transform.AFFINE, data, Image.Resampling.BILINEAR
    )


CORPORA.register("demo_digits", DemoDigits(), __file__)
