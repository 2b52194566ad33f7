import os
import struct
import threading
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.audio import (
    AudioError,
    CancelledAudioError,
    EmptyAudioError,
    decode_audio,
    probe_audio,
    read_audio,
    write_wav,
)

RATE = 16000


def tone(seconds: float = 0.5, rate: int = RATE, hertz: float = 440.0) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def riff(
    data: bytes,
    *,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    codec: int = 1,
    claimed: int | None = None,
) -> bytes:
    """A WAV file built by hand from the RIFF specification."""
    block = channels * bits // 8
    layout = struct.pack(
        "<HHIIHH", codec, channels, rate, rate * block % 2**32, block % 2**16, bits
    )
    size = len(data) if claimed is None else claimed
    body = b"WAVEfmt " + struct.pack("<I", 16) + layout
    body += b"data" + struct.pack("<I", size) + data
    return b"RIFF" + struct.pack("<I", min(len(body), 2**32 - 1)) + body


@pytest.mark.parametrize(
    ("format", "subtype", "tolerance"),
    [
        ("WAV", "PCM_U8", 2**-7),
        ("WAV", "PCM_16", 2**-15),
        ("WAV", "PCM_24", 2**-23),
        ("WAV", "PCM_32", 2**-23),
        ("WAV", "FLOAT", 1e-7),
        ("WAV", "DOUBLE", 1e-7),
        ("WAV", "ULAW", 2e-2),
        ("WAVEX", "PCM_16", 2**-15),
        ("RF64", "PCM_16", 2**-15),
        ("FLAC", "PCM_16", 2**-15),
        ("FLAC", "PCM_24", 2**-23),
        ("NIST", "PCM_16", 2**-15),
    ],
)
def test_reads_formats(tmp_path: Path, format: str, subtype: str, tolerance: float):
    path = tmp_path / "a.bin"
    audio = tone()
    soundfile.write(path, audio, RATE, format=format, subtype=subtype)
    info = probe_audio(path)
    assert (info.sample_rate, info.channels, info.samples) == (RATE, 1, len(audio))
    assert info.seconds == 0.5
    read = read_audio(path, RATE)
    assert read.dtype == np.float32
    np.testing.assert_allclose(read, audio, atol=1.01 * tolerance)


@pytest.mark.parametrize(
    ("format", "subtype"),
    [("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III")],
)
def test_reads_lossy_formats_as_soundfile_does(
    tmp_path: Path, format: str, subtype: str
):
    path = tmp_path / f"a.{format.lower()}"
    soundfile.write(path, tone(rate=48000), 48000, format=format, subtype=subtype)
    expected, rate = soundfile.read(path, dtype="float32")
    audio, decoded_rate = decode_audio(path)
    assert decoded_rate == rate == probe_audio(path).sample_rate
    np.testing.assert_allclose(audio, expected, atol=1e-6)


def test_averages_channels(tmp_path: Path):
    path = tmp_path / "stereo.wav"
    stereo = np.stack([tone(), -0.5 * tone()], axis=1)
    soundfile.write(path, stereo, RATE, subtype="FLOAT")
    assert probe_audio(path).channels == 2
    np.testing.assert_allclose(read_audio(path, RATE), tone() * 0.25, atol=1e-6)


def test_resamples_a_tone_to_the_same_tone(tmp_path: Path):
    path = tmp_path / "8k.wav"
    soundfile.write(path, tone(rate=8000), 8000, subtype="FLOAT")
    audio = read_audio(path, RATE)
    assert len(audio) == RATE // 2
    middle = slice(1000, -1000)
    np.testing.assert_allclose(audio[middle], tone()[middle], atol=1e-3)


def test_resampling_removes_what_would_alias(tmp_path: Path):
    path = tmp_path / "48k.wav"
    soundfile.write(path, tone(rate=48000, hertz=15000), 48000, subtype="FLOAT")
    assert np.abs(read_audio(path, RATE)[1000:-1000]).max() < 1e-4


def test_clips_to_unit_range(tmp_path: Path):
    path = tmp_path / "hot.wav"
    soundfile.write(path, np.array([1.5, -1.5, 0.25]), RATE, subtype="FLOAT")
    np.testing.assert_array_equal(read_audio(path, RATE), [1.0, -1.0, 0.25])


def test_written_file_reads_back_exactly(tmp_path: Path):
    path = tmp_path / "a.wav"
    audio = np.arange(-32768, 32768) / 32768
    write_wav(path, audio, RATE)
    np.testing.assert_array_equal(read_audio(path, RATE), audio)
    expected, rate = soundfile.read(path, dtype="int16")
    assert rate == RATE
    np.testing.assert_array_equal(expected, np.arange(-32768, 32768))


