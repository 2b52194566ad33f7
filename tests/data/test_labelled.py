"""Labelled data: folders, tables, arrays; held-out groups; what is found in a check."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.labelled_images import LabelledImages
from s2s_zoo.data.labelled import PATHS, TEXTS, Labelled, read_arrays, read_table
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.errors import UserError
from s2s_zoo.workflows.check_data import check_data

KIND = KINDS.get("labelled_images")


def draw(path: Path, value: int = 0, seed: int = -1) -> Path:
    """An image of one grey, or of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.full((6, 5), value, "uint8")
    if seed >= 0:
        pixels = np.random.default_rng(seed).integers(0, 256, (6, 5), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_folders(tmp_path: Path):
    for split, count in (("train", 3), ("val", 1), ("test", 2)):
        for label in ("cat", "dog"):
            for i in range(count):
                draw(tmp_path / split / label / f"{i}.PNG")
    (tmp_path / "train" / "cat" / "notes.txt").touch()
    draw(tmp_path / "train" / ".hidden" / "0.png")
    assert kind_of(str(tmp_path)) == KIND
    source = KIND.open(str(tmp_path))
    roles = {"train": "train", "validation": "validation", "test": "test"}
    assert source.all_roles() == roles
    train = source.read_split("train")
    assert [(e.name, e.label) for e in train[2:4]] == [
        ("cat/2.PNG", "cat"),
        ("dog/0.PNG", "dog"),
    ]
    assert train[0].source == str(tmp_path.resolve() / "train/cat/0.PNG")
    assert len(KIND.read(str(tmp_path / "train"), "test")) == 6


def test_a_link_out_of_the_folders_is_not_followed(tmp_path: Path):
    outside = draw(tmp_path / "outside.png")
    draw(tmp_path / "data" / "cat" / "0.png")
    (tmp_path / "data" / "cat" / "1.png").symlink_to(outside)
    with pytest.raises(UserError, match=r"1\.png' is a link to .*outside\.png"):
        KIND.read(str(tmp_path / "data"), "test")


@pytest.mark.parametrize(
    "text",
    [
        "label,path,camera\ncat,a.png,1\ndog,b.png,2\n",
        "path\tclass\tcamera\na.png\tcat\t1\nb.png\tdog\t2\n",
        '{"file": "a.png", "category": "cat", "camera": "1"}\n'
        '{"file": "b.png", "category": "dog", "camera": "2"}\n',
    ],
)
def test_tables(tmp_path: Path, text: str):
    ending = {"l": "csv", "p": "tsv", "{": "jsonl"}[text[0]]
    path = tmp_path / f"train.{ending}"
    path.write_text(text)
    assert kind_of(str(path)) == kind_of(str(tmp_path)) == KIND
    found = KIND.read(str(path), "test")
    sources = [str(tmp_path.resolve() / name) for name in ("a.png", "b.png")]
    assert found == [
        Labelled("a.png", sources[0], "cat"),
        Labelled("b.png", sources[1], "dog"),
    ]
    assert [example.columns for example in found] == [{"camera": "1"}, {"camera": "2"}]


def test_tables_of_texts(tmp_path: Path):
    path = tmp_path / "train.csv"
    path.write_text('label,text\ngood,"a fine, fine film"\nbad,no\n')
    assert read_table(path, TEXTS) == [
        Labelled("train.csv:2", "a fine, fine film", "good"),
        Labelled("train.csv:3", "no", "bad"),
    ]
    with pytest.raises(UserError, match=r"train\.csv:1: want the columns .*path"):
        read_table(path, PATHS)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("label,path\ncat\n", r":2: 1 values for the 2 columns"),
        ("label,path\ncat,a.png\n ,b.png\n", r":3: 'label' is empty"),
        ("label,path\ncat,\n", r":2: 'path' is empty"),
        ("label,path\n", "holds no examples"),
        ("label,path\ncat,../a.png\n", r":2: '../a\.png' lies outside"),
        ("name,path\ncat,a.png\n", r":1: want the columns label\|class\|category"),
    ],
)
def test_mistakes_in_tables(tmp_path: Path, text: str, message: str):
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "train.csv"
    path.write_text(text)
    with pytest.raises(UserError, match=message):
        KIND.read(str(path), "test")


