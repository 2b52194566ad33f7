import hashlib
import logging
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.corpora import CORPORA, an4, fsdd, librispeech
from s2s_zoo.data.corpora.an4 import An4, validation_speakers
from s2s_zoo.data.corpora.fsdd import Fsdd
from s2s_zoo.data.corpora.librispeech import LibriSpeech
from s2s_zoo.data.corpora.lookup import find_corpus
from s2s_zoo.data.download import tree_sha256
from s2s_zoo.data.kinds.utterances import Utterances
from s2s_zoo.data.manifests import Utterance
from s2s_zoo.data.precomputed import load_features
from s2s_zoo.errors import UserError
from tests.data.conftest import Serve

UTTERANCES = Utterances()


def roles(data: Path | str) -> dict[str, str]:
    return UTTERANCES.open(str(data)).all_roles()


@pytest.fixture(autouse=True)
def no_corpora(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache and no shared data."""
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("S2S_ZOO_DATA_DIR", raising=False)


def clip(path: Path, seconds: float = 0.1, rate: int = 16000, **format: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(int(seconds * rate)), rate, **format)


def make_fsdd(directory: Path) -> Path:
    for digit in (0, 7):
        for index in range(12):
            clip(directory / f"recordings/{digit}_jackson_{index}.wav", rate=8000)
    return directory


def make_an4(directory: Path, speakers: int = 20) -> Path:
    names = [f"an{i}-s{i % speakers:02}-b" for i in range(2 * speakers)]
    for name in names:
        speaker = name.split("-")[1]
        path = directory / f"wav/an4_clstk/{speaker}/{name}.sph"
        clip(path, format="NIST", subtype="PCM_16")
    clip(
        directory / "wav/an4test_clstk/fcaw/an406-fcaw-b.sph",
        format="NIST",
        subtype="PCM_16",
    )
    (directory / "etc").mkdir()
    train = "".join(f"<s> YES NO </s> ({name})\n" for name in names)
    (directory / "etc/an4_train.transcription").write_text(train)
    test = "RUBOUT G M E F (an406-fcaw-b)\n"
    (directory / "etc/an4_test.transcription").write_text(test)
    return directory


def make_subset(directory: Path, subset: str, speakers: int = 2) -> Path:
    for speaker in range(speakers):
        chapter = directory / f"LibriSpeech/{subset}/{speaker}/9"
        clip(chapter / f"{speaker}-9-0000.flac")
        line = f"{speaker}-9-0000 HELLO {subset.upper()}\n"
        (chapter / f"{speaker}-9.trans.txt").write_text(line)
    return directory


def test_registry():
    assert {"an4", "fsdd", "librispeech", "librispeech_960"} <= set(CORPORA.names())
    for name in CORPORA.names():
        corpus = CORPORA.get(name)
        assert corpus.name == name
        assert corpus.summary
        assert corpus.licence
        assert corpus.languages
        roles = corpus.roles(Path("."))
        assert set(roles) <= {"train", "validation", "test"}
        for split in roles.values():
            assert set(split.split("+")) <= set(corpus.splits)
        with pytest.raises(UserError, match=f"{name} has no split 'x'; it has: "):
            corpus.read("x", Path("."))


def test_fsdd_splits(tmp_path: Path):
    corpus = Fsdd()
    place = make_fsdd(tmp_path)
    assert corpus.found_in(place)
    read = {split: corpus.read(split, place) for split in corpus.splits}
    indices = {
        split: sorted(int(u.name.split("_")[2].removesuffix(".wav")) for u in listed)
        for split, listed in read.items()
    }
    assert indices == {
        "test": sorted([0, 1, 2, 3, 4] * 2),
        "validation": sorted([5, 6, 7, 8, 9] * 2),
        "train": sorted([10, 11] * 2),
    }
    source = str(tmp_path / "recordings/7_jackson_10.wav")
    expected = Utterance("recordings/7_jackson_10.wav", source, 0.1, "seven", "jackson")
    assert expected in read["train"]


def test_fsdd_refuses_other_recordings(tmp_path: Path):
    with pytest.raises(UserError, match="not those of commit 26eb9aa: expected"):
        Fsdd().prepare(make_fsdd(tmp_path), progress=False)


def test_fsdd_is_fetched_and_verified(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    top = make_fsdd(tmp_path / f"free-spoken-digit-dataset-{fsdd.COMMIT}")
    (tmp_path / "served").mkdir()
    shutil.make_archive(str(tmp_path / "served/a"), "gztar", tmp_path, top.name)
    monkeypatch.setattr(fsdd, "URL", f"{serve(tmp_path / 'served')}/a.tar.gz")
    cache = tmp_path / "cache/fsdd"
    with pytest.raises(UserError, match="not those of commit"):
        Fsdd().prepare(progress=False)
    assert list(cache.iterdir()) == []
    digest = tree_sha256(top, "recordings/*.wav")
    monkeypatch.setattr(fsdd, "RECORDINGS_SHA256", digest)
    assert Fsdd().prepare(progress=False) == cache
    assert [path.name for path in cache.iterdir()] == ["recordings"]
    assert find_corpus(Fsdd()) == cache
    assert len(UTTERANCES.read("fsdd", "train")) == 4
    assert Fsdd().prepare(progress=False) == cache


def test_an4_validation_speakers():
    """The two of twenty codes with the smallest SHA-256."""
    codes = [f"s{i:02}" for i in range(20)]
    by_hash = sorted(codes, key=lambda code: hashlib.sha256(code.encode()).hexdigest())
    assert validation_speakers(codes * 3) == set(by_hash[:2])


def test_an4_sphere_tree(tmp_path: Path):
    make_an4(tmp_path / "an4")
    corpus = An4()
    for place in (tmp_path, tmp_path / "an4"):
        assert corpus.found_in(place)
        train = corpus.read("train", place)
        validation = corpus.read("validation", place)
        assert (len(train), len(validation)) == (36, 4)
        assert not {u.speaker for u in train} & {u.speaker for u in validation}
        source = tmp_path / "an4/wav/an4test_clstk/fcaw/an406-fcaw-b.sph"
        assert corpus.read("test", place) == [
            Utterance("an406-fcaw-b", str(source), 0.1, "rubout g m e f", "fcaw")
        ]
        assert train[0].transcript == "yes no"


def test_an4_refuses_another_number_of_utterances(tmp_path: Path):
    with pytest.raises(UserError, match="train has 40 utterances; AN4 has 948"):
        An4().prepare(make_an4(tmp_path / "an4"), progress=False)


def test_an4_names_a_bad_line(tmp_path: Path):
    listing = make_an4(tmp_path) / "etc/an4_test.transcription"
    listing.write_text("YES (an406-fcaw-b)\nNO\n")
    with pytest.raises(UserError, match=r"an4_test\.transcription:2: want TEXT"):
        An4().read("test", tmp_path)


def test_an4_is_fetched(tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch):
    make_an4(tmp_path / "an4")
    (tmp_path / "served").mkdir()
    name = shutil.make_archive(str(tmp_path / "served/a"), "gztar", tmp_path, "an4")
    digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
    monkeypatch.setattr(an4, "URL", f"{serve(tmp_path / 'served')}/a.tar.gz")
    monkeypatch.setattr(an4, "COUNTS", {"train": 40, "test": 1})
    with pytest.raises(UserError, match=f"received {digest}"):
        An4().prepare(progress=False)
    monkeypatch.setattr(an4, "SHA256", digest)
    place = An4().prepare(progress=False)
    assert [path.name for path in place.iterdir()] == ["an4"]
    assert len(An4().read("train", place)) == 36


def test_librispeech(tmp_path: Path):
    for subset in ("train-clean-100", "train-clean-360", "test-other"):
        make_subset(tmp_path, subset)
    corpus = LibriSpeech()
    assert corpus.found_in(tmp_path)
    assert corpus.roles(tmp_path) == {"train": "train-clean-100", "test": "test-other"}
    assert CORPORA.get("librispeech-960").roles(tmp_path) == {
        "train": "train-clean-100+train-clean-360",
        "test": "test-other",
    }
    joined = corpus.read("train-clean-100+train-clean-360", tmp_path)
    assert [u.transcript for u in joined] == [
        *["hello train-clean-100"] * 2,
        *["hello train-clean-360"] * 2,
    ]
    with pytest.raises(UserError, match="dev-clean is not here"):
        corpus.read("dev-clean", tmp_path)


def test_librispeech_is_fetched(
    tmp_path: Path, serve: Serve, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "served").mkdir()
    subsets = ("train-clean-100", "dev-clean", "test-clean")
    for subset in subsets:
        make_subset(tmp_path / subset, subset)
        base = tmp_path / "served" / subset
        path = Path(shutil.make_archive(str(base), "gztar", tmp_path / subset))
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        monkeypatch.setitem(librispeech.SHA256, subset, digest)
        monkeypatch.setitem(librispeech.COUNTS, subset, 2)
    monkeypatch.setattr(librispeech, "URL", serve(tmp_path / "served"))
    place = LibriSpeech().prepare(progress=False)
    assert place == tmp_path / "cache/librispeech"
    left = {path.name for path in place.iterdir()}
    assert left == {"LibriSpeech", *(f"{subset}.csv" for subset in subsets)}
    assert [u.transcript for u in UTTERANCES.read("librispeech", "validation")] == [
        "hello dev-clean"
    ] * 2
    assert LibriSpeech().prepare(progress=False) == place


def test_librispeech_refuses_an_incomplete_subset(tmp_path: Path):
    make_subset(tmp_path, "train-clean-100")
    with pytest.raises(UserError, match="has 2 utterances; LibriSpeech has 28539"):
        LibriSpeech().prepare(tmp_path, progress=False)


def test_a_corpus_that_is_not_here():
    with pytest.raises(UserError, match="s2s-zoo data prepare librispeech"):
        UTTERANCES.read("librispeech", "train")


def test_shared_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("S2S_ZOO_DATA_DIR", str(tmp_path))
    make_subset(tmp_path / "asr_librispeech_mini", "test-other")
    make_fsdd(tmp_path / "asr_fsdd")
    assert len(UTTERANCES.read("LibriSpeech", "test")) == 2
    assert len(UTTERANCES.read("fsdd", "test")) == 10


def test_own_split_names(tmp_path: Path):
    make_subset(tmp_path, "test-other")
    make_subset(tmp_path, "dev-other")
    assert len(UTTERANCES.read(str(tmp_path), "test-other")) == 2
    assert len(UTTERANCES.read(str(tmp_path), "test-other+dev-other")) == 4
    assert roles(tmp_path) == {"validation": "dev-other", "test": "test-other"}
    with pytest.raises(UserError, match="no split 'train'; it has: dev-clean"):
        UTTERANCES.read(str(tmp_path), "train")


def manifest(path: Path, count: int, prefix: str = "u") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    rows = (f"{prefix}{i}.wav,text {i},1.0\n" for i in range(count))
    path.write_text("wav_filename,transcript,seconds\n" + "".join(rows))
    return path


def test_directory_of_manifests(tmp_path: Path):
    for name, count in (("train.csv", 5), ("validation.csv", 3), ("test.csv", 2)):
        manifest(tmp_path / name, count)
    assert roles(tmp_path) == {
        "train": "train",
        "validation": "validation",
        "test": "test",
    }
    counts = {s: len(UTTERANCES.read(str(tmp_path), s)) for s in roles(tmp_path)}
    assert counts == {"train": 5, "validation": 3, "test": 2}


def test_directory_of_json_lines(tmp_path: Path):
    line = '{"audio_filepath": "a.wav", "duration": 1, "text": "hi"}\n'
    (tmp_path / "train.jsonl").write_text(line)
    (tmp_path / "dev.json").write_text(line * 2)
    assert len(UTTERANCES.read(str(tmp_path), "train")) == 1
    assert len(UTTERANCES.read(str(tmp_path), "validation")) == 2
    assert len(UTTERANCES.read(str(tmp_path), "train+validation")) == 3
    for split in ("test", "train+test"):
        with pytest.raises(UserError, match="it has: train, validation"):
            UTTERANCES.read(str(tmp_path), split)


def test_held_out_validation(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    manifest(tmp_path / "train.csv", 200)
    with caplog.at_level(logging.INFO):
        train = UTTERANCES.read(str(tmp_path), "train")
        validation = UTTERANCES.read(str(tmp_path), "validation")
    names = [f"u{i}.wav" for i in range(200)]
    by_hash = sorted(names, key=lambda name: hashlib.sha256(name.encode()).hexdigest())
    assert {u.name for u in validation} == set(by_hash[:10])
    assert {u.name for u in train} == set(by_hash[10:])
    assert "10 of the 200 utterances of train are held out" in caplog.text
    assert roles(tmp_path) == {"train": "train", "validation": "5 % of train"}


def test_a_lone_manifest(tmp_path: Path):
    path = str(manifest(tmp_path / "all.csv", 40))
    assert roles(path) == {"train": "all.csv", "validation": "5 % of train"}
    counts = [
        len(UTTERANCES.read(path, split)) for split in ("train", "validation", "test")
    ]
    assert counts == [38, 2, 40]
    one = str(manifest(tmp_path / "one.csv", 1))
    assert len(UTTERANCES.read(one, "test")) == 1
    with pytest.raises(UserError, match="1 utterances, too few to hold some out"):
        UTTERANCES.read(one, "validation")
    assert UTTERANCES.read(one, "train") == UTTERANCES.read(one, "test")


def test_nothing_of_that_name(tmp_path: Path):
    with pytest.raises(UserError, match=r"the corpora are: .*an4.*fsdd"):
        UTTERANCES.read("librspeech", "train")
    with pytest.raises(
        UserError,
        match=r"no train, validation or test of utterances; it holds nothing; accepted",
    ):
        UTTERANCES.read(str(tmp_path), "train")


def test_real_fsdd(data_dir: Path):
    place = data_dir / "asr_fsdd"
    assert Fsdd().prepare(place, progress=False) == place
    official = {"test": set(), "train": set()}
    for split, names in official.items():
        rows = (place / f"{split}.csv").read_text().splitlines()[1:]
        names.update(tuple(row.split(",")[::2][:2]) for row in rows)
    read = {split: Fsdd().read(split, place) for split in Fsdd().splits}
    assert {s: len(u) for s, u in read.items()} == {
        "train": 2400,
        "validation": 300,
        "test": 300,
    }
    pairs = {s: {(u.name, u.transcript) for u in read[s]} for s in read}
    assert pairs["test"] == official["test"]
    assert pairs["train"] | pairs["validation"] == official["train"]
    assert set(Counter(u.speaker for u in read["validation"]).values()) == {50}


def test_real_an4(data_dir: Path):
    place = An4().prepare(data_dir / "asr_an4", progress=False)
    read = {split: An4().read(split, place) for split in An4().splits}
    assert len(read["train"]) + len(read["validation"]) == 948
    assert len(read["test"]) == 130
    speakers = {split: {u.speaker for u in listed} for split, listed in read.items()}
    assert {split: len(codes) for split, codes in speakers.items()} == {
        "train": 67,
        "validation": 7,
        "test": 10,
    }
    assert not speakers["train"] & speakers["validation"]
    transcripts = (place / "etc/an4_test.transcription").read_text().splitlines()
    assert [f"{u.transcript.upper()} ({u.name})" for u in read["test"]] == transcripts
    assert load_features(read["test"][0].source).shape[1] == 13


def test_real_librispeech(data_dir: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("S2S_ZOO_DATA_DIR", str(data_dir))
    assert len(UTTERANCES.read("librispeech", "test-other")) == 100
    assert len(UTTERANCES.read("librispeech", "train")) == 76
    assert len(UTTERANCES.read("librispeech", "validation")) == 4
