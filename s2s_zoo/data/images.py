"""Images as bytes: decoded by Pillow, turned upright, of one size."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError

if TYPE_CHECKING:
    from PIL.Image import Image

FORMATS = ("PNG", "JPEG", "BMP", "GIF", "PPM", "TIFF", "WEBP")
ENDINGS = (
    *(".png", ".jpg", ".jpeg", ".bmp", ".gif", ".ppm", ".pgm", ".pbm", ".pnm"),
    *(".tif", ".tiff", ".webp"),
)
MAX_PIXELS = 1 << 26
"""Of an image that is read: 67 megapixels, 8192 by 8192."""

_DAMAGE: tuple[type[Exception], ...] = (
    *(OSError, ValueError, SyntaxError, EOFError, TypeError, LookupError),
    *(struct.error, zlib.error, MemoryError, ArithmeticError, RuntimeError),
)
"""What Pillow raises for files that are not what they seem."""

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class ImageReader:
    """Reads images as a model wants them.

    Attributes:
        size: height and width.
        channels: 1 for grey or 3 for red, green and blue.
        shorter_side: what an image is scaled to before its middle is cut out; 0 for
            what just covers the size.

    Example:
        >>> import numpy as np
        >>> from s2s_zoo.data.images import ImageReader
        >>> reader = ImageReader(size=(8, 8), channels=3)
        >>> reader.centred(reader.read(np.zeros((20, 16), "uint8"))).shape
        (8, 8, 3)
    """

    size: tuple[int, int]
    channels: int
    shorter_side: int = 0

    def read(self, source: str | Path | NDArray[Any]) -> Pixels:
        """The pixels (H, W, C) of a file, or of an array (H, W) or (H, W, C).

        Raises:
            UserError: a file that is no image, is damaged, too large or animated, or an
                array of something else.
        """
        if isinstance(source, (str, Path)):
            return _decode(Path(source), self.channels)
        return _of_array(np.asarray(source), self.channels)

    def centred(self, pixels: Pixels) -> Pixels:
        """The middle of an image (H, W, C), scaled so that it has the size."""
        height, width = pixels.shape[:2]
        if (height, width) == self.size and self.shorter_side in (0, min(self.size)):
            return pixels
        if self.shorter_side:
            scale = self.shorter_side / min(height, width)
        else:
            scale = max(self.size[0] / height, self.size[1] / width)
        rows = min(height, self.size[0] / scale)
        columns = min(width, self.size[1] / scale)
        top, left = (height - rows) / 2, (width - columns) / 2
        return resized(pixels, (left, top, left + columns, top + rows), self.size)


def resized(
    pixels: Pixels, box: tuple[float, float, float, float], size: tuple[int, int]
) -> Pixels:
    """A part of an image (H, W, C), in another size; bilinear, and no aliasing.

    Args:
        pixels: of the image.
        box: left, upper, right and lower edge.
        size: height and width.
    """
    from PIL import Image

    grey = pixels.shape[2] == 1
    image = Image.fromarray(pixels[..., 0] if grey else pixels)
    small = image.resize(size[::-1], Image.Resampling.BILINEAR, box)
    return np.asarray(small).reshape(*size, pixels.shape[2])


def _decode(path: Path, channels: int) -> Pixels:
    from PIL import Image, ImageOps, UnidentifiedImageError

    try:
        with Image.open(path, formats=FORMATS) as image:
            _check(path, image)
            upright = ImageOps.exif_transpose(image)
            return _as_pixels(path, upright, channels)
    except Image.DecompressionBombError as error:
        raise UserError(f"{path}: too many pixels: {error}") from error
    except UnidentifiedImageError as error:
        known = ", ".join(FORMATS)
        raise UserError(f"{path}: not an image; accepted: {known}") from error
    except _DAMAGE as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from error


def _check(path: Path, image: "Image") -> None:
    """Refuse what is too large, or no single image."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise UserError(
            f"{path}: {width} x {height} pixels; up to {MAX_PIXELS:,} are read"
        )
    frames = getattr(image, "n_frames", 1)
    if frames > 1 and image.format != "MPO":  # a photo with its previews
        raise UserError(f"{path}: {frames} frames; an image has one")


def _as_pixels(path: Path, image: "Image", channels: int) -> Pixels:
    """Bytes (H, W, C); what is transparent lies on white."""
    from PIL import Image

    if image.mode.startswith("I"):
        return _of_array(_in_16_bits(path, np.asarray(image)), channels)
    if image.mode == "F":
        raise UserError(f"{path}: pixels of 32-bit floating point are not read")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    pixels = np.asarray(image.convert("L" if channels == 1 else "RGB"))
    return pixels.reshape(*pixels.shape[:2], channels)


def _in_16_bits(path: Path, values: NDArray[Any]) -> NDArray[np.uint16]:
    if values.min(initial=0) < 0 or values.max(initial=0) > np.iinfo(np.uint16).max:
        raise UserError(f"{path}: pixels of 32 bits are not read")
    return values.astype(np.uint16)


def _of_array(values: NDArray[Any], channels: int) -> Pixels:
    """Bytes (H, W, C) of 8- or 16-bit numbers (H, W), (H, W, 1) or (H, W, 3)."""
    is_image = values.ndim == 2 or (values.ndim == 3 and values.shape[2] in (1, 3))
    if not is_image or not values.size or values.dtype not in (np.uint8, np.uint16):
        raise UserError(
            "An image is an array (H, W), (H, W, 1) or (H, W, 3) of uint8 or uint16. "
            f"Received: {values.dtype} {values.shape}"
        )
    if values.dtype == np.uint16:
        values = (values >> 8).astype(np.uint8)
    values = values.reshape(*values.shape[:2], -1)
    if values.shape[2] == channels:
        return values
    if channels == 3:
        return np.repeat(values, 3, axis=2)
    luma = values @ np.array([0.299, 0.587, 0.114])
    return np.rint(luma).astype(np.uint8)[..., None]
