"""A kind of examples is added by registering it, and nothing else."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import chain
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pytest
from click.testing import CliRunner
from s2s_zoo.cli.data import command

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.corpora import CORPORA
from s2s_zoo.data.corpora.base import Corpus
from s2s_zoo.data.corpora.lookup import find_corpus
from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.kinds.base import Kind, Match, Progress
from s2s_zoo.data.peek import head_of
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.data.report import Report
from s2s_zoo.data.source import Part
from s2s_zoo.errors import UserError
from s2s_zoo.registry import PRESETS, Registry
from s2s_zoo.workflows.check_data import check_data


class Labelled(NamedTuple):
    label: str
    path: str


@dataclass
class LabelReport(Report):
    kinds: ClassVar[dict[str, str]] = {"unlisted": "not one of the labels"}
    notes: ClassVar[frozenset[str]] = frozenset()
    findings: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        return f"{self.counts['examples']} labelled files"


@dataclass(frozen=True)
class LabelledFiles(Kind[list[Labelled]]):
    """A CSV with the columns pet,path."""

    name: ClassVar[str] = "labelled"
    prefix: ClassVar[str] = "img"
    preset: ClassVar[str] = "throw_away"
    accepted: ClassVar[str] = "a CSV with the columns pet,path"

    labels: tuple[str, ...] = ("cat", "dog")

    def match(self, files: Sequence[Path]) -> Match:
        found = any(head_of(file).startswith(b"pet,path\n") for file in files)
        return Match.CONTENT if found else Match.NONE

    def part(self, directory: Path, stem: str) -> Part[list[Labelled]] | None:
        return self.lone(directory / f"{stem}.csv")

    def lone(self, path: Path) -> Part[list[Labelled]] | None:
        return Part((path,), partial(read, path)) if path.is_file() else None

    def join(self, parts: list[list[Labelled]]) -> list[Labelled]:
        return list(chain.from_iterable(parts))

    def take(self, examples: list[Labelled], rows: np.ndarray) -> list[Labelled]:
        return [examples[row] for row in rows]

    def check(
        self, data: str, preset: Any, progress: Progress | None = None
    ) -> LabelReport:
        source = self.open(data)
        every = [e for split in source.all_roles() for e in source.read_split(split)]
        unlisted = [(e.path, e.label) for e in every if e.label not in self.labels]
        findings = {"unlisted": unlisted} if unlisted else {}
        counts = {"examples": len(every), "unlisted": len(unlisted)}
        return LabelReport(findings, counts)


def read(path: Path) -> list[Labelled]:
    return [Labelled(*line.split(",")) for line in path.read_text().splitlines()[1:]]


@dataclass(frozen=True, kw_only=True)
class Pets(Corpus):
    name: str = "pets"
    summary: str = "Cats and dogs"
    licence: str = "CC0"
    languages: tuple[str, ...] = ()
    splits: tuple[str, ...] = ("train", "validation", "test")
    kind: str = "labelled"

    def found_in(self, directory: Path) -> bool:
        return (directory / "pets.txt").is_file()

    def prepare(self, directory: Path | None = None, progress: bool = True) -> Path:
        raise NotImplementedError

    def read(self, split: str, directory: Path) -> list[Labelled]:
        return [Labelled("cat", f"{split}.png")]


def add(patch: pytest.MonkeyPatch, registry: Registry, name: str, thing: Any) -> None:
    registry.names()
    patch.setattr(registry, "_entries", {**registry._entries, name: thing})


@pytest.fixture(autouse=True)
def labelled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("S2S_ZOO_DATA_DIR", str(tmp_path / "shared"))
    add(monkeypatch, KINDS, "labelled", LabelledFiles())
    add(monkeypatch, CORPORA, "pets", Pets())
    task = SimpleNamespace(kind="labelled", labels=("cat", "dog", "cow"))
    add(monkeypatch, PRESETS, "throw_away", SimpleNamespace(task=task))


def write(path: Path, *labels: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (f"{label},{i}.png\n" for i, label in enumerate(labels))
    path.write_text("pet,path\n" + "".join(rows))
    return path


def test_it_is_recognized_and_read(tmp_path: Path):
    data = write(tmp_path / "pets" / "train.csv", *["cat", "dog"] * 20).parent
    kind = kind_of(str(data))
    assert kind == KINDS.get("labelled")
    source = kind.open(str(data))
    assert source.all_roles() == {"train": "train", "validation": "5 % of train"}
    train, validation = map(source.read_split, ("train", "validation"))
    assert (len(train), len(validation)) == (38, 2)
    assert sorted(train + validation) == sorted(read(data / "train.csv"))
    lone = write(tmp_path / "all.csv", "cat", "dog")
    assert kind_of(str(lone)) == kind
    assert kind.read(str(lone), "test") == read(lone)
    with pytest.raises(UserError, match="a corpus of labelled; the corpora are: pets"):
        kind.open(str(tmp_path / "none"))


def test_its_corpora_are_found_below_its_prefix(tmp_path: Path):
    place = tmp_path / "shared" / "img_pets"
    place.mkdir(parents=True)
    (place / "pets.txt").touch()
    assert find_corpus(CORPORA.get("pets")) == place
    assert kind_of("pets") == kind_of(str(place)) == KINDS.get("labelled")
    assert KINDS.get("labelled").read("pets", "test") == [Labelled("cat", "test.png")]
    with pytest.raises(UserError, match="pets holds labelled, not pairs; of these the"):
        KINDS.get("pairs").open("pets")


def test_its_data_is_checked(tmp_path: Path):
    data = str(write(tmp_path / "train.csv", "cat", "cow", "emu", "dog"))
    report = check_data(data=data)
    assert report.findings == {"unlisted": [("2.png", "emu")]}
    stricter = check_data(data=data, options={"labels": ("cat", "dog")})
    assert stricter.findings == {"unlisted": [("1.png", "cow"), ("2.png", "emu")]}
    named = check_data(data=data, preset="throw_away")
    assert named.to_json() == report.to_json()
    with pytest.raises(UserError, match=r"of labelled are: labels\. Received: source"):
        check_data(data=data, preset="throw_away", options={"source": "en"})


def test_the_command_line_lists_and_checks_it(tmp_path: Path):
    run = CliRunner().invoke
    rows = json.loads(run(command, ["list", "--json"]).stdout)
    kinds = {row["name"]: row["kind"] for row in rows}
    assert (kinds["pets"], kinds["an4"]) == ("labelled", "utterances")
    assert kinds["multi30k"] == "pairs"
    listing = run(command, ["list"]).stdout
    assert "    labelled; splits: train, validation, test" in listing
    data = write(tmp_path / "train.csv", "cat", "emu", "dog")
    found = run(command, ["check", str(data)], standalone_mode=False)
    assert found.return_value == 1
    assert "3 labelled files" in found.stdout
    assert "unlisted (not one of the labels): 1" in found.stdout


def test_what_nobody_recognizes_lists_all_kinds(tmp_path: Path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError) as caught:
        check_data(data=str(tmp_path))
    for kind in KINDS:
        assert f"{kind.name} (--preset {kind.preset}): " in str(caught.value)
    with pytest.raises(UserError, match=r"neither a file .*the corpora are: .*pets"):
        check_data(data=str(tmp_path / "nothing"))


def test_settings_of_the_preset_count(tmp_path: Path):
    (tmp_path / "train.tsv").write_text("a b c\td e f\nx\ty\n")
    (tmp_path / "validation.tsv").write_text("u\tv\n")
    assert check_data(data=str(tmp_path)).ok
    report = check_data(data=str(tmp_path), settings={"task.max_tokens": 2})
    assert report.findings == {"too_long": [("train:train.tsv:1", "3 and 3 words")]}


def test_a_split_that_cannot_be_read_is_a_finding(tmp_path: Path):
    """Of speech as of pairs, where another split can be."""
    write_wav(tmp_path / "a.wav", np.random.default_rng(0).uniform(-1, 1, 16000), 16000)
    table = "wav_filename,transcript\na.wav,hello\n"
    (tmp_path / "train.csv").write_text(table)
    report = check_data(data=str(tmp_path), preset="deepspeech2_toy")
    assert report.counts["usable"] == 1
    assert report.findings == {
        "unread": [
            ("validation", f"{tmp_path}: 1 utterances, too few to hold some out")
        ]
    }
    (tmp_path / "validation.csv").write_text(table + "a.wav\n")
    (tmp_path / "test.csv").write_text(table.replace("hello", "hello there"))
    report = check_data(data=str(tmp_path), preset="deepspeech2_toy")
    assert list(report.findings) == ["unread", "conflict", "overlap", "same_name"]
    ((split, reason),) = report.findings["unread"]
    assert split == "validation"
    assert "validation.csv:3: 1 values for the 2 columns" in reason
    for name in ("train", "test"):
        (tmp_path / f"{name}.csv").write_text("")
    with pytest.raises(UserError, match=r"train\.csv:1: the columns are ;"):
        check_data(data=str(tmp_path), preset="deepspeech2_toy")