def test_arrays(tmp_path: Path):
    x, y = np.arange(60, dtype="uint8").reshape(5, 3, 4), np.array([0, 1, 1, 0, 2])
    np.savez(tmp_path / "train.npz", x=x, y=y[:, None])
    found = KIND.read(str(tmp_path), "train") + KIND.read(str(tmp_path), "validation")
    assert sorted(e.label for e in found) == ["0", "0", "1", "1", "2"]
    assert any(e == Labelled("train.npz:x[4]", x[4], "2") for e in found)
    splits = tmp_path / "all.npz"
    np.savez(splits, x_train=x, y_train=y, x_test=x[:2], y_test=y[:2])
    source = KIND.open(str(splits))
    assert list(source.all_roles()) == ["train", "validation", "test"]
    assert len(source.read_split("test")) == 2
    assert kind_of(str(splits)) == KIND


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"x": np.zeros((3, 2, 2), "uint8")}, "want x and y.* It has: x"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(2, int)}, "a number for each of x"),
        ({"x": np.zeros((3, 2)), "y": np.zeros(3)}, "whole numbers"),
        ({"x": np.zeros(3), "y": np.array([{}] * 3)}, "not an archive of numbers"),
    ],
)
def test_mistakes_in_arrays(tmp_path: Path, arrays: dict, message: str):
    path = tmp_path / "all.npz"
    np.savez(path, **arrays)
    with pytest.raises(UserError, match=message):
        read_arrays(path)
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(UserError, match="not an archive"):
        read_arrays(path)


def test_groups_are_held_out_as_a_whole(tmp_path: Path):
    rows = [f"{'cat' if i % 2 else 'dog'},{i}.png,{i % 7}" for i in range(70)]
    (tmp_path / "train.csv").write_text("\n".join(["label,path,camera", *rows]))
    source = LabelledImages(group="camera").open(str(tmp_path))
    train, validation = map(source.read_split, ("train", "validation"))
    cameras = [{e.columns["camera"] for e in part} for part in (train, validation)]
    assert (len(train), len(validation)) == (60, 10)
    assert not cameras[0] & cameras[1]
    assert len(LabelledImages().open(str(tmp_path)).read_split("validation")) == 4
    with pytest.raises(UserError, match=r"no column 'lens' to group by; .* camera"):
        LabelledImages(group="lens").read(str(tmp_path), "train")


def test_what_a_check_finds(tmp_path: Path):
    for i in range(22):
        draw(tmp_path / "train" / "cat" / f"{i}.png", seed=i)
    draw(tmp_path / "train" / "dog" / "0.png", seed=0)
    draw(tmp_path / "train" / "dog" / "1.png", seed=50)
    draw(tmp_path / "train" / "cat" / "again.png", seed=1)
    draw(tmp_path / "validation" / "cat" / "0.png", seed=2)
    draw(tmp_path / "validation" / "cow" / "0.png", seed=60)
    (tmp_path / "validation" / "cat" / "broken.png").write_bytes(b"\x89PNG")
    report = check_data(data=str(tmp_path))
    assert {kind: [name for name, _ in f] for kind, f in report.findings.items()} == {
        "unreadable": ["validation:cat/broken.png"],
        "unlearned": ["validation"],
        "conflict": ["train:dog/0.png"],
        "overlap": ["validation:cat/0.png"],
        "duplicate": ["train:cat/again.png"],
        "imbalance": ["train"],
    }
    assert not report.ok
    assert report.findings["imbalance"][0][1] == "23 of 'cat', 2 of 'dog'"
    assert report.headline == "28 labelled images of 3 classes; 27 usable"
    assert json.loads(json.dumps(report.to_json()))["labels"]["train"] == {
        "cat": 23,
        "dog": 2,
    }
