"""Corpora of labelled recordings, clips of one length and their batches."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.audio_clips import of_length, parts_of, read_clip
from s2s_zoo.data.augmentation import AudioAugmentation
from s2s_zoo.data.corpora import CORPORA, demo_commands
from s2s_zoo.data.corpora.demo_commands import COMMANDS, LABELS, WORDS, script
from s2s_zoo.data.kinds.labelled_recordings import LabelledRecordings
from s2s_zoo.data.labelled import Labelled
from s2s_zoo.data.labelled_audio import LabelledAudioBatches
from s2s_zoo.errors import UserError

ROLES = ("train", "validation", "test")
RATE = 16000


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("S2S_ZOO_DATA_DIR", raising=False)


def write(path: Path, samples: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, samples, RATE, subtype="FLOAT")
    return path


def ramp(count: int) -> np.ndarray:
    return (np.arange(count) / (40 * RATE)).astype("float32")


def test_a_part_of_a_file_is_read(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.wav", ramp(RATE)))
    part = read_clip(f"{path}#t=0.25,0.5", RATE)
    np.testing.assert_array_equal(part, ramp(RATE)[RATE // 4 : RATE // 2])
    np.testing.assert_array_equal(read_clip(path), ramp(RATE))
    with pytest.raises(UserError, match=r"within 1.00 s"):
        read_clip(f"{path}#t=0.5,1.5", RATE)


def test_parts_lie_in_their_share_one_after_another(tmp_path: Path) -> None:
    path = str(write(tmp_path / "a.wav", ramp(10 * RATE)))
    found = [part.partition("#t=")[2] for part in parts_of(path, 0.5, 0.95, 2)]
    assert found == ["5.000,7.000", "7.000,9.000"]


@pytest.mark.parametrize("size", [1, 4, 5, 9])
@pytest.mark.parametrize("shift", [-7, -1, 0, 2, 9])
def test_a_clip_stands_in_the_middle_and_moves(size: int, shift: int) -> None:
    audio = np.arange(1, 6, dtype="float32")
    start = (size - 5) // 2 + shift
    places = {start + i: value for i, value in enumerate(audio)}
    wanted = [places.get(i, 0.0) for i in range(size)]
    np.testing.assert_array_equal(of_length(audio, size, shift), wanted)


def batches(directory: Path, **options: object) -> LabelledAudioBatches:
    sizes = (RATE // 2, RATE, 2 * RATE)
    files = [write(directory / f"{size}.wav", ramp(size)) for size in sizes]
    examples = [Labelled(f.name, str(f), "a") for f in files]
    examples.append(Labelled("none", str(directory / "none.wav"), "b"))
    labels = np.array([0, 0, 0, 1], np.int32)
    return LabelledAudioBatches(examples, labels, RATE, RATE, **options)


def test_batches_have_clips_of_one_length(tmp_path: Path) -> None:
    found = batches(tmp_path)
    (batch,) = found.plan(4.0, shuffle=False).epoch(0)
    inputs, target = found.load(batch)
    order = list(batch.indices)
    assert inputs["source"].shape == (4, RATE)
    lengths = dict(zip(order, inputs["source_lengths"].tolist(), strict=True))
    assert lengths == {0: RATE, 1: RATE, 2: RATE, 3: 0}
    assert list(found.unreadable) == ["none"]
    rows = dict(zip(order, inputs["source"], strict=True))
    np.testing.assert_array_equal(rows[0][RATE // 4 :][: RATE // 2], ramp(RATE // 2))
    np.testing.assert_array_equal(rows[2], ramp(2 * RATE)[RATE // 2 : -RATE // 2])
    wanted = {0: 1, 1: 1, 2: 1, 3: 0}
    assert dict(zip(order, target["target_lengths"], strict=True)) == wanted
    assert found.units(inputs) == 3.0


def test_in_training_clips_move_by_epoch_and_seed_alone(tmp_path: Path) -> None:
    found = batches(tmp_path, shift=800, augmentation=AudioAugmentation(), seed=3)
    (batch,) = found.plan(4.0, shuffle=False).epoch(0)
    row = batch.indices.index(0)
    drawn = [found.load(batch, epoch)[0]["source"][row] for epoch in (0, 1, 2, 3)]
    starts = [int(np.flatnonzero(source)[0]) - 1 - RATE // 4 for source in drawn]
    assert len(set(starts)) > 1
    assert all(abs(start) <= 800 for start in starts)
    np.testing.assert_array_equal(found.load(batch, 2)[0]["source"][row], drawn[2])


@pytest.fixture
def speech_commands(tmp_path: Path) -> Path:
    """Three words of eight speakers, two of them unknown, and noise."""
    place = tmp_path / "speech_commands"
    for word in ("yes", "no", "bed", "cat"):
        for speaker in range(8):
            write(place / word / f"{speaker:08x}_nohash_0.wav", ramp(RATE))
    for noise in ("hum", "wind"):
        write(place / "_background_noise_" / f"{noise}.wav", ramp(20 * RATE))
    lists = {"validation_list.txt": (0,), "testing_list.txt": (1, 2)}
    for name, speakers in lists.items():
        words = ("yes", "no", "bed", "cat")
        lines = [f"{w}/{s:08x}_nohash_0.wav" for w in words for s in speakers]
        (place / name).write_text("\n".join(lines))
    return place


def read(place: Path, data: str) -> dict[str, list[Labelled]]:
    corpus = CORPORA.get(data.partition(":")[0])
    corpus = corpus.of_size(data.partition(":")[2]) if ":" in data else corpus
    return {role: corpus.read(role, place) for role in ROLES}


def test_the_lists_of_speech_commands_split_it(speech_commands: Path) -> None:
    found = read(speech_commands, "speech_commands")
    assert {role: len(found[role]) for role in ROLES} == {
        "train": 20,
        "validation": 4,
        "test": 8,
    }
    assert {e.label for e in found["train"]} == {"yes", "no", "bed", "cat"}
    assert {e.columns["speaker"] for e in found["test"]} == {"00000001", "00000002"}


def test_twelve_classes_have_unknown_words_and_silence(speech_commands: Path) -> None:
    found = read(speech_commands, "speech_commands:12")
    counts = {role: Counter(e.label for e in found[role]) for role in ROLES}
    assert counts["train"] == dict.fromkeys(("yes", "no", "_unknown_", "_silence_"), 5)
    assert counts["test"]["_unknown_"] == counts["test"]["_silence_"] == 2
    heard = [
        {e.source for e in found[role] if e.label == "_silence_"} for role in ROLES
    ]
    assert len(set.union(*heard)) == sum(map(len, heard))
    assert all(len(read_clip(part)) == RATE for part in set.union(*heard))


def test_folds_share_no_speaker(tmp_path: Path) -> None:
    for label in ("_silence_", "_unknown_", "yes"):
        for speaker in range(40):
            write(tmp_path / label / f"{speaker:08x}_nohash_0.wav", ramp(160))
    tested: Counter[str] = Counter()
    for fold in range(10):
        found = read(tmp_path, f"speech_commands_test:{fold}")
        speakers = [{e.columns["speaker"] for e in found[role]} for role in ROLES]
        assert len(set.union(*speakers)) == sum(map(len, speakers)) == 40
        tested.update(e.name for e in found["test"])
    assert set(tested.values()) == {1}
    assert len(tested) == 120


def test_voices_and_unknown_words_are_held_out() -> None:
    clips = {split: list(script(split, 1)) for split in ROLES}
    voices = [{c.voice for c in clips[split] if c.voice} for split in ROLES]
    assert len(set.union(*voices)) == sum(map(len, voices))
    for split in ROLES:
        counts = Counter(clip.label for clip in clips[split])
        assert set(counts) == set(LABELS)
        assert len(set(counts.values())) == 1
    said = {
        split: {c.word for c in clips[split] if c.label == "_unknown_"}
        for split in ROLES
    }
    assert said["train"] == set(WORDS["heard"].split())
    assert said["test"] & set(WORDS["unheard"].split())
    assert not said["test"] & set(COMMANDS)


def test_commands_are_synthesized(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("espeakng_loader", reason="synthesis needs espeakng-loader")
    monkeypatch.setattr(demo_commands, "COUNTS", dict.fromkeys(ROLES, 1))
    found = LabelledRecordings().open("demo_commands").read_split("test")
    assert [example.label for example in found] == list(LABELS)
    level = {e.label: float(np.std(read_clip(str(e.source)))) for e in found}
    assert level["_silence_"] < 10 ** (demo_commands.NOISE_DB[1] / 20) * 1.05
    spoken = (level[command] for command in COMMANDS)
    assert max(spoken) > 2 * level["_silence_"]
    assert all(len(read_clip(str(e.source))) == RATE for e in found)
