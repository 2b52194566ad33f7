"""Corpora of images: what is drawn, and what is read from other formats."""

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.corpora import CORPORA, demo_digits
from s2s_zoo.data.idx import read_idx
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.errors import UserError

KIND = KINDS.get("labelled_images")


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("digits") / "demo"
    return CORPORA.get("demo_digits").prepare(place)


def arrays(place: Path, split: str) -> tuple[np.ndarray, np.ndarray]:
    found = CORPORA.get("demo_digits").read(split, place)
    images = np.stack([example.source for example in found]).astype(float)
    return images, np.array([int(example.label) for example in found])


def test_the_demo_is_always_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(demo_digits, "COUNTS", {"train": 30, "test": 20})
    for name in ("one", "two"):
        CORPORA.get("demo_digits").prepare(tmp_path / name)
    for split, count in demo_digits.COUNTS.items():
        (x, y), (u, v) = (arrays(tmp_path / name, split) for name in ("one", "two"))
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)
        assert np.bincount(y).tolist() == [count // 10] * 10
    with pytest.raises(UserError, match="exists and is not version"):
        CORPORA.get("demo_digits").prepare(tmp_path)


def test_no_trivial_rule_reads_the_demo(digits: Path):
    """Neither the brightness, nor how much is dark, nor the nearest mean image."""
    (x, y), (u, v) = arrays(digits, "train"), arrays(digits, "test")
    means = np.stack([x[y == digit].mean(0) for digit in range(10)])
    apart = ((u[:, None] - means) ** 2).sum((2, 3))
    assert (apart.argmin(1) == v).mean() < 0.2

    def told(x: np.ndarray) -> np.ndarray:
        middle = x.mean((1, 2), keepdims=True)
        shares = (x < middle).mean((1, 2))
        return np.stack([middle[:, 0, 0] / 255, x.std((1, 2)) / 128, shares], 1)

    known = told(x)
    nearest = ((told(u)[:, None] - known) ** 2).sum(2).argsort(1)[:, :15]
    votes = [Counter(y[row]).most_common(1)[0][0] for row in nearest]
    assert np.mean(votes == v) < 0.25


def test_idx(tmp_path: Path):
    values = np.arange(24, dtype="uint8").reshape(2, 3, 4)
    content = bytes([0, 0, 8, 3]) + np.array([2, 3, 4], ">u4").tobytes()
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(content + values.tobytes()))
    np.testing.assert_array_equal(read_idx(path), values)
    plain = tmp_path / "a"
    plain.write_bytes(content + values.tobytes())
    np.testing.assert_array_equal(read_idx(plain), values)
    for damaged in (b"", content, b"\1" + content[1:], content[:3] + b"\xff"):
        plain.write_bytes(damaged)
        with pytest.raises(UserError, match=f"^{plain}: "):
            read_idx(plain)
    path.write_bytes(path.read_bytes()[:20])
    with pytest.raises(UserError, match="cannot be read"):
        read_idx(path)


def test_cifar10(tmp_path: Path):
    """A row is a label and three planes of colour, row by row."""
    planes = np.zeros((10_000, 3, 32, 32), np.uint8)
    planes[0, 0, 1, 2], planes[1, 2, 3, 4] = 7, 9
    labels = (np.arange(10_000) % 10).astype("uint8")[:, None]
    rows = np.concatenate([labels, planes.reshape(10_000, -1)], axis=1)
    path = tmp_path / "test_batch.bin"
    path.write_bytes(rows.tobytes())
    found = KIND.read(str(tmp_path), "test")
    assert [example.label for example in found[:3]] == [
        "airplane",
        "automobile",
        "bird",
    ]
    assert found[0].source[1, 2].tolist() == [7, 0, 0]
    assert found[1].source[3, 4].tolist() == [0, 0, 9]
    path.write_bytes(rows.tobytes()[:-1])
    with pytest.raises(UserError, match="want 30730000 bytes"):
        KIND.read(str(tmp_path), "test")


@pytest.mark.parametrize(
    ("name", "side", "counts"),
    [
        ("digits", 28, {"train": 3500, "validation": 500, "test": 1000}),
        ("digits:8x8", 8, {"train": 1258, "validation": 180, "test": 359}),
        ("fashion_mnist", 28, {"train": 55000, "validation": 5000, "test": 10000}),
    ],
)
def test_real_images(data_dir: Path, name: str, side: int, counts: dict[str, int]):
    seen = set()
    for split, count in counts.items():
        found = KIND.read(name, split)
        assert len(found) == count
        assert {example.source.shape for example in found} == {(side, side)}
        assert len({example.label for example in found}) == 10
        seen.update(example.name for example in found)
    if name.startswith("digits"):
        assert len(seen) == sum(counts.values())
        middle = side // 2
        brightness = {
            label: np.mean(
                [e.source[middle, middle] for e in found if e.label == label]
            )
            for label in "01"
        }
        assert brightness["1"] > 2 * brightness["0"]


def test_there_is_no_other_size_of_digits():
    with pytest.raises(UserError, match="sizes of digits are 28x28, 8x8"):
        KIND.open("digits:9x9")
