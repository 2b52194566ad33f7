"""Which kind of examples data holds, by its name, its files' names and first lines."""

import gzip
from pathlib import Path

import pytest

from s2s_zoo.data.kinds import KINDS
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.errors import UserError

LAYOUTS = {
    "aligned": ({"train.en": "a", "train.de": "b"}, "pairs"),
    "packed": ({"train.en.gz": "a", "train.pt-BR.gz": "b"}, "pairs"),
    "columns": ({"train.tsv": ""}, "pairs"),
    "memory": ({"dev.tmx.gz": "<tmx/>"}, "pairs"),
    "texts": ({"train.jsonl": '{"source": "a", "target": "b"}'}, "pairs"),
    "summaries": ({"test.json": '\n{"document": "a", "summary": "b"}'}, "pairs"),
    "manifest": ({"train.csv": "wav_filename,transcript"}, "utterances"),
    "spoken": ({"train.jsonl": '\n{"text": "a", "audio_filepath": "b"}'}, "utterances"),
    "features": ({"train.csv": "utt,frames,transcript"}, "utterances"),
    "read aloud": ({"metadata.csv": "a|b"}, "utterances"),
    "settings beside": (
        {"train.csv": "", "config.json": '{"source": 1}'},
        "utterances",
    ),
    "contents before names": (
        {"train.jsonl": '{"source": "a", "target": "b"}', "test.csv": ""},
        "pairs",
    ),
    "two kinds alike": ({"train.csv": "", "train.tsv": ""}, None),
    "one language": ({"train.en": "a"}, None),
    "plain text": ({"train.txt": "a", "train.mp3": "b", "notes.en": "c"}, "texts"),
    "packed text": ({"valid.tokens.gz": "a"}, "texts"),
    "unknown": ({"train.doc": "a", "train.mp3": "b", "notes.en": "c"}, None),
    "neither": ({"train.jsonl": '{"answer": "a"}'}, None),
    "nothing": ({}, None),
}


def found(data: str | Path) -> str | None:
    kind = kind_of(str(data))
    return kind.name if kind else None


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        content = text.encode()
        packed = gzip.compress(content) if name.endswith(".gz") else content
        (directory / name).write_bytes(packed)
    return directory


@pytest.mark.parametrize("name", LAYOUTS)
def test_directories(tmp_path: Path, name: str):
    files, expected = LAYOUTS[name]
    assert found(write(tmp_path, files)) == expected


def test_paths_of_files(tmp_path: Path):
    write(tmp_path, {"corpus.en": "a", "corpus.de.gz": "b", "other.en": "c"})
    for name in ("corpus", "corpus.en", "corpus.de.gz", "corpus.de"):
        assert found(tmp_path / name) == "pairs"
    for name in ("other.en", "other", "none", "none/at/all"):
        assert found(tmp_path / name) is None
    write(tmp_path, {"a.tsv": "", "b.csv": "", "c.json": '{"prompt": 1, "reply": 2}'})
    kinds = [found(tmp_path / name) for name in ("a.tsv", "b.csv", "c.json")]
    assert kinds == ["pairs", "utterances", "pairs"]


def test_corpora(tmp_path: Path):
    assert found("demo-numbers") == "pairs"
    assert found("an4") == "utterances"
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "0_jackson_0.wav").touch()
    assert found(tmp_path) == "utterances"


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-that-name/x"])
def test_what_no_path_is_called(name: str):
    for kind in KINDS:
        with pytest.raises(UserError, match="no such path"):
            kind.open(name)
    with pytest.raises(UserError, match="no such path"):
        kind_of(name)