def test_write_clips(tmp_path: Path):
    path = tmp_path / "a.wav"
    write_wav(path, [2.0, -2.0], RATE)
    assert soundfile.read(path, dtype="int16")[0].tolist() == [32767, -32768]


@pytest.mark.parametrize("audio", [[np.nan], [np.inf], [[0.1, 0.2]]])
def test_write_refuses(tmp_path: Path, audio: list):
    with pytest.raises(AudioError, match=r"a\.wav: want finite samples \(S,\)"):
        write_wav(tmp_path / "a.wav", audio, RATE)


def test_write_names_an_unwritable_path(tmp_path: Path):
    with pytest.raises(AudioError, match="cannot be written: No such file"):
        write_wav(tmp_path / "no" / "a.wav", [0.0], RATE)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", r"empty \(0 bytes\)"),
        (b"<!DOCTYPE html><html>", "not an audio file"),
        (b"\xff\xfeh\0e\0l\0l\0o\0", "not an audio file"),
        (b"RIFF", "not an audio file"),
        (b"RIFF\0\0\0\0WAVE", "without a format chunk"),
        (b"RIFF\0\0\0\0WAVEfmt \x04\0\0\0\1\0\1\0", "truncated format chunk"),
        (b"RF64\xff\xff\xff\xffWAVEds64\x04\0\0\0\1\0\0\0", "truncated ds64"),
        (b"fLaC" + bytes(64), "cannot be decoded"),
        (b"OggS" + bytes(64), "cannot be decoded"),
        (b"ID3" + bytes(64), "cannot be decoded"),
        (b"NIST_1A\n   1024\n", "cannot be decoded"),
        (riff(b"", channels=65535), "65535 channels"),
        (riff(bytes(18), channels=9), "9 channels"),
        (riff(bytes(4), channels=0), "0 channels"),
        (riff(bytes(4), rate=999), "rate of 999 Hz"),
        (riff(bytes(4), rate=384001), "rate of 384001 Hz"),
        (riff(bytes(4), codec=0x11), "codec 0x0011"),
        (riff(bytes(3200), claimed=3 << 30), "claims 3221225472 bytes"),
        (riff(bytes(3200), claimed=3600), "truncated"),
        (riff(b"", claimed=3200), "claims 3200 bytes of samples, the file holds 0"),
    ],
)
def test_probe_names_file_and_reason(tmp_path: Path, content: bytes, reason: str):
    path = tmp_path / "bad.wav"
    path.write_bytes(content)
    for read in (probe_audio, decode_audio):
        with pytest.raises(AudioError, match=reason) as failure:
            read(path)
        assert str(path) in str(failure.value)


@pytest.mark.parametrize("end", [".wav", ".mp3", ".raw", ".flac", ""])
def test_content_decides_not_the_ending(tmp_path: Path, end: str):
    path = tmp_path / f"text{end}"
    path.write_text("four score and seven years ago " * 100)
    with pytest.raises(AudioError, match="not an audio file"):
        probe_audio(path)


def test_refuses_more_than_four_hours(tmp_path: Path):
    path = tmp_path / "long.wav"
    samples = 4 * 3600 * 1000 + 1
    with path.open("wb") as file:
        file.write(riff(b"", rate=1000, claimed=2 * samples))
        file.truncate(44 + 2 * samples)
    with pytest.raises(AudioError, match=r"4\.0 hours; up to 4 are read"):
        probe_audio(path)
    with path.open("r+b") as file:
        file.write(riff(b"", rate=1000, claimed=2 * samples - 2))
        file.truncate(42 + 2 * samples)
    assert probe_audio(path).seconds == 4 * 3600


def test_rejects_absurd_header_without_allocating(tmp_path: Path):
    tracemalloc = pytest.importorskip("tracemalloc")
    path = tmp_path / "huge.wav"
    path.write_bytes(riff(bytes(64), channels=2, claimed=3 << 30))
    tracemalloc.start()
    with pytest.raises(AudioError, match="claims"):
        decode_audio(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


@pytest.mark.parametrize(
    ("gains", "cancels"),
    [
        ([1, -1], True),
        ([1, -0.99], True),
        ([0.5, 0.5, -1], True),
        ([1, -0.9], False),
        ([1, 0], False),
        ([1, *[0] * 7], False),
        ([0, 0], False),
    ],
)
def test_channels_that_cancel(tmp_path: Path, gains: list[float], cancels: bool):
    path = tmp_path / "a.wav"
    audio = np.stack([gain * tone() for gain in gains], axis=1)
    soundfile.write(path, audio, RATE, subtype="FLOAT")
    assert probe_audio(path).channels == len(gains)
    if not cancels:
        expected = audio.mean(axis=1)
        np.testing.assert_allclose(read_audio(path, RATE), expected, atol=1e-6)
        return
    with pytest.raises(CancelledAudioError, match=rf"its {len(gains)} channels c"):
        read_audio(path, RATE)


def test_decodes_what_a_slightly_truncated_file_holds(tmp_path: Path):
    path = tmp_path / "cut.wav"
    pcm = np.arange(1000, dtype="<i2")
    path.write_bytes(riff(pcm[:950].tobytes(), claimed=2000))
    np.testing.assert_array_equal(read_audio(path, RATE), pcm[:950] / 32768)


def test_wrong_riff_length_does_not_matter(tmp_path: Path):
    path = tmp_path / "a.wav"
    content = bytearray(riff(np.arange(100, dtype="<i2").tobytes()))
    content[4:8] = struct.pack("<I", 0xFFFFFFFF)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path, RATE), np.arange(100) / 32768)


