"""Augmentation of images in the data pipeline."""

import math
from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.images import ImageReader, Pixels, resized
from s2s_zoo.errors import check_range
from s2s_zoo.parts import PlainPart

ATTEMPTS = 10
LUMA = np.array([0.299, 0.587, 0.114], np.float32)
MAX_PADDING = 1 << 12


@keras.saving.register_keras_serializable("s2s_zoo")
@dataclass(frozen=True)
class ImageAugmentation(PlainPart):
    """Random changes to an image, in this order.

    Attributes:
        area: shares of the image between which a part is cut out and scaled, of an
            aspect of 3/4 to 4/3 (Szegedy et al., 2015, https://arxiv.org/abs/1409.4842,
            section 6); None for its middle.
        padding: black pixels added on each side, of which a part of the right size is
            cut out (He et al., 2015, https://arxiv.org/abs/1512.03385, 4.2).
        flip: chance that left and right are exchanged.
        brightness: all is multiplied by a factor uniform in [1 - b, 1 + b].
        contrast: likewise the distance from the mean grey.
        saturation: likewise the distance from the grey of each pixel.
        mixup: α of Beta(α, α), from which the share of another image of the batch is
            drawn, and of its label (Zhang et al., 2018,
            https://arxiv.org/abs/1710.09412); 0 for none.

    Raises:
        ValueError: a number out of its range.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.data.image_augmentation import ImageAugmentation
        >>> from s2s_zoo.data.images import ImageReader
        >>> augment = ImageAugmentation(padding=1, flip=0.5, brightness=0.2)
        >>> pixels, rng = np.full((8, 8, 1), 100, "uint8"), np.random.default_rng(0)
        >>> augment(pixels, ImageReader((8, 8), channels=1), rng).shape
        (8, 8, 1)
    """

    area: tuple[float, float] | None = None
    padding: int = 0
    flip: float = 0.0
    brightness: float = 0.0
    contrast: float = 0.0
    saturation: float = 0.0
    mixup: float = 0.0

    def __post_init__(self) -> None:
        if self.area is not None and not 0 < self.area[0] <= self.area[1] <= 1:
            raise ValueError(
                "area is (least, most), shares above 0 and up to 1. Received: "
                f"{self.area}"
            )
        check_range("padding", self.padding, 0, MAX_PADDING)
        check_range("mixup", self.mixup, 0, 100)
        for name in ("flip", "brightness", "contrast", "saturation"):
            check_range(name, getattr(self, name), 0, 1)

    def __call__(
        self, pixels: Pixels, reader: ImageReader, rng: np.random.Generator
    ) -> Pixels:
        """Augment one image (H, W, C), all but mixing.

        Args:
            pixels: as `reader.read` gives them, left as they are.
            reader: of the size that is wanted.
            rng: the only source of chance.
        """
        if self.area is None:
            pixels = reader.centred(pixels)
        else:
            pixels = self._cut_out(pixels, self.area, reader.size, rng)
        if self.padding:
            pixels = self._shifted(pixels, rng)
        if self.flip and rng.random() < self.flip:
            pixels = pixels[:, ::-1]
        return self._jittered(pixels, rng)

    @staticmethod
    def _cut_out(
        pixels: Pixels,
        area: tuple[float, float],
        size: tuple[int, int],
        rng: np.random.Generator,
    ) -> Pixels:
        """A part of random area and aspect; the whole where none was found to fit."""
        height, width = pixels.shape[:2]
        for _ in range(ATTEMPTS):
            share = rng.uniform(*area) * height * width
            aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
            columns, rows = math.sqrt(share * aspect), math.sqrt(share / aspect)
            if columns <= width and rows <= height:
                left = rng.uniform(0, width - columns)
                top = rng.uniform(0, height - rows)
                return resized(pixels, (left, top, left + columns, top + rows), size)
        return resized(pixels, (0, 0, width, height), size)

    def _shifted(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        height, width, channels = pixels.shape
        side = self.padding
        wide = np.zeros((height + 2 * side, width + 2 * side, channels), np.uint8)
        wide[side : side + height, side : side + width] = pixels
        top, left = rng.integers(0, 2 * side + 1, 2)
        return wide[top : top + height, left : left + width]

    def _jittered(self, pixels: Pixels, rng: np.random.Generator) -> Pixels:
        if not (self.brightness or self.contrast or self.saturation):
            return pixels
        x = pixels.astype(np.float32)
        ranges = (self.brightness, self.contrast, self.saturation)
        brightness, contrast, saturation = (rng.uniform(1 - r, 1 + r) for r in ranges)
        x *= brightness
        grey = x @ LUMA if x.shape[2] == len(LUMA) else x[..., 0]
        mean = grey.mean()
        x = mean + contrast * (x - mean)
        if x.shape[2] == len(LUMA):
            grey = mean + contrast * (grey - mean)
            x = grey[..., None] + saturation * (x - grey[..., None])
        mixed: Pixels = np.rint(np.clip(x, 0, 255)).astype(np.uint8)
        return mixed

    def mix(
        self, images: Pixels, shares: NDArray[np.float32], rng: np.random.Generator
    ) -> tuple[Pixels, NDArray[np.float32]]:
        """Mix each image of a batch with another, and the shares of classes alike.

        Args:
            images: (N, H, W, C).
            shares: (N, K) of classes.
            rng: the only source of chance.
        """
        count = len(images)
        share = rng.beta(self.mixup, self.mixup, count).astype(np.float32)
        other = rng.permutation(count)
        here = share.reshape(-1, *(1,) * (images.ndim - 1))
        mixed = here * images + (1 - here) * images[other]
        share = share[:, None]
        return (
            np.rint(mixed).astype(np.uint8),
            share * shares + (1 - share) * shares[other],
        )
