import wave
from pathlib import Path

import pytest

from s2s_zoo.data.corpora import CORPORA, demo_voice
from s2s_zoo.data.corpora.demo_voice import DemoVoice, script
from s2s_zoo.data.speech_symbols import SpeechText

SPLITS = {"train": 1600, "validation": 32, "test": 64}


def test_one_voice_reads_different_sentences_in_each_split() -> None:
    lines = script()
    assert {split: len(found) for split, found in lines.items()} == SPLITS
    every = [line for found in lines.values() for line in found]
    assert len({line.text for line in every}) == len(every)
    assert len({line[1:] for line in every}) == 1
    assert lines == script()


def test_words_of_held_out_sentences_are_learned() -> None:
    lines, strip = script(), str.maketrans("", "", ".,?")
    words = {
        split: {w for line in found for w in line.text.translate(strip).split()}
        for split, found in lines.items()
    }
    assert words["validation"] | words["test"] <= words["train"]


def test_every_sentence_is_read_as_it_is() -> None:
    text = SpeechText()
    for found in script().values():
        for line in found:
            assert text.symbols(line.text) == line.text
            assert len(text.encode(line.text)) == len(line.text) + 1


def test_is_made_on_this_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    corpus = CORPORA.get("demo-voice")
    assert corpus == DemoVoice()
    assert corpus.made_locally
    few = {split: lines[:2] for split, lines in script().items()}
    monkeypatch.setattr(demo_voice, "script", lambda: few)
    directory = corpus.prepare(tmp_path / "voice", progress=False)
    assert corpus.found_in(directory)
    assert not CORPORA.get("demo_speech").found_in(directory)
    for split, lines in few.items():
        read = corpus.read(split, directory)
        assert [u.transcript for u in read] == [line.text for line in lines]
        with wave.open(read[0].source) as file:
            assert (file.getnchannels(), file.getframerate()) == (1, 16000)
