import sys
import wave
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.audio import read_audio
from s2s_zoo.data.corpora import CORPORA, demo_speech
from s2s_zoo.data.corpora.demo_speech import DemoSpeech, Part, script
from s2s_zoo.errors import UserError

CORPUS = DemoSpeech()
SPLITS = ("train", "validation", "test")


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three utterances a split."""
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    parts = {split: Part(3, ("+f2",)) for split in SPLITS}
    monkeypatch.setattr(demo_speech, "PARTS", parts)


def content(directory: Path) -> dict[str, bytes]:
    files = (path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): path.read_bytes() for path in files}


def test_is_registered() -> None:
    assert CORPORA.get("demo-speech") == CORPUS
    assert CORPUS.made_locally


def test_splits_share_neither_sentences_nor_voices() -> None:
    lines = script()
    for kind in ("text", "voice"):
        heard = [{getattr(line, kind) for line in lines[split]} for split in SPLITS]
        assert len(set.union(*heard)) == sum(map(len, heard))
    variants = [{line.voice.partition("+")[2] for line in lines[s]} for s in SPLITS]
    assert len(set.union(*variants)) == sum(map(len, variants))


def test_every_word_is_learned_often() -> None:
    lines = script()
    words = Counter(word for line in lines["train"] for word in line.text.split())
    assert 60 <= len(words) <= 90
    assert min(words.values()) >= 30
    held = (line for split in SPLITS[1:] for line in lines[split])
    assert {word for line in held for word in line.text.split()} <= set(words)


def test_the_script_is_always_the_same() -> None:
    lines = script()
    assert lines == script()
    assert [len(lines[split]) for split in SPLITS] == [2400, 200, 200]
    assert all(2 <= len(line.text.split()) <= 7 for line in lines["train"])


def test_the_whole_corpus_is_short_utterances_that_read_back(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    directory = CORPUS.prepare(tmp_path / "demo", progress=False)
    for split, lines in script().items():
        utterances = CORPUS.read(split, directory)
        assert [u.transcript for u in utterances] == [line.text for line in lines]
        assert [u.speaker for u in utterances] == [line.voice for line in lines]
        assert all(0.8 < u.seconds < 2.05 for u in utterances)
        assert 1.0 < np.mean([u.seconds for u in utterances]) < 1.5
        for utterance in utterances[::50]:
            audio = read_audio(utterance.source, 16000)
            assert len(audio) == round(utterance.seconds * 16000)
            assert np.abs(audio).max() > 0.1


@pytest.mark.usefixtures("tiny")
def test_files_are_16_bit_mono_and_repeat_bit_for_bit(tmp_path: Path) -> None:
    first = CORPUS.prepare(tmp_path / "first", progress=True)
    second = CORPUS.prepare(tmp_path / "second", progress=False)
    assert content(first) == content(second)
    with wave.open(CORPUS.read("test", first)[0].source) as file:
        form = (file.getnchannels(), file.getsampwidth(), file.getframerate())
    assert form == (1, 2, 16000)


@pytest.mark.usefixtures("tiny")
def test_lies_in_the_cache_and_is_made_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path))
    directory = CORPUS.prepare(progress=False)
    assert directory == CORPUS.home()
    assert str(demo_speech.VERSION) in directory.name
    assert CORPUS.found_in(directory)
    monkeypatch.setattr(demo_speech, "_synthesize", None)
    assert CORPUS.prepare(progress=False) == directory
    assert list(tmp_path.iterdir()) == [directory]


@pytest.mark.usefixtures("tiny")
def test_an_interrupted_synthesis_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(demo_speech, "write_manifest", interrupt)
    with pytest.raises(KeyboardInterrupt):
        CORPUS.prepare(tmp_path / "demo", progress=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("tiny")
def test_the_corpus_of_a_faster_process_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthesize = demo_speech._synthesize
    directory = tmp_path / "demo"

    def overtaken(lines: dict, made: Path, progress: bool) -> None:
        synthesize(lines, made, progress)
        monkeypatch.setattr(demo_speech, "_synthesize", synthesize)
        CORPUS.prepare(directory, progress=False)
        (directory / "winner").touch()

    monkeypatch.setattr(demo_speech, "_synthesize", overtaken)
    CORPUS.prepare(directory, progress=False)
    assert (directory / "winner").exists()
    assert list(tmp_path.iterdir()) == [directory]


def test_a_directory_of_something_else_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(UserError, match="new or an empty directory"):
        CORPUS.prepare(tmp_path, progress=False)
    with pytest.raises(UserError, match="data prepare demo_speech"):
        CORPUS.read("train", tmp_path)
    with pytest.raises(UserError, match="no split 'dev'"):
        CORPUS.read("dev", tmp_path)


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"):
        CORPUS.prepare(tmp_path / "file" / "demo", progress=False)


def test_without_espeak_both_ways_on_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "espeakng_loader", None)
    with pytest.raises(UserError) as failure:
        CORPUS.prepare(tmp_path / "demo", progress=False)
    assert "pip install 's2s-zoo[demo]'" in str(failure.value)
    assert "--data" in str(failure.value)