def test_unknown_chunks_are_passed_over(tmp_path: Path):
    path = tmp_path / "a.wav"
    content = riff(np.arange(100, dtype="<i2").tobytes())
    odd = b"LIST" + struct.pack("<I", 3) + b"abc\0"
    path.write_bytes(content[:12] + odd + content[12:])
    np.testing.assert_array_equal(read_audio(path, RATE), np.arange(100) / 32768)


def test_no_samples(tmp_path: Path):
    path = tmp_path / "none.wav"
    path.write_bytes(riff(b""))
    assert probe_audio(path).samples == 0
    with pytest.raises(EmptyAudioError, match="holds no samples"):
        decode_audio(path)


def test_one_sample(tmp_path: Path):
    path = tmp_path / "one.wav"
    path.write_bytes(riff(b"\0\x40"))
    assert read_audio(path, RATE).tolist() == [0.5]
    assert len(read_audio(path, 2 * RATE)) == 2
    with pytest.raises(EmptyAudioError, match="leave none at 1000 Hz"):
        read_audio(path, 1000)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_samples_that_are_not_numbers(tmp_path: Path, bad: float):
    path = tmp_path / "nan.wav"
    audio = tone()
    audio[100] = bad
    soundfile.write(path, audio, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match="1 samples are NaN or infinite"):
        read_audio(path, RATE)


def test_float_samples_of_integer_scale(tmp_path: Path):
    path = tmp_path / "scaled.wav"
    soundfile.write(path, tone() * 32768, RATE, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"samples reach .*; float samples must lie"):
        read_audio(path, RATE)


@pytest.mark.parametrize("format", ["FLAC", "MP3", "OGG"])
def test_half_a_compressed_file(tmp_path: Path, format: str):
    path = tmp_path / "cut"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 4 * RATE)
    soundfile.write(path, noise, RATE, format=format)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    try:
        audio, _ = decode_audio(path)
    except AudioError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert 0 < len(audio) <= 2.1 * RATE


def test_random_bytes_never_crash(tmp_path: Path):
    rng = np.random.default_rng(0)
    path = tmp_path / "fuzz"
    soundfile.write(path, tone(0.05), RATE, format="WAV")
    valid = np.frombuffer(path.read_bytes(), np.uint8)
    for _ in range(300):
        content = valid.copy()
        content[rng.integers(0, 60, 3)] = rng.integers(0, 256, 3)
        path.write_bytes(content.tobytes())
        try:
            audio, _ = decode_audio(path)
        except AudioError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert np.isfinite(audio).all()


@pytest.mark.parametrize("name", ["absent.wav", ".", "nul\0.wav", "x" * 300])
def test_missing_file(tmp_path: Path, name: str):
    with pytest.raises(AudioError, match=r"cannot be read|not a file"):
        probe_audio(tmp_path / name)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_does_not_block(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.wav")
    errors: list[Exception] = []

    def probe() -> None:
        try:
            probe_audio(tmp_path / "pipe.wav")
        except AudioError as error:
            errors.append(error)

    thread = threading.Thread(target=probe, daemon=True)
    thread.start()
    thread.join(10)
    assert "not a file" in str(errors[0])


def test_real_speech_reads_as_soundfile_does(data_dir: Path):
    paths = sorted(data_dir.glob("asr_fsdd/recordings/9_*_0.wav"))
    paths += sorted(data_dir.glob("asr_misc_en/*/*.flac"))
    assert len(paths) > 10
    for path in paths:
        expected, rate = soundfile.read(path, dtype="float32")
        audio, decoded_rate = decode_audio(path)
        assert rate == decoded_rate
        np.testing.assert_array_equal(audio, expected)
        assert probe_audio(path).samples == len(expected)
