"""Images of every kind, read as bytes or refused by name."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s2s_zoo.data import images
from s2s_zoo.data.image_augmentation import ImageAugmentation
from s2s_zoo.data.images import ImageReader, resized
from s2s_zoo.errors import UserError

RNG = np.random.default_rng(0)
PIXELS = RNG.integers(0, 256, (6, 4, 3), np.uint8)
COLOURS, GREY = ImageReader((6, 4), channels=3), ImageReader((6, 4), channels=1)


def luma(pixels):
    """ITU-R 601, as Pillow rounds it."""
    return pixels @ np.array([0.299, 0.587, 0.114])


def saved(path: Path, image: Image.Image, **options) -> Path:
    image.save(path, **options)
    return path


@pytest.mark.parametrize("ending", ["png", "bmp", "ppm", "tif", "webp", "gif"])
def test_formats(tmp_path: Path, ending: str):
    pixels = np.array([[0, 255], [255, 0]], np.uint8).repeat(4, 0).repeat(4, 1)
    options = {"lossless": True} if ending == "webp" else {}
    path = saved(tmp_path / f"a.{ending}", Image.fromarray(pixels), **options)
    np.testing.assert_array_equal(COLOURS.read(path), pixels[..., None].repeat(3, 2))
    np.testing.assert_array_equal(GREY.read(path)[..., 0], pixels)


def test_colours_to_grey_and_back(tmp_path: Path):
    path = saved(tmp_path / "a.png", Image.fromarray(PIXELS))
    np.testing.assert_array_equal(COLOURS.read(path), PIXELS)
    for source in (path, PIXELS):
        difference = GREY.read(source)[..., 0] - luma(PIXELS)
        assert np.abs(difference).max() < 1
    one = PIXELS[..., :1]
    for source in (one, one[..., 0]):
        np.testing.assert_array_equal(COLOURS.read(source), one.repeat(3, 2))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_orientation_of_a_camera_counts(tmp_path: Path, orientation: int):
    """Exif 2.3, tag 274: where row 0 and column 0 of what is stored are to be seen."""
    upright = np.arange(24, dtype="uint8").reshape(6, 4) * 10
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.T,
        6: np.rot90(upright),
        7: upright[::-1, ::-1].T,
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[274] = orientation
    image = Image.fromarray(np.ascontiguousarray(stored))
    path = saved(tmp_path / "a.png", image, exif=exif)
    np.testing.assert_array_equal(GREY.read(path)[..., 0], upright)


def test_cmyk(tmp_path: Path):
    """Ink of one kind takes away its colour: cyan red, key all."""
    inks = np.zeros((8, 8, 4), np.uint8)
    inks[:, :4, 0], inks[:, 4:, 3] = 255, 255
    path = saved(tmp_path / "a.tif", Image.fromarray(inks, "CMYK"))
    found = COLOURS.read(path)
    np.testing.assert_array_equal(found[0, 0], [0, 255, 255])
    np.testing.assert_array_equal(found[0, 7], [0, 0, 0])


def test_16_bits(tmp_path: Path):
    values = RNG.integers(0, 1 << 16, (6, 4), np.uint16)
    path = saved(tmp_path / "a.png", Image.fromarray(values))
    for source in (path, values):
        np.testing.assert_array_equal(GREY.read(source)[..., 0], values >> 8)
    path = saved(tmp_path / "b.tif", Image.fromarray(values.astype("int32") * 9))
    with pytest.raises(UserError, match=r"b\.tif: pixels of 32 bits are not read"):
        GREY.read(path)
    path = saved(tmp_path / "c.tif", Image.fromarray(values.astype("float32")))
    with pytest.raises(UserError, match=r"c\.tif: pixels of 32-bit floating point"):
        GREY.read(path)


def test_palettes_and_transparency(tmp_path: Path):
    image = Image.fromarray(PIXELS).quantize(8)
    path = saved(tmp_path / "a.png", image)
    np.testing.assert_array_equal(COLOURS.read(path), np.asarray(image.convert("RGB")))
    alpha = np.concatenate([PIXELS, np.zeros((6, 4, 1), np.uint8)], axis=2)
    alpha[:3, :, 3] = 255
    path = saved(tmp_path / "b.png", Image.fromarray(alpha))
    found = COLOURS.read(path)
    np.testing.assert_array_equal(found[:3], PIXELS[:3])
    assert (found[3:] == 255).all()


def test_what_moves_is_no_image(tmp_path: Path):
    frames = [Image.fromarray(PIXELS), Image.fromarray(255 - PIXELS)]
    for name in ("a.gif", "a.png", "a.tif"):
        more = {"save_all": True, "append_images": frames[1:]}
        path = saved(tmp_path / name, frames[0], **more)
        with pytest.raises(UserError, match=rf"{name}: 2 frames; an image has one"):
            COLOURS.read(path)


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = saved(tmp_path / "a.png", Image.new("1", (200, 100)))
    monkeypatch.setattr(images, "MAX_PIXELS", 200 * 100 - 1)
    with pytest.raises(UserError, match=r"200 x 100 pixels; up to 19,999 are read"):
        GREY.read(path)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    with pytest.raises(UserError, match="too many pixels"):
        GREY.read(path)


@pytest.mark.parametrize("content", [b"", b"GIF89a", b"%!PS-Adobe-3.0 EPSF-3.0\n"])
def test_what_is_no_image(tmp_path: Path, content: bytes):
    path = tmp_path / "a.png"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a\.png: not an image; accepted: PNG, JPEG"):
        COLOURS.read(path)
    with pytest.raises(UserError, match=r"b\.png: cannot be read: No such file"):
        COLOURS.read(tmp_path / "b.png")


def test_damaged_images(tmp_path: Path):
    whole = saved(tmp_path / "a.png", Image.fromarray(PIXELS)).read_bytes()
    path = tmp_path / "b.png"
    for size in range(30, len(whole) - 40, 7):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match=r"b\.png: "):
            COLOURS.read(path)


@pytest.mark.parametrize(
    "values",
    [np.zeros((2, 3), "float32"), np.zeros((2, 3, 2), "uint8"), np.zeros(4, "uint8")],
)
def test_arrays_that_are_no_images(values: np.ndarray):
    with pytest.raises(UserError, match="An image is an array"):
        COLOURS.read(values)


def test_an_image_is_scaled_and_its_middle_cut_out():
    pixels = RNG.integers(0, 256, (20, 12, 3), np.uint8)
    found = ImageReader((12, 12), 3).centred(pixels)
    np.testing.assert_array_equal(found, pixels[4:16])
    found = ImageReader((6, 6), 3, shorter_side=12).centred(pixels)
    np.testing.assert_array_equal(found, pixels[7:13, 3:9])
    small = Image.fromarray(pixels).resize((6, 10), Image.Resampling.BILINEAR)
    found = ImageReader((6, 6), 3).centred(pixels)
    np.testing.assert_allclose(found, np.asarray(small)[2:8], atol=1)  # rounding
    np.testing.assert_array_equal(COLOURS.centred(PIXELS), PIXELS)


def test_scaling_averages():
    pixels = RNG.integers(0, 256, (8, 8, 1), np.uint8)
    found = resized(np.full((8, 8, 3), 77, np.uint8), (1.5, 0, 7, 8), (3, 5))
    assert found.shape == (3, 5, 3)
    assert (found == 77).all()
    halves = resized(pixels, (0, 0, 8, 8), (1, 1))
    assert abs(int(halves[0, 0, 0]) - pixels.mean()) < 25


def test_augmentation_of_nothing_is_the_middle():
    rng = np.random.default_rng(0)
    np.testing.assert_array_equal(ImageAugmentation()(PIXELS, COLOURS, rng), PIXELS)


def test_crops_are_parts_of_the_padded_image():
    augment, seen = ImageAugmentation(padding=1), set()
    wide = np.pad(PIXELS, ((1, 1), (1, 1), (0, 0)))
    parts = {
        wide[top : top + 6, left : left + 4].tobytes()
        for top in range(3)
        for left in range(3)
    }
    for seed in range(100):
        found = augment(PIXELS, COLOURS, np.random.default_rng(seed))
        seen.add(np.ascontiguousarray(found).tobytes())
    assert seen == parts


def test_flips_as_often_as_it_should():
    augment, flipped = ImageAugmentation(flip=0.3), 0
    for seed in range(400):
        found = augment(PIXELS, COLOURS, np.random.default_rng(seed))
        is_flipped = (found == PIXELS[:, ::-1]).all()
        assert is_flipped or (found == PIXELS).all()
        flipped += is_flipped
    assert 80 < flipped < 160  # 4.4 standard deviations


def test_random_parts_keep_area_and_aspect(monkeypatch: pytest.MonkeyPatch):
    boxes = []
    monkeypatch.setattr(
        "s2s_zoo.data.image_augmentation.resized",
        lambda pixels, box, size: boxes.append(box) or pixels,
    )
    pixels = np.zeros((60, 80, 3), np.uint8)
    augment = ImageAugmentation(area=(0.1, 0.5))
    for seed in range(200):
        augment(pixels, COLOURS, np.random.default_rng(seed))
    left, top, right, bottom = np.array(boxes).T
    shares = (right - left) * (bottom - top) / (60 * 80)
    aspects = (right - left) / (bottom - top)
    assert 0.1 <= shares.min() < 0.12
    assert 0.45 < shares.max() <= 0.5
    assert 0.75 - 1e-9 <= aspects.min() < 0.78
    assert 1.29 < aspects.max() <= 4 / 3 + 1e-9
    assert min(left.min(), top.min()) >= 0
    assert right.max() <= 80
    assert bottom.max() <= 60


def test_colours_are_shifted_within_their_ranges():
    pixels = np.full((6, 4, 3), 100, np.uint8)
    augment = ImageAugmentation(brightness=0.2)
    found = [augment(pixels, COLOURS, np.random.default_rng(s)) for s in range(99)]
    levels = np.array(found)[:, 0, 0, 0]
    assert 80 <= levels.min() < 84
    assert 116 < levels.max() <= 120
    for name in ("contrast", "saturation"):
        augment = ImageAugmentation(**{name: 0.5})
        np.testing.assert_array_equal(
            augment(pixels, COLOURS, np.random.default_rng(0)), pixels
        )
        changed = augment(PIXELS, COLOURS, np.random.default_rng(1))
        assert (changed != PIXELS).any()
        np.testing.assert_allclose(luma(changed).mean(), luma(PIXELS).mean(), atol=12)


def test_mixing():
    """An image and its classes have the same share."""
    one, two = np.zeros((1, 2, 2, 1), np.uint8), np.full((1, 2, 2, 1), 200, np.uint8)
    batch, shares = np.concatenate([one, two]), np.eye(2, dtype="float32")
    augment, apart = ImageAugmentation(mixup=1.0), 0
    for seed in range(50):
        rng = np.random.default_rng(seed)
        images, mixed = augment.mix(batch, shares, rng)
        np.testing.assert_allclose(mixed.sum(1), 1, rtol=1e-6)
        np.testing.assert_allclose(images[:, 0, 0, 0], 200 * mixed[:, 1], atol=0.51)
        apart += 0.1 < mixed[0, 0] < 0.9
    assert apart > 10


@pytest.mark.parametrize(
    "settings", [{"area": (0.5, 0.1)}, {"flip": 1.1}, {"padding": -1}, {"mixup": -0.1}]
)
def test_augmentation_refuses(settings: dict):
    with pytest.raises(ValueError, match=rf"{next(iter(settings))} is"):
        ImageAugmentation(**settings)
