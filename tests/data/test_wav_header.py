"""Audio whose header was written before its length was known."""

import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile

from s2s_zoo.data.audio import AudioError, decode_audio, probe_audio, read_audio
from tests.data.test_audio import RATE, riff

PCM = (np.arange(-800, 800) * 20).astype("<i2")


@pytest.mark.parametrize(
    "claimed",
    [
        *(0xFFFFFFFF, 0xFFFFFFFF - 36, 0xFFFFFFFE, 0x7FFFFFFF, 0x7FFFFFFF - 36),
        *(0x7FFFF000, 0x80000000, 0),
    ],
)
@pytest.mark.parametrize("riff_size", [None, 0, 0xFFFFFFFF])
def test_streamed_headers(tmp_path: Path, claimed: int, riff_size: int | None):
    """The placeholders of ffmpeg, SoX, arecord and GStreamer: up to the file's end."""
    path = tmp_path / "streamed.wav"
    content = bytearray(riff(PCM.tobytes(), claimed=claimed))
    if riff_size is not None:
        content[4:8] = struct.pack("<I", riff_size)
    path.write_bytes(content)
    info = probe_audio(path)
    assert (info.samples, info.seconds) == (len(PCM), 0.1)
    np.testing.assert_array_equal(read_audio(path, RATE), PCM / 32768)


@pytest.mark.parametrize("claimed", [0, 0xFFFFFFFF])
def test_streamed_headers_of_other_layouts(tmp_path: Path, claimed: int):
    path = tmp_path / "streamed.wav"
    stereo = np.stack([PCM, PCM // 2], axis=1)
    path.write_bytes(riff(stereo.tobytes(), channels=2, claimed=claimed))
    np.testing.assert_allclose(read_audio(path, RATE), stereo.mean(axis=1) / 32768)
    floats = (PCM / 32768).astype("<f4")
    path.write_bytes(riff(floats.tobytes(), bits=32, codec=3, claimed=claimed))
    np.testing.assert_array_equal(read_audio(path, RATE), floats)
    soundfile.write(path, PCM, RATE, format="RF64")
    content = bytearray(path.read_bytes())
    at = content.index(b"ds64") + 16
    content[at : at + 8] = struct.pack("<Q", claimed and 2**64 - 1)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path, RATE), PCM / 32768)
    soundfile.write(path, PCM, RATE, endian="BIG")
    content = bytearray(path.read_bytes())
    assert content[:4] == b"RIFX"
    at = content.index(b"data") + 4
    content[at : at + 4] = struct.pack(">I", claimed)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_audio(path, RATE), PCM / 32768)


def test_chunks_after_no_samples_are_no_samples(tmp_path: Path):
    path = tmp_path / "none.wav"
    tags = b"LIST" + struct.pack("<I", 3) + b"abc\0" + b"id3 " + struct.pack("<I", 0)
    path.write_bytes(riff(b"") + tags)
    assert probe_audio(path).samples == 0
    path.write_bytes(riff(b"") + tags + b"\1\0")
    assert probe_audio(path).samples == (len(tags) + 2) // 2


def test_flac_of_a_pipe(tmp_path: Path):
    """Its encoder could not go back to state the number of samples."""
    path = tmp_path / "pipe.flac"
    soundfile.write(path, PCM, RATE)
    content = bytearray(path.read_bytes())
    content[21] &= 0xF0  # 36 bits, the last of them in bytes 22 to 25
    content[22:26] = bytes(4)
    path.write_bytes(content)
    assert probe_audio(path).seconds == 0.1
    np.testing.assert_array_equal(read_audio(path, RATE), PCM / 32768)


def test_flac_of_a_pipe_has_a_longest_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    path = tmp_path / "pipe.flac"
    soundfile.write(path, PCM, RATE)
    content = bytearray(path.read_bytes())
    content[21:26] = bytes([content[21] & 0xF0, 0, 0, 0, 0])
    path.write_bytes(content)
    monkeypatch.setattr("s2s_zoo.data.audio.MAX_HOURS", 0.09 / 3600)
    for read in (probe_audio, decode_audio):
        with pytest.raises(AudioError, match=r"pipe\.flac: .* hours; up to"):
            read(path)
