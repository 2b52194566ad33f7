"""Corpora of voices: the layouts they unpack in, their splits, what is refused."""

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.corpora import CORPORA, ljspeech, m_ailabs
from s2s_zoo.data.corpora.held_out import of_split
from s2s_zoo.data.corpora.ljspeech import LJSpeech
from s2s_zoo.data.corpora.lookup import find_corpus
from s2s_zoo.data.corpora.m_ailabs import MAilabs
from s2s_zoo.data.kinds.utterances import Utterances
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.errors import UserError
from tests.data.conftest import Serve

UTTERANCES = Utterances()
BOOKS = {
    "en_US/by_book/female/mary_ann/northandsouth": 3,
    "en_US/by_book/male/elliot_miller/hunters_space": 2,
    "de_DE/by_book/mix/zirkuskind": 4,
}


@pytest.fixture(autouse=True)
def no_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no shared data."""
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("S2S_ZOO_DATA_DIR", raising=False)


def book(folder: Path, names: list[str]) -> Path:
    (folder / "wavs").mkdir(parents=True)
    for name in names:
        soundfile.write(folder / f"wavs/{name}.wav", np.zeros(1600), 16000)
    lines = (f"{name}|In 7|In seven\n" for name in names)
    (folder / "metadata.csv").write_text("".join(lines))
    return folder


def lj_names(count: int) -> list[str]:
    return [f"LJ001-{i:04}" for i in range(1, count + 1)]


def make_m_ailabs(directory: Path) -> Path:
    for path, count in BOOKS.items():
        name = Path(path).name
        book(directory / path, [f"{name}_01_f{i:06}" for i in range(count)])
    empty = directory / "en_US/by_book/female/mary_ann/midnight_passenger"
    empty.mkdir()
    (empty / "metadata.csv").touch()
    return directory


def test_held_out_are_the_smallest_hashes() -> None:
    names = [f"LJ{i // 100:03}-{i % 100:04}" for i in range(13_100)]
    every = [Utterance(name, "", 1.0, "") for name in names]
    found = {s: of_split(every, s) for s in ("train", "validation", "test")}
    assert [len(part) for part in found.values()] == [12_500, 100, 500]
    assert sorted(u.name for part in found.values() for u in part) == names
    order = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert {u.name for u in found["validation"]} == set(order[:100])
    assert {u.name for u in found["test"]} == set(order[100:600])
    assert [len(of_split(every[:3], split)) for split in found] == [1, 1, 1]


def test_ljspeech(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = book(tmp_path / "tts_ljspeech_mini" / "LJSpeech-1.1", lj_names(9)).parent
    corpus = CORPORA.get("LJSpeech")
    for directory in (place, place / "LJSpeech-1.1"):
        assert corpus.found_in(directory)
        assert len(corpus.read("train", directory)) == 7
    assert not corpus.found_in(book(tmp_path / "mine", ["clip"]))
    monkeypatch.setenv("S2S_ZOO_DATA_DIR", str(tmp_path))
    assert find_corpus(corpus) == place
    (one,) = UTTERANCES.read("ljspeech", "test")
    assert (one.transcript, one.seconds) == ("In seven", 0.1)
    with pytest.raises(UserError, match="9 utterances; LJSpeech has 13100"):
        corpus.prepare(place, progress=False)
    with pytest.raises(UserError, match=r"mine: no metadata\.csv of LJSpeech is here"):
        corpus.read("train", tmp_path / "mine")


def test_ljspeech_is_fetched(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    book(tmp_path / "LJSpeech-1.1", lj_names(4))
    (tmp_path / "served").mkdir()
    base = str(tmp_path / "served/a")
    name = shutil.make_archive(base, "bztar", tmp_path, "LJSpeech-1.1")
    digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    monkeypatch.setattr(ljspeech, "URL", f"{serve(tmp_path / 'served')}/a.tar.bz2")
    monkeypatch.setattr(ljspeech, "COUNT", 4)
    with pytest.raises(UserError, match=f"received {digest}"):
        LJSpeech().prepare(progress=False)
    monkeypatch.setattr(ljspeech, "SHA256", digest)
    place = LJSpeech().prepare(progress=False)
    assert [path.name for path in place.iterdir()] == ["LJSpeech-1.1"]
    assert len(LJSpeech().read("train", place)) == 2


def test_m_ailabs_by_language_and_voice(tmp_path: Path) -> None:
    place = make_m_ailabs(tmp_path / "books")
    every = {
        "m_ailabs": {"mary_ann": 3, "elliot_miller": 2},
        "m_ailabs:en_US/mary_ann": {"mary_ann": 3},
        "m_ailabs:de_DE": {"mix": 4},
    }
    for name, voices in every.items():
        corpus = CORPORA.get("m_ailabs")
        corpus = corpus.of_size(size) if (size := name.partition(":")[2]) else corpus
        for directory in (place, place / corpus.tag):
            assert corpus.found_in(directory)
            parts = [corpus.read(split, directory) for split in corpus.splits]
            found = [u for part in parts for u in part]
            assert {v: [u.speaker for u in found].count(v) for v in voices} == voices
            assert len(found) == sum(voices.values())
            assert {u.transcript for u in found} == {"In seven"}
    assert not MAilabs().found_in(place / "de_DE")
    assert MAilabs().prepare(place, progress=False) == place
    with pytest.raises(UserError, match="the voices are elliot_miller, mary_ann"):
        MAilabs(voice="judy").read("train", place)
    with pytest.raises(UserError, match=r"no en_US/by_book is here"):
        MAilabs().read("train", tmp_path)


@pytest.mark.parametrize("size", ["en", "en_US/", "", "en_US/a/b", "/mary_ann"])
def test_a_language_that_m_ailabs_has_not(size: str) -> None:
    with pytest.raises(UserError, match=r"a TAG of en_US, en_UK, de_DE, .* Received: "):
        CORPORA.get("m_ailabs").of_size(size)


def test_m_ailabs_is_fetched(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_m_ailabs(tmp_path / "books")
    (tmp_path / "served").mkdir()
    packed = shutil.make_archive(
        str(tmp_path / "served/de_DE"), "gztar", tmp_path / "books", "de_DE"
    )
    Path(packed).rename(tmp_path / "served/de_DE.tgz")
    monkeypatch.setattr(m_ailabs, "URL", serve(tmp_path / "served"))
    place = CORPORA.get("m_ailabs").of_size("de_DE").prepare(progress=False)
    assert place == tmp_path / "cache/m_ailabs"
    assert [path.name for path in place.iterdir()] == ["de_DE"]
    assert len(UTTERANCES.read("m_ailabs:de_DE", "train")) == 2
    with pytest.raises(UserError, match="data prepare m_ailabs:en_US/mary_ann"):
        UTTERANCES.read("m_ailabs:en_US/mary_ann", "train")
