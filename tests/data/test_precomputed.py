"""Precomputed features: what numpy wrote is read, and what is damaged is named."""

import io
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.manifests import Utterance, is_features, read_manifest
from s2s_zoo.data.precomputed import load_features
from s2s_zoo.errors import UserError


def write(path: Path, *lines: str) -> Path:
    path.write_bytes("".join(line + "\n" for line in lines).encode())
    return path


def test_features(tmp_path: Path):
    matrix = np.arange(12, dtype=np.float16).reshape(4, 3)
    np.savez(tmp_path / "mfcc.npz", one=matrix)
    path = write(tmp_path / "train.csv", "utt,frames,transcript", "one,4,hi")
    (utterance,) = read_manifest(path)
    assert utterance == Utterance("one", f"{tmp_path}/mfcc.npz#one", 0.04, "hi")
    assert is_features(utterance)
    assert utterance.columns.items() >= {"utt": "one", "frames": "4"}.items()
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


def test_real_features(data_dir: Path):
    archive = np.load(data_dir / "asr_an4/an4_mfcc13.npz")
    for utterance in read_manifest(data_dir / "asr_an4/an4_test_mfcc.csv")[:20]:
        features = load_features(utterance.source)
        np.testing.assert_array_equal(features, archive[utterance.name])
        assert len(features) / 100 == utterance.seconds


def test_a_header_that_is_no_header(tmp_path: Path):
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as file:
        file.writestr("key.npy", b"\x93NUMPY\x01\x00\x02\x00((" + bytes(16))
    with pytest.raises(UserError, match=r"a\.npz#key: no header of an array"):
        load_features(f"{tmp_path}/a.npz#key")
