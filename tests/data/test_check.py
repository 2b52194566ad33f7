import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.audio import write_wav
from s2s_zoo.data.check import DataReport, check_utterances, ctc_frames
from s2s_zoo.data.corpora.fsdd import Fsdd
from s2s_zoo.data.manifests import Utterance

ENGLISH = "abcdefghijklmnopqrstuvwxyz '"
RATE = 16000


class Maker:
    """Writes utterances of noise, each from its own seed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.made = 0

    def __call__(
        self,
        text: str = "hello",
        seconds: float = 1.0,
        seed: int | None = None,
        gain: float = 0.5,
    ) -> Utterance:
        self.made += 1
        rng = np.random.default_rng(self.made if seed is None else seed)
        audio = gain * rng.uniform(-1, 1, round(seconds * RATE))
        path = self.directory / f"u{self.made}.wav"
        write_wav(path, audio, RATE)
        return Utterance(path.name, str(path), seconds, text)

    def file(self, name: str, content: bytes) -> Utterance:
        (self.directory / name).write_bytes(content)
        return Utterance(name, str(self.directory / name), 1.0, "hello")


@pytest.fixture
def make(tmp_path: Path) -> Maker:
    return Maker(tmp_path)


def check(utterances, **limits) -> DataReport:
    defaults = {
        "alphabet": ENGLISH,
        "sample_rate": RATE,
        "output_frames": lambda seconds: int(seconds * 50),
        "max_seconds": 16.7,
        "min_seconds": 0.1,
    }
    return check_utterances(utterances, **{**defaults, **limits})


def found(report: DataReport) -> dict[str, list[str]]:
    return {kind: [name for name, _ in f] for kind, f in report.findings.items()}


def test_good_data(make: Maker):
    utterances = [make() for _ in range(30)]
    report = check(utterances)
    assert report.ok
    assert report.findings == {}
    assert report.usable == utterances
    assert report.counts == {"utterances": 30, "usable": 30}
    assert report.hours == report.usable_hours == pytest.approx(30 / 3600)


def test_nothing():
    report = check([])
    assert report.ok
    assert report.usable == []


def test_unreadable_and_empty(make: Maker, tmp_path: Path):
    header = make(seconds=0.2)
    cut = Path(header.source).read_bytes()[:44]
    bad = [
        make.file("zero.mp3", b""),
        make.file("page.wav", b"<html>"),
        make.file("cut.wav", cut),
        Utterance("gone.flac", str(tmp_path / "gone.flac"), 1.0, "hello"),
        Utterance("key", f"{tmp_path}/no.npz#key", 1.0, "hello"),
    ]
    write_wav(tmp_path / "none.wav", [], RATE)
    bad.append(Utterance("none.wav", str(tmp_path / "none.wav"), 0.0, "hello"))
    good = make()
    report = check([*bad, good])
    assert found(report) == {
        "unreadable": ["page.wav", "cut.wav", "gone.flac", "key"],
        "empty": ["zero.mp3", "none.wav"],
    }
    assert str(tmp_path / "page.wav") in dict(report.findings["unreadable"])["page.wav"]
    assert report.usable == [good]
    assert not report.ok


def test_channels_that_cancel(make: Maker, tmp_path: Path):
    tone = 0.5 * np.sin(np.arange(RATE) / 9)
    soundfile.write(tmp_path / "anti.wav", np.stack([tone, -tone], axis=1), RATE)
    good = make()
    report = check([Utterance("anti", str(tmp_path / "anti.wav"), 1.0, "hello"), good])
    assert found(report) == {"cancelled": ["anti"]}
    assert "its 2 channels cancel when averaged" in report.findings["cancelled"][0][1]
    assert report.usable == [good]
    assert not report.ok


def test_silence(make: Maker):
    quiet = make(gain=0.9e-3)
    digital = make(gain=0.0)
    audible = make(gain=1.5e-3)
    report = check([quiet, digital, audible])
    assert found(report) == {"silent": [quiet.name, digital.name]}
    details = dict(report.findings["silent"])
    assert details == {quiet.name: "-61 dBFS", digital.name: "digital silence"}


def test_lengths(make: Maker):
    exact = [make("ab", 0.1), make("ab", 2.0)]
    one_sample = make("", 1 / RATE)
    long = make("ab", 2.0 + 1 / RATE)
    report = check([*exact, one_sample, long], max_seconds=2.0)
    assert found(report) == {
        "too_short": [one_sample.name],
        "too_long": [long.name],
        "no_transcript": [one_sample.name],
    }
    assert report.usable == exact


@pytest.mark.parametrize(
    ("text", "frames"), [("", 0), ("a", 1), ("aa", 3), ("hello", 6), ("aaa", 5)]
)
def test_ctc_frames(text: str, frames: int):
    assert ctc_frames(text) == frames


def test_ctc_frames_is_where_the_loss_becomes_infinite():
    torch = pytest.importorskip("torch", reason="the reference CTC loss is torch's")
    for text in ("a", "aa", "abba", "hello", "aabbcc"):
        labels = torch.tensor([[ord(c) - 96 for c in text]])
        for frames in range(1, 14):
            loss = torch.nn.functional.ctc_loss(
                torch.zeros(frames, 1, 27).log_softmax(-1),
                labels,
                torch.tensor([frames]),
                torch.tensor([len(text)]),
            )
            assert torch.isfinite(loss) == (frames >= ctc_frames(text))


def test_ctc_feasibility(make: Maker):
    fits, short = make("hello", 0.12), make("hello", 0.1)
    report = check([fits, short])
    assert found(report) == {"ctc_infeasible": [short.name]}
    assert dict(report.findings["ctc_infeasible"])[short.name] == (
        "5 frames for a text that needs 6"
    )
    assert report.usable == [fits]


def test_unknown_characters(make: Maker):
    utterances = [make("Crème brûlée"), make("route 66!"), make("no. 6")]
    report = check(utterances)
    assert report.unknown_characters == {"6": 3, "!": 1, ".": 1}
    assert found(report) == {"unknown_characters": [u.name for u in utterances[1:]]}
    assert report.usable == utterances[:1]


def test_repeats_and_conflicts(make: Maker, tmp_path: Path):
    first, again = make("yes", seed=7), make("yes", seed=7)
    conflict = [make("yes", seed=8), make("no", seed=8)]
    audio, rate = soundfile.read(first.source)
    soundfile.write(tmp_path / "copy.flac", audio, rate)
    copy = Utterance("copy.flac", str(tmp_path / "copy.flac"), 1.0, "yes")
    report = check([first, again, *conflict, copy])
    assert found(report) == {
        "duplicate": [again.name, "copy.flac"],
        "conflict": [u.name for u in conflict],
    }
    assert report.usable == [first]


def test_two_silences_are_no_duplicates(make: Maker):
    report = check([make("a", gain=0.0), make("b", gain=0.0)])
    assert set(report.findings) == {"silent"}


def test_splits_that_overlap(make: Maker):
    only = make()
    leaked = make(seed=50)
    test = [make(seed=50), make()]
    renamed = Utterance(only.name, test[1].source, 1.0, "hello")
    splits = {"train": [only, leaked], "validation": [renamed], "test": test}
    report = check(splits)
    assert found(report) == {
        "overlap": [f"train:{leaked.name}", f"validation:{only.name}"],
        "same_name": [f"validation:{only.name}"],
    }
    assert dict(report.findings["overlap"]) == {
        f"train:{leaked.name}": f"also test:{test[0].name}",
        f"validation:{only.name}": f"also test:{test[1].name}",
    }
    assert report.usable_splits == {"train": [only], "validation": [], "test": test}
    assert report.usable == [only, *test]


def test_wrong_labels_stand_out(make: Maker):
    rng = np.random.default_rng(0)
    good = [
        make("abcde fghi " * n, seconds=n * rng.uniform(0.6, 0.9))
        for n in rng.integers(1, 6, 60)
    ]
    much, little = make("abcde fghi " * 6, seconds=0.5), make("a", seconds=5.0)
    report = check([*good, much, little], output_frames=lambda seconds: 1000)
    assert found(report) == {"odd_rate": [much.name, little.name]}
    assert len(report.usable) == 62
    assert not report.ok


def test_too_few_to_judge_rates(make: Maker):
    utterances = [make("abc") for _ in range(18)]
    report = check([*utterances, make("a" + "bc" * 15, seconds=1.0)])
    assert report.ok


def test_durations_are_corrected(make: Maker):
    utterance = make(seconds=1.0)
    wrong = Utterance(utterance.name, utterance.source, 3.0, "hello")
    report = check([wrong])
    assert found(report) == {"wrong_duration": [wrong.name]}
    assert report.usable == [utterance]


def test_another_rate_is_a_note(make: Maker, tmp_path: Path):
    path = tmp_path / "8k.wav"
    write_wav(path, np.random.default_rng(0).uniform(-1, 1, 8000), 8000)
    utterance = Utterance("8k.wav", str(path), 1.0, "hello")
    report = check([utterance])
    assert report.ok
    assert report.findings == {
        "resampled": [("8k.wav", "8000 Hz, the model takes 16000 Hz")]
    }
    assert report.usable == [utterance]


def test_features(tmp_path: Path):
    rng = np.random.default_rng(0)
    same = rng.normal(size=(100, 13))
    arrays = {"a": same, "b": same, "c": rng.normal(size=(250, 13))}
    np.savez(tmp_path / "a.npz", **arrays)
    utterances = [
        Utterance(key, f"{tmp_path}/a.npz#{key}", len(array) / 100, "hello")
        for key, array in arrays.items()
    ]
    report = check(utterances)
    assert found(report) == {"duplicate": ["b"]}
    assert report.hours == pytest.approx(4.5 / 3600)


def test_progress_and_json(make: Maker):
    seen: list[tuple[int, int]] = []
    utterances = [make(), make("66"), make(gain=0.0)]
    report = check(utterances, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(1, 3), (2, 3), (3, 3)]
    content = json.loads(json.dumps(report.to_json()))
    assert content["ok"] is False
    assert content["counts"] == {
        "utterances": 3,
        "usable": 1,
        "silent": 1,
        "unknown_characters": 1,
    }
    assert content["findings"]["silent"] == [
        {"name": utterances[2].name, "detail": "digital silence"}
    ]


def test_real_fsdd_is_clean(data_dir: Path):
    place = data_dir / "asr_fsdd"
    splits = {
        split: Fsdd().read(split, place) for split in ("train", "validation", "test")
    }
    report = check(splits, sample_rate=8000)
    assert report.ok
    assert report.counts == {"utterances": 3000, "usable": 3000}
    assert report.hours == pytest.approx(21.9 / 60, abs=0.01)
