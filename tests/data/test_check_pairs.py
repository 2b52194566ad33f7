"""Every fault of a parallel corpus is counted and named, and nothing else is."""

from functools import partial
from pathlib import Path

import pytest

from s2s_zoo.data import check_pairs as check_module
from s2s_zoo.data.check_pairs import PairReport, check_pairs
from s2s_zoo.data.kinds.pairs import Pairs
from s2s_zoo.data.pairs import Pair


def pairs(split: str, *rows: tuple[str, str]) -> list[Pair]:
    return [Pair(f"{split}.tsv:{i}", *row) for i, row in enumerate(rows, start=1)]


def check(splits: dict[str, list[Pair]], **settings) -> PairReport:
    readers = {
        split: (lambda listed=listed: listed) for split, listed in splits.items()
    }
    return check_pairs(readers, **{"longest": 10, **settings})


GOOD = [(f"a sentence about {i}", f"ein Satz über {i}") for i in range(30)]


def test_good_pairs():
    done: list[tuple[int, int]] = []
    report = check(
        {"train": pairs("train", *GOOD[:20]), "test": pairs("test", *GOOD[20:])},
        progress=lambda *now: done.append(now),
    )
    assert report.ok
    assert report.findings == {}
    assert report.counts == {
        "pairs": 30,
        "usable": 30,
        "source_words": 120,
        "target_words": 120,
    }
    assert report.headline == "30 pairs, 120 words to 120; 30 usable"
    assert done[-1] == (30, 30)


def test_each_kind():
    train = [
        *GOOD,
        ("same here", " same here"),
        ("w " * 11, "eins"),
        ("kurz", "a much, much longer sentence than it"),
        ("Yes.", "Ja"),
        GOOD[3],
    ]
    test = [GOOD[7], ("unseen", "nie gesehen"), (f" {GOOD[8][0]} ", "anders")]
    report = check({"train": pairs("train", *train), "test": pairs("test", *test)})
    assert not report.ok
    assert report.findings == {
        "too_long": [("train:train.tsv:32", "11 and 1 words")],
        "identical": [("train:train.tsv:31", "'same here'")],
        "odd_ratio": [
            ("train:train.tsv:32", "22 and 4 characters"),
            ("train:train.tsv:33", "4 and 36 characters"),
        ],
        "duplicate": [("train:train.tsv:35", "the same as train.tsv:4")],
        "overlap": [
            ("test:test.tsv:1", "train:train.tsv:8"),
            ("test:test.tsv:3", "train:train.tsv:9"),
        ],
    }
    assert report.counts["usable"] == report.counts["pairs"] - 1 == 37
    assert report.to_json()["counts"]["overlap"] == 2
    assert set(report.findings) < set(report.kinds)


def test_duplicates_alone_do_no_harm():
    assert check({"train": pairs("train", *GOOD, GOOD[0])}).ok
    assert check({}).ok


def test_sources_that_are_cut_may_be_long():
    row = ("word " * 500, "a summary of it all")
    assert check({"train": pairs("train", row)}, cut=True).ok
    report = check({"train": pairs("train", row[::-1])}, cut=True)
    assert list(report.findings) == ["too_long"]


def test_all_are_counted_where_not_all_are_listed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check_module, "LISTED", 3)
    rows = [GOOD[0]] * 10
    report = check({"train": pairs("train", *rows), "test": pairs("test", *rows)})
    assert {kind: len(found) for kind, found in report.findings.items()} == {
        "duplicate": 3,
        "overlap": 3,
    }
    assert report.counts["overlap"] == 10
    assert report.counts["duplicate"] == 18


def write(path: Path, *lines: str) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))


def test_files(tmp_path: Path):
    """Unequal counts and blank sides, found where files are read."""
    write(tmp_path / "train.en", "one", "", "three")
    write(tmp_path / "train.de", "eins", "zwei", "drei")
    write(tmp_path / "dev.en", "four")
    write(tmp_path / "dev.de", "vier", "fünf")
    data = str(tmp_path)
    splits = Pairs("en", "de").open(data).all_roles()
    report = check_pairs(
        {s: (lambda s=s: Pairs("en", "de").read(data, s)) for s in splits}, longest=9
    )
    assert list(report.findings) == ["unreadable", "blank"]
    assert report.findings["blank"] == [("train:train.en:2", "left out")]
    ((split, detail),) = report.findings["unreadable"]
    assert split == "validation"
    assert "dev.en has 1 lines" in detail
    assert "dev.de has 2" in detail
    assert report.counts["pairs"] == 2


def test_real_multi30k_is_clean(data_dir: Path):
    data = str(data_dir / "mt_multi30k")
    report = check_pairs(
        {
            s: (lambda s=s: Pairs("en", "de").read(data, s))
            for s in ("validation", "test")
        },
        longest=256,
    )
    assert report.ok
    assert report.counts["pairs"] == 2014


def check_directory(path: Path) -> PairReport:
    splits = Pairs("en", "de").open(str(path)).all_roles()
    readers = {s: partial(Pairs("en", "de").read, str(path), s) for s in splits}
    return check_pairs(readers, longest=10)


def test_a_bad_train_file_is_reported_once(tmp_path: Path):
    (tmp_path / "train.tsv").write_text("a\tb\tc\n")
    report = check_directory(tmp_path)
    (found,) = report.findings["unreadable"]
    assert found[0] == "train"
    assert "train.tsv:1: want source<TAB>target" in found[1]
    assert report.counts["unreadable"] == 1


def test_a_blank_pair_is_counted_once(tmp_path: Path):
    """Under the split that it falls in."""
    lines = [f"a{i}\tb{i}" for i in range(60)]
    lines[7] = "a\t"
    (tmp_path / "train.tsv").write_text("\n".join(lines) + "\n")
    report = check_directory(tmp_path)
    assert report.counts["blank"] == 1
    ((name, _),) = report.findings["blank"]
    split = name.removesuffix(":train.tsv:8")
    after = [p.name for p in Pairs().read(str(tmp_path), split)]
    assert "train.tsv:9" in after


def test_an_empty_split_is_reported(tmp_path: Path):
    (tmp_path / "train.tsv").write_text("\n")
    report = check_directory(tmp_path)
    assert report.findings == {
        "unreadable": [
            ("validation", f"{tmp_path}: 0 pairs, too few to hold some out")
        ],
        "empty": [("train", "0 pairs")],
        "blank": [("train:train.tsv:1", "left out")],
    }
    (tmp_path / "validation.tsv").write_text("a\tb\n")
    report = check_directory(tmp_path)
    assert not report.ok
    assert list(report.findings) == ["empty", "blank"]
    assert [name for name, _ in report.findings["empty"]] == ["train"]
