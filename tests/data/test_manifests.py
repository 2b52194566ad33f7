import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.kinds.utterances import Utterances
from s2s_zoo.data.manifests import Utterance, read_manifest, write_manifest
from s2s_zoo.data.recognition import kind_of
from s2s_zoo.errors import UserError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with clips/one.wav (0.5 s) and clips/two.flac (1 s)."""
    (tmp_path / "root" / "clips").mkdir(parents=True)
    soundfile.write(tmp_path / "root/clips/one.wav", np.zeros(8000), 16000)
    soundfile.write(tmp_path / "root/clips/two.flac", np.zeros(8000), 8000)
    return tmp_path / "root"


def write(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def test_csv(root: Path):
    path = write(
        root / "a.csv",
        "wav_filename,wav_filesize,transcript",
        "clips/one.wav,16044,hello there",
        'clips/two.flac,1,"yes, sir"',
    )
    assert read_manifest(path) == [
        Utterance("clips/one.wav", str(root / "clips/one.wav"), 0.5, "hello there"),
        Utterance("clips/two.flac", str(root / "clips/two.flac"), 1.0, "yes, sir"),
    ]


def test_csv_columns_in_any_order_and_more(root: Path):
    path = write(
        root / "a.csv",
        "speaker,transcript, seconds ,sex,wav_filename",
        f"anna,hello,2.25,F,{root}/clips/one.wav",
    )
    source = str(root / "clips/one.wav")
    assert read_manifest(path) == [
        Utterance("clips/one.wav", source, 2.25, "hello", "anna")
    ]


def test_relative_path_of_the_manifest(root: Path, monkeypatch: pytest.MonkeyPatch):
    write(root / "a.csv", "wav_filename,transcript", "clips/one.wav,hi")
    monkeypatch.chdir(root.parent)
    (utterance,) = read_manifest("root/a.csv")
    assert utterance.source == str(root / "clips/one.wav")


def test_byte_order_mark_crlf_and_blank_lines(root: Path):
    path = root / "a.csv"
    path.write_bytes(
        b"\xef\xbb\xbfwav_filename,transcript\r\n\r\nclips/one.wav,h\xc3\xa9\r\n\r\n"
    )
    assert [u.transcript for u in read_manifest(path)] == ["hé"]


def test_json_lines(root: Path):
    path = write(
        root / "a.jsonl",
        json.dumps({"audio_filepath": "clips/one.wav", "duration": 2, "text": "hi"}),
        "",
        json.dumps({"audio_filepath": "clips/two.flac", "text": "hé", "speaker": 7}),
    )
    assert read_manifest(path) == [
        Utterance("clips/one.wav", str(root / "clips/one.wav"), 2.0, "hi"),
        Utterance("clips/two.flac", str(root / "clips/two.flac"), 1.0, "hé", "7"),
    ]


@pytest.mark.parametrize(
    ("file", "lines", "columns"),
    [
        (
            "a.csv",
            ("speaker,transcript,sex,wav_filename", "anna,hi,F,clips/one.wav"),
            {"speaker": "anna", "transcript": "hi", "sex": "F"},
        ),
        (
            "a.jsonl",
            (
                '{"audio_filepath": "clips/one.wav", "text": "hi", "room": 7, '
                '"noisy": true, "snr": 2.5, "words": ["hi"], "mood": null}',
            ),
            {"text": "hi", "transcript": "hi", "room": 7, "noisy": True, "snr": 2.5},
        ),
        (
            "a.tsv",
            ("client_id\tpath\tsentence\tage", "c1\tone.wav\thi\tforties"),
            {"client_id": "c1", "speaker": "c1", "sentence": "hi", "age": "forties"},
        ),
    ],
)
def test_columns_of_a_manifest(root: Path, file: str, lines: tuple, columns: dict):
    (utterance,) = read_manifest(write(root / file, *lines))
    assert utterance.columns.items() >= columns.items()
    assert utterance.columns["seconds"] == 0.5
    assert not {"words", "mood"} & utterance.columns.keys()


def test_columns_that_every_utterance_has_are_kept_once(root: Path):
    lines = [f"clips/one.wav,16044,hi,0.5,s{i}" for i in range(2)]
    path = write(
        root / "a.csv", "wav_filename,wav_filesize,transcript,seconds,speaker", *lines
    )
    one, other = read_manifest(path)
    assert one.further is other.further
    assert other.columns == {
        "wav_filename": "clips/one.wav#2",
        "transcript": "hi",
        "seconds": 0.5,
        "speaker": "s1",
    }


def test_librispeech_split(tmp_path: Path):
    chapter = tmp_path / "dev-clean" / "84" / "121"
    chapter.mkdir(parents=True)
    soundfile.write(chapter / "84-121-0000.flac", np.zeros(1600), 16000)
    write(chapter / "84-121.trans.txt", "84-121-0000 GO DO YOU HEAR")
    (utterance,) = read_manifest(tmp_path / "dev-clean")
    source = str(chapter / "84-121-0000.flac")
    assert utterance == Utterance("84-121-0000", source, 0.1, "go do you hear", "84")


@pytest.mark.parametrize("end", ["wav", "flac"])
def test_ljspeech(tmp_path: Path, end: str):
    (tmp_path / "wavs").mkdir()
    soundfile.write(tmp_path / f"wavs/LJ001-0001.{end}", np.zeros(22050), 22050)
    listing = write(tmp_path / "metadata.csv", 'LJ001-0001|In "1465"|in "fourteen"')
    source = str(tmp_path / f"wavs/LJ001-0001.{end}")
    expected = [Utterance("LJ001-0001", source, 1.0, 'in "fourteen"')]
    assert read_manifest(tmp_path) == expected
    assert read_manifest(listing) == expected


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([], "a.csv:1: the columns are ; accepted: a CSV"),
        (["file,text"], "a.csv:1: the columns are file,text; accepted"),
        (["wav_filename,transcript"], "holds no utterances"),
        (["wav_filename,transcript,transcript"], "a.csv:1: a column occurs twice"),
        (["wav_filename,transcript", "a,b,c"], "a.csv:2: 3 values for the 2 columns"),
        (["wav_filename,transcript", "a"], "a.csv:2: 1 values for the 2 columns"),
        (["wav_filename,transcript", ",b"], "a.csv:2: the name .* is empty"),
        (["wav_filename,transcript", 'a,"b'], "a.csv:2: not CSV"),
        (["wav_filename,transcript,seconds", "a,b,x"], "a.csv:2: 'seconds' must be"),
        (["wav_filename,transcript,seconds", "a,b,nan"], "a.csv:2: 'seconds' must be"),
        (["wav_filename,transcript,seconds", "a,b,-1"], "a.csv:2: 'seconds' must be"),
        (["{}"], "a.csv:1: want an object with audio_filepath,text"),
        (['{"audio_filepath": "a"'], "a.csv:1: not JSON"),
        (['{"a":' + "[" * 10**5], "a.csv:1: not JSON"),
        (['{"audio_filepath": 1.5, "text": ""}'], "'audio_filepath' must be text"),
        (['{"audio_filepath": "a", "text": null}'], "'text' must be text"),
        (
            ['{"audio_filepath": "a", "text": "b", "duration": true}'],
            "'duration' must be a number",
        ),
        (
            ['{"audio_filepath": "a", "text": "b", "duration": 1e999}'],
            "'duration' must be a number",
        ),
        (
            ['{"audio_filepath": "a", "text": "b", "offset": 3.5}'],
            "a.csv:1: 'offset' is not read",
        ),
        (['{"audio_filepath": "a", "text": "\\ud800"}'], "a.csv:1: .*lone surrogate"),
        (['{"audio_filepath": "a\\u0000", "text": "b"}'], "a.csv:1: .*NUL"),
    ],
)
def test_errors_name_file_and_line(root: Path, lines: list[str], message: str):
    path = write(root / "a.csv", *lines)
    with pytest.raises(UserError, match=message) as failure:
        read_manifest(path)
    assert str(path) in str(failure.value)


@pytest.mark.parametrize(
    ("bad", "message"),
    [(b"caf\xe9", "not UTF-8"), (b"a\0b", "NUL"), (b"\xed\xa0\x80", "not UTF-8")],
)
def test_bytes_that_are_not_text(root: Path, bad: bytes, message: str):
    path = root / "a.csv"
    path.write_bytes(b"wav_filename,transcript\nclips/one.wav,hi\nclips/one.wav," + bad)
    with pytest.raises(UserError, match=rf"a\.csv:3: {message}"):
        read_manifest(path)


def test_a_quoted_text_of_two_lines_keeps_the_count(root: Path):
    path = write(
        root / "a.csv", "wav_filename,transcript", 'clips/one.wav,"a', 'b"', "x,y,z"
    )
    with pytest.raises(UserError, match=r"a\.csv:4: 3 values"):
        read_manifest(path)


def test_ljspeech_errors(tmp_path: Path):
    write(tmp_path / "metadata.csv", "LJ001-0001|a|b", "LJ001-0002 a b")
    with pytest.raises(UserError, match=r"metadata\.csv:2: want id\|raw\|normalised"):
        read_manifest(tmp_path)


def test_not_a_manifest(tmp_path: Path):
    with pytest.raises(UserError, match="no such file or directory; accepted"):
        read_manifest(tmp_path / "absent")
    with pytest.raises(UserError, match="not a known layout; accepted"):
        read_manifest(tmp_path)


def test_common_voice(tmp_path: Path):
    """A table by tabs, whose quotes are characters, and the files in clips/."""
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips/x.mp3", np.zeros(8000), 16000)
    soundfile.write(tmp_path / "y.wav", np.zeros(4000), 16000)
    path = write(
        tmp_path / "dev.tsv",
        "client_id\tpath\tsentence\tup_votes\tage",
        'f00d\tx.mp3\t"Yes," she said.\t2\t',
        "beef\ty.wav\tno\t2\tteens",
    )
    x, y = read_manifest(path)
    assert (x.source, y.source) == (f"{tmp_path}/clips/x.mp3", f"{tmp_path}/y.wav")
    assert (x.transcript, x.speaker) == ('"Yes," she said.', "f00d")
    assert (y.seconds, y.speaker) == (0.25, "beef")
    assert kind_of(str(path)) == kind_of(str(tmp_path)) == Utterances()
    assert Utterances().read(str(tmp_path), "validation") == [x, y]
    write(path, "path\tsentence", "y.wav\tyes\tno")
    with pytest.raises(UserError, match=r"dev\.tsv:2: 3 values for the 2 columns"):
        read_manifest(path)


ONE = {"audio_filepath": "clips/one.wav", "duration": 0.5, "text": "hi"}
TWO = {"audio_filepath": "clips/two.flac", "text": "you"}


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("rows", [[ONE], [ONE, TWO]])
def test_json_arrays(root: Path, rows: list[dict], indent: int | None):
    lines = write(root / "a.jsonl", *map(json.dumps, rows))
    whole = write(root / "a.json", json.dumps(rows, indent=indent))
    assert read_manifest(whole) == read_manifest(lines)
    assert kind_of(str(whole)) == Utterances()


def test_one_json_object_over_several_lines(root: Path):
    path = write(root / "a.json", json.dumps(ONE, indent=2))
    assert [u.transcript for u in read_manifest(path)] == ["hi"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["[", '{"audio_filepath": "a"', "]"], "a.json:3: not JSON: Expecting ','"),
        (["{", '"audio_filepath": "a",', "}"], "a.json:3: not JSON: "),
        (["[" * 10**5], "a.json:1: not JSON"),
        ([json.dumps([ONE, {"text": "a"}])], "a.json, object 2: want an object with"),
        ([json.dumps([ONE, 3])], "a.json, object 2: want an object with"),
        (["[]"], "a.json: holds no utterances"),
        (['{"audio_filepath": "a", "text": "b"', "{}"], "a.json:1: not JSON"),
        ([json.dumps([ONE | {"offset": 1.5}])], "a.json, object 1: 'offset' is not"),
    ],
)
def test_errors_in_json_documents(root: Path, lines: list[str], message: str):
    with pytest.raises(UserError, match=message):
        read_manifest(write(root / "a.json", *lines))


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("a.csv", ["wav_filename,transcript", 'clips/one.wav,"yes, sir"']),
        ("a.tsv", ["path\tsentence", "clips/one.wav\tyes, sir"]),
        ("a.jsonl", [json.dumps(ONE | {"text": "yes, sir"})]),
        ("a.json", json.dumps([ONE | {"text": "yes, sir"}], indent=1).split("\n")),
        ("metadata.csv", ["../clips/one|x|yes, sir"]),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_line_ends(root: Path, name: str, lines: list[str], end: str):
    (root / name).write_bytes("".join(f"{line}{end}" for line in lines).encode())
    (utterance,) = read_manifest(root / name)
    assert (utterance.transcript, utterance.seconds) == ("yes, sir", 0.5)
    (root / name).write_bytes(f"{lines[0]}{end}\xff".encode("latin-1"))
    with pytest.raises(UserError, match=r":2: not UTF-8"):
        read_manifest(root / name)


LONG = "word " * 200_000


@pytest.mark.parametrize(
    ("name", "lines", "size"),
    [
        ("a.csv", ["wav_filename,transcript", f"clips/one.wav,{LONG}"], "1,000,014"),
        ("a.tsv", ["path\tsentence", f"clips/one.wav\t{LONG}"], "1,000,014"),
        ("a.jsonl", ["", json.dumps(ONE | {"text": LONG})], "1,000,000"),
        ("metadata.csv", ["", f"../clips/one|x|{LONG}x"], "1,000,001"),
    ],
)
def test_transcripts_have_a_limit(root: Path, name: str, lines: list[str], size: str):
    path = write(root / name, *lines)
    with pytest.raises(UserError, match=f"{name}:2: .*{size} .*; .*131,072 are"):
        read_manifest(path)


def test_a_quote_that_is_never_closed(root: Path):
    rows = ["clips/one.wav,hello"] * 9000
    path = write(root / "a.csv", "wav_filename,transcript", 'clips/one.wav,"a', *rows)
    with pytest.raises(UserError, match=r"a\.csv:2: .*is its quote closed\?"):
        read_manifest(path)


def test_repeated_names_are_told_apart(root: Path):
    rows = [f"clips/one.wav,{text}" for text in "abc"]
    path = write(root / "a.csv", "wav_filename,transcript", *rows)
    assert [(u.name, u.transcript) for u in read_manifest(path)] == [
        ("clips/one.wav", "a"),
        ("clips/one.wav#2", "b"),
        ("clips/one.wav#3", "c"),
    ]


def test_unreadable_files_are_reported_and_kept(
    root: Path, caplog: pytest.LogCaptureFixture
):
    (root / "empty.wav").touch()
    path = write(
        root / "a.csv",
        "wav_filename,transcript",
        "empty.wav,a",
        "absent.mp3,b",
        "clips/one.wav,c",
    )
    with caplog.at_level(logging.WARNING):
        assert [u.seconds for u in read_manifest(path)] == [0.0, 0.0, 0.5]
    assert "2 of 3 audio files cannot be read" in caplog.text
    assert "empty.wav" in caplog.text


def test_write_and_read_back(root: Path, tmp_path: Path):
    outside = tmp_path / "far.wav"
    soundfile.write(outside, np.zeros(1600), 16000)
    clip = str(root / "clips/one.wav")
    utterances = [
        Utterance("clips/one.wav", clip, 1 / 3, 'a "b", c', "x"),
        Utterance("far.wav", str(outside), 0.1, ""),
    ]
    write_manifest(root / "out.csv", utterances)
    assert read_manifest(root / "out.csv", audio_root=[tmp_path]) == utterances
    size = (root / "clips/one.wav").stat().st_size
    assert (root / "out.csv").read_text().splitlines()[:2] == [
        "wav_filename,wav_filesize,transcript,seconds,speaker",
        f'clips/one.wav,{size},"a ""b"", c",{1 / 3!r},x',
    ]
    assert not list(root.glob("*.part"))


def test_write_refuses_features_and_unwritable_places(root: Path):
    with pytest.raises(UserError, match="features cannot be listed"):
        write_manifest(root / "out.csv", [Utterance("k", "/a.npz#k", 1.0, "")])
    with pytest.raises(UserError, match="cannot be written"):
        write_manifest(root / "no" / "out.csv", [])


def test_needs_no_backend():
    code = (
        "import sys, s2s_zoo.data.recognition; from s2s_zoo.data.kinds import KINDS; "
        "from s2s_zoo.data.corpora import CORPORA; KINDS.names(); CORPORA.names(); "
        "print({'keras', 'tensorflow', 'jax', 'torch'} & "
        "set(sys.modules))"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.strip() == "set()"


def test_real_manifests(data_dir: Path):
    counts = {
        "asr_fsdd/train.csv": 2700,
        "asr_fsdd/test.csv": 300,
        "asr_an4/an4_train_mfcc.csv": 948,
        "asr_an4/an4_test_mfcc.csv": 130,
        "asr_an4/an4_test_wav.csv": 12,
        "asr_librispeech_mini/test-other.csv": 100,
        "asr_librispeech_mini/LibriSpeech/test-other": 100,
        "asr_librispeech_mini/LibriSpeech/train-clean-100": 80,
        "asr_misc_en/all.csv": 13,
        "tts_ljspeech_mini": 46,
    }
    read = {name: read_manifest(data_dir / name) for name in counts}
    assert {name: len(utterances) for name, utterances in read.items()} == counts
    tree = read["asr_librispeech_mini/LibriSpeech/test-other"]
    listed = {
        Path(u.source).stem: (u.transcript, u.speaker)
        for u in read["asr_librispeech_mini/test-other.csv"]
    }
    assert {u.name: (u.transcript, u.speaker) for u in tree} == listed


@pytest.mark.parametrize("name", ["x" * 300, "x/" * 3000])
def test_names_that_are_too_long(tmp_path: Path, name: str):
    (tmp_path / "wavs").mkdir()
    listing = write(tmp_path / "metadata.csv", f"{name}|raw|normalised")
    with pytest.raises(UserError, match=r"metadata\.csv:1: .*cannot be located"):
        read_manifest(tmp_path)
    listing.unlink()
    (tmp_path / "84/121").mkdir(parents=True)
    write(tmp_path / "84/121/84-121.trans.txt", f"{name} HI")
    with pytest.raises(UserError, match=r"trans\.txt:1: .*cannot be located"):
        read_manifest(tmp_path)


def test_a_long_value_after_carriage_returns(tmp_path: Path):
    """The module counts lines that end with carriage returns, too."""
    text = "wav_filename,transcript\na.wav,b\r" + "a.wav," + "x" * 200_000 + "\r"
    (tmp_path / "a.csv").write_bytes(text.encode())
    with pytest.raises(UserError, match=r"a\.csv:3: 200,006 characters"):
        read_manifest(tmp_path / "a.csv")


@pytest.mark.parametrize("value", ["9" * 5000, "[" * 100_000])
def test_json_that_is_too_much(tmp_path: Path, value: str):
    for text in (f"[{value}]", f"[\n{value}\n]", f'{{"audio_filepath": {value}}}'):
        (tmp_path / "a.json").write_text(text)
        with pytest.raises(UserError, match=r"a\.json:1: not JSON"):
            read_manifest(tmp_path / "a.json")
