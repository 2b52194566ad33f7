"""Which task data is for, by its name, its files' names and their first lines."""

import gzip
from pathlib import Path

import pytest

from s2s_zoo.data.corpora.layouts import PAIRS, SPEECH, task_of

LAYOUTS = {
    "aligned": ({"train.en": "a", "train.de": "b"}, PAIRS),
    "packed": ({"train.en.gz": "a", "train.pt-BR.gz": "b"}, PAIRS),
    "columns": ({"train.tsv": ""}, PAIRS),
    "memory": ({"dev.tmx.gz": "<tmx/>"}, PAIRS),
    "texts": ({"train.jsonl": '{"source": "a", "target": "b"}'}, PAIRS),
    "summaries": ({"test.json": '\n{"document": "a", "summary": "b"}'}, PAIRS),
    "manifest": ({"train.csv": "wav_filename,transcript"}, SPEECH),
    "spoken": ({"train.jsonl": '\n{"text": "a", "audio_filepath": "b"}'}, SPEECH),
    "features": ({"train.csv": "utt,frames,transcript", "train.npz": ""}, SPEECH),
    "read aloud": ({"metadata.csv": "a|b"}, SPEECH),
    "settings beside": ({"train.csv": "", "config.json": '{"source": 1}'}, SPEECH),
    "one language": ({"train.en": "a"}, None),
    "unknown": ({"train.txt": "a", "train.mp3": "b", "notes.en": "c"}, None),
    "neither": ({"train.jsonl": '{"answer": "a"}'}, None),
    "nothing": ({}, None),
}


def write(directory: Path, files: dict[str, str]) -> Path:
    for name, text in files.items():
        content = text.encode()
        packed = gzip.compress(content) if name.endswith(".gz") else content
        (directory / name).write_bytes(packed)
    return directory


@pytest.mark.parametrize("name", LAYOUTS)
def test_directories(tmp_path: Path, name: str):
    files, expected = LAYOUTS[name]
    assert task_of(str(write(tmp_path, files))) == expected


def test_paths_of_files(tmp_path: Path):
    write(tmp_path, {"corpus.en": "a", "corpus.de.gz": "b", "other.en": "c"})
    for name in ("corpus", "corpus.en", "corpus.de.gz", "corpus.de"):
        assert task_of(str(tmp_path / name)) == PAIRS
    for name in ("other.en", "other", "none", "none/at/all"):
        assert task_of(str(tmp_path / name)) is None
    write(tmp_path, {"a.tsv": "", "b.csv": "", "c.json": '{"prompt": 1}'})
    found = [task_of(str(tmp_path / name)) for name in ("a.tsv", "b.csv", "c.json")]
    assert found == [PAIRS, SPEECH, PAIRS]


def test_corpora(tmp_path: Path):
    assert task_of("demo-numbers") == PAIRS
    assert task_of("an4") == SPEECH
    (tmp_path / "recordings").mkdir()
    (tmp_path / "recordings" / "0_jackson_0.wav").touch()
    assert task_of(str(tmp_path)) == SPEECH
