import io
import json
import logging
import subprocess
import sys
import unicodedata
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from s2s_zoo.data.manifests import Utterance, is_features, read_manifest, write_manifest
from s2s_zoo.data.precomputed import load_features
from s2s_zoo.data.transcripts import normalize_transcript, unknown_characters
from s2s_zoo.errors import UserError

ENGLISH = "abcdefghijklmnopqrstuvwxyz '"


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


def test_features(tmp_path: Path):
    matrix = np.arange(12, dtype=np.float16).reshape(4, 3)
    np.savez(tmp_path / "mfcc.npz", one=matrix)
    path = write(tmp_path / "train.csv", "utt,frames,transcript", "one,4,hi")
    (utterance,) = read_manifest(path)
    assert utterance == Utterance("one", f"{tmp_path}/mfcc.npz#one", 0.04, "hi")
    assert is_features(utterance)
    features = load_features(utterance.source)
    assert features.dtype == np.float32
    np.testing.assert_array_equal(features, matrix)


def test_features_need_exactly_one_archive(tmp_path: Path):
    path = write(tmp_path / "train.csv", "utt,frames,transcript", "one,4,hi")
    with pytest.raises(UserError, match=r"exactly one \.npz .* found none"):
        read_manifest(path)
    for name in "ab":
        np.savez(tmp_path / f"{name}.npz", one=np.zeros((4, 3)))
    with pytest.raises(UserError, match=r"found a\.npz, b\.npz"):
        read_manifest(path)


def test_features_of_an_unknown_key(tmp_path: Path):
    np.savez(tmp_path / "a.npz", one=np.zeros((4, 3)))
    path = write(tmp_path / "train.csv", "utt,frames,transcript", "two,4,hi")
    with pytest.raises(UserError, match=r"train\.csv:2: no array 'two'"):
        read_manifest(path)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["float16", "float32", ">f8", "int8"])
def test_load_features_equals_numpy(tmp_path: Path, order: str, dtype: str):
    array = np.asarray(np.arange(12).reshape(4, 3), dtype, order=order)
    np.savez_compressed(tmp_path / "a.npz", **{"k#1": array})
    expected = np.load(tmp_path / "a.npz")["k#1"].astype(np.float32)
    np.testing.assert_array_equal(load_features(f"{tmp_path}/a.npz#k#1"), expected)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3),
        np.zeros((2, 2, 2)),
        np.zeros((0, 3)),
        np.array([[np.nan]]),
        np.array([["a"]]),
        np.array([[{}]]),
    ],
)
def test_features_that_are_no_matrix(tmp_path: Path, array: np.ndarray):
    np.savez(tmp_path / "a.npz", key=array)
    with pytest.raises(UserError, match=r"a\.npz#key: "):
        load_features(f"{tmp_path}/a.npz#key")


def test_features_that_claim_more_than_they_hold(tmp_path: Path):
    header = io.BytesIO()
    layout = {"descr": "<f4", "fortran_order": False, "shape": (10**12, 13)}
    np.lib.format.write_array_header_1_0(header, layout)
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("key.npy", header.getvalue() + bytes(52))
    with pytest.raises(UserError, match="52 bytes are not"):
        load_features(f"{tmp_path}/a.npz#key")


