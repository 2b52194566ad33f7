"""Corpora of labelled texts: what they hold, and that counting words does not tell."""

import json
import lzma
from collections import Counter
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.demo_reviews import CONSTRUCTIONS, COUNTS, reviews
from s2s_zoo.data.corpora.folds import FOLDS
from s2s_zoo.data.kinds.labelled_texts import LabelledTexts
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.errors import UserError

TEXTS = LabelledTexts()
ROLES = ("train", "validation", "test")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("S2S_ZOO_DATA_DIR", raising=False)


def read(data: str | Path) -> dict[str, list[Labelled]]:
    source = TEXTS.open(str(data))
    return {role: source.read_split(role) for role in ROLES}


def test_generated_reviews_are_the_same_everywhere_and_none_comes_twice() -> None:
    found = read("demo_reviews")
    assert {role: len(examples) for role, examples in found.items()} == COUNTS
    texts = [example.source for examples in found.values() for example in examples]
    assert len(set(texts)) == len(texts)
    assert texts == [text for _, text, _ in islice(reviews(1), sum(COUNTS.values()))]
    assert found == read("demo_reviews")


def test_constructions_and_labels_are_equally_frequent_in_every_split() -> None:
    for examples in read("demo_reviews").values():
        counts = Counter((e.label, e.columns["construction"]) for e in examples)
        assert len(counts) == 2 * len(CONSTRUCTIONS)
        assert max(counts.values()) - min(counts.values()) <= 1


def test_held_out_reviews_hold_no_other_words() -> None:
    found = read("demo_reviews")
    words = {
        role: {word for example in examples for word in str(example.source).split()}
        for role, examples in found.items()
    }
    assert words["validation"] | words["test"] <= words["train"]
    assert len(words["train"]) < 100


def counted(examples: list[Labelled], words: list[str]) -> np.ndarray:
    counts = [Counter(str(example.source).split()) for example in examples]
    return np.array([[1.0, *(count[word] for word in words)] for count in counts])


def test_counting_words_stays_far_below() -> None:
    """The best linear rule over word counts, by least squares on train."""
    found = read("demo_reviews")
    words = sorted({w for e in found["train"] for w in str(e.source).split()})
    signs = {
        role: np.array([1 if e.label == "positive" else -1 for e in examples])
        for role, examples in found.items()
    }
    train = counted(found["train"], words)
    rule = np.linalg.lstsq(train, signs["train"], rcond=None)[0]
    right = np.sign(counted(found["test"], words) @ rule) == signs["test"]
    assert right.mean() < 0.6


def test_treebank_sentences_are_read_with_their_labels(tmp_path: Path) -> None:
    for suffix, lines in {
        "train": "1 a fine film .\n0 no , really",
        "dev": "0 dull .\n",
        "test": "1 lovely\n",
    }.items():
        (tmp_path / f"stsa.binary.{suffix}").write_text(lines)
    found = read(tmp_path)
    assert [(e.source, e.label) for e in found["train"]] == [
        ("a fine film .", "positive"),
        ("no , really", "negative"),
    ]
    assert [e.label for e in found["validation"] + found["test"]] == [
        "negative",
        "positive",
    ]


@pytest.mark.parametrize("line", ["2 a film", "a film", "1"])
def test_a_line_without_label_and_sentence_is_named(line: str, tmp_path: Path) -> None:
    for suffix in ("train", "dev", "test"):
        (tmp_path / f"stsa.binary.{suffix}").write_text(f"1 good\n{line}\n")
    with pytest.raises(UserError, match=r"stsa.binary.train:2: want LABEL SENTENCE"):
        read(tmp_path)


def write_polarity(directory: Path) -> list[str]:
    lines = [f"caf\xe9 number {i // 2} ." for i in range(80)]  # each twice
    for ending in ("neg", "pos"):
        text = "\n".join(f"{line} {ending}" for line in lines)
        (directory / f"rt-polarity.{ending}").write_bytes(text.encode("latin-1"))
    return lines


def test_every_sentence_is_tested_in_one_fold(tmp_path: Path) -> None:
    lines = write_polarity(tmp_path)
    corpus = CORPORA.get("mr")
    tested: Counter[str] = Counter()
    for fold in range(FOLDS):
        splits = {
            role: corpus.of_size(str(fold)).read(role, tmp_path) for role in ROLES
        }
        names = [e.name for examples in splits.values() for e in examples]
        assert len(set(names)) == len(names) == 2 * len(lines)
        texts = [{e.source for e in examples} for examples in splits.values()]
        assert len(set.union(*texts)) == sum(map(len, texts))
        tested.update(e.name for e in splits["test"])
    assert set(tested.values()) == {1}
    assert len(tested) == 2 * len(lines)


@pytest.mark.parametrize("fold", ["10", "-1", "x", ""])
def test_there_are_ten_folds(fold: str) -> None:
    with pytest.raises(UserError, match=r"mr:FOLD has a FOLD of 0 to 9"):
        CORPORA.get("mr").of_size(fold)


def test_imdb_is_read_as_it_unpacks_and_packed(tmp_path: Path) -> None:
    tree, packed = tmp_path / "tree", tmp_path / "packed"
    packed.mkdir()
    rows = {}
    for split in ("train", "test"):
        rows[split] = []
        for number, folder in enumerate(("neg", "pos")):
            for i in range(4):
                text = f"{split} {folder} {i}<br /><br />more"
                path = tree / "aclImdb" / split / folder / f"{i}_7.txt"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                rows[split].append(json.dumps({"label": number, "text": text}))
        with lzma.open(packed / f"{split}.jsonl.xz", "wt") as file:
            file.write("\n".join(rows[split]))
    unpacked, lines = read(tree), read(packed)
    assert len(unpacked["train"]) + len(unpacked["validation"]) == 8
    for found in (unpacked["test"], lines["test"]):
        assert [(e.source, e.label) for e in found][3:5] == [
            ("test neg 3 more", "negative"),
            ("test pos 0 more", "positive"),
        ]


def test_tables_of_texts_are_read(tmp_path: Path) -> None:
    for role in ROLES:
        (tmp_path / f"{role}.csv").write_text("label,text\ngood,a\nbad,b\n")
    assert [e.label for e in read(tmp_path)["test"]] == ["good", "bad"]
    report = TEXTS.check(str(tmp_path), None)
    assert report.counts["overlap"] == 4