def test_damaged_archives(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        load_features(f"{tmp_path}/a.npz#key")
    (tmp_path / "a.npz").write_bytes(b"PK no zip")
    with pytest.raises(UserError, match="not a readable"):
        load_features(f"{tmp_path}/a.npz#key")
    np.savez(tmp_path / "b.npz", key=np.full((100, 13), 7.0))
    content = bytearray((tmp_path / "b.npz").read_bytes())
    content[1000] ^= 1
    (tmp_path / "b.npz").write_bytes(content)
    with pytest.raises(UserError, match="damaged"):
        load_features(f"{tmp_path}/b.npz#key")


def test_a_replaced_archive_is_read_anew(tmp_path: Path):
    source = f"{tmp_path}/a.npz#key"
    np.savez(tmp_path / "a.npz", key=np.zeros((1, 1)))
    assert load_features(source).shape == (1, 1)
    np.savez(tmp_path / "a.npz", key=np.zeros((2, 2)))
    assert load_features(source).shape == (2, 2)


def test_features_in_threads(tmp_path: Path):
    arrays = {str(i): np.full((200, 13), i, np.float16) for i in range(50)}
    np.savez_compressed(tmp_path / "a.npz", **arrays)
    keys = [str(i % 50) for i in range(500)]
    with ThreadPoolExecutor(8) as pool:
        loaded = pool.map(lambda key: load_features(f"{tmp_path}/a.npz#{key}"), keys)
        for key, features in zip(keys, loaded, strict=True):
            np.testing.assert_array_equal(features, arrays[key])


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


@pytest.mark.parametrize(
    "value",
    ["../../etc/passwd", "/etc/passwd", "clips/../../x.wav", "..", "~/../../../x"],
)
def test_paths_outside_are_refused(root: Path, value: str):
    path = write(root / "a.csv", "wav_filename,transcript", f"{value},hi")
    with pytest.raises(UserError, match=r"a\.csv:2: .* lies outside") as failure:
        read_manifest(path)
    assert repr(value) in str(failure.value)


@pytest.mark.parametrize(
    "value", ["http://a.org/x.wav", "HTTPS://a/x", "file:///etc/passwd", "s3://b/x"]
)
@pytest.mark.parametrize("allow_outside", [False, True])
def test_urls_are_refused(root: Path, value: str, allow_outside: bool):
    line = json.dumps({"audio_filepath": value, "text": "hi"})
    path = write(root / "a.jsonl", line)
    with pytest.raises(UserError, match=r"a\.jsonl:1: a URL is not read"):
        read_manifest(path, allow_outside=allow_outside)


def test_links_outside_are_refused(root: Path, tmp_path: Path):
    soundfile.write(tmp_path / "secret.wav", np.zeros(1600), 16000)
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    for value in ("link.wav", "folder/secret.wav"):
        path = write(root / "a.csv", "wav_filename,transcript", f"{value},hi")
        with pytest.raises(UserError, match=r"a\.csv:2: .* lies outside"):
            read_manifest(path)
        (utterance,) = read_manifest(path, allow_outside=True)
        assert utterance.seconds == 0.1
        assert utterance.source == str(tmp_path / "secret.wav")
    path = write(root / "a.csv", "wav_filename,transcript", "loop,hi")
    with pytest.raises(UserError, match=r"a\.csv:2: 'loop' cannot be located"):
        read_manifest(path)


def test_links_inside_are_followed(root: Path):
    (root / "link.wav").symlink_to("clips/one.wav")
    path = write(root / "a.csv", "wav_filename,transcript", "link.wav,hi")
    assert read_manifest(path)[0].source == str(root / "clips/one.wav")


def test_librispeech_names_cannot_escape(tmp_path: Path):
    chapter = tmp_path / "split" / "1" / "2"
    chapter.mkdir(parents=True)
    for name in ("../../../../etc/passwd", "/etc/passwd"):
        write(chapter / "1-2.trans.txt", f"{name} HELLO")
        with pytest.raises(UserError, match=r"1-2\.trans\.txt:1: .* lies outside"):
            read_manifest(tmp_path / "split")


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
        Utterance(str(outside), str(outside), 0.1, ""),
    ]
    write_manifest(root / "out.csv", utterances)
    assert read_manifest(root / "out.csv", allow_outside=True) == utterances
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


@given(st.text(st.characters(max_codepoint=0x17F), max_size=40))
def test_normalization_equals_openseq2seq(text: str):
    """Where every character has an ASCII form, the script's two lines agree."""
    decomposed = unicodedata.normalize("NFKD", text)
    reference = decomposed.encode("ascii", "ignore").decode("ascii", "ignore").lower()
    if all(
        unicodedata.normalize("NFKD", c)[0].isascii() or not c.isalnum() for c in text
    ):
        assert normalize_transcript(text, ENGLISH) == " ".join(reference.split())


@pytest.mark.parametrize(
    ("text", "alphabet", "expected"),
    [
        ("  Crème\tBRÛLÉE \n", ENGLISH, "creme brulee"),
        ("don\u2019t", ENGLISH, "don't"),
        ("don\u2019t", "dont", "dont"),
        ("Größe", ENGLISH + "ößä", "größe"),
        ("Große", ENGLISH, "große"),
        ("GO é", "GOE ", "GO E"),
        ("go", "GO ", "GO"),
        ("\u201cyes\u201d \u2014 no\u2026", ENGLISH, "yes no..."),
        ("\ufb01ne \u00bd", ENGLISH, "fine 12"),
        ("e\u0301", ENGLISH + "é", "é"),
        ("中 文", ENGLISH, "中 文"),
        ("", ENGLISH, ""),
    ],
)
def test_normalization(text: str, alphabet: str, expected: str):
    assert normalize_transcript(text, alphabet) == expected


def test_unknown_characters_are_counted():
    counts = unknown_characters(["a1 b", "1!"], ENGLISH)
    assert counts == {"1": 2, "!": 1}


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


def test_real_features(data_dir: Path):
    archive = np.load(data_dir / "asr_an4/an4_mfcc13.npz")
    for utterance in read_manifest(data_dir / "asr_an4/an4_test_mfcc.csv")[:20]:
        features = load_features(utterance.source)
        np.testing.assert_array_equal(features, archive[utterance.name])
        assert len(features) / 100 == utterance.seconds
