"""Which files a manifest may name: those of its own tree, and of others it is given."""

import json
import logging
import os
import shlex
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from click.testing import CliRunner
from s2s_zoo.cli.data import command

from s2s_zoo.data.audio_roots import AudioRoots
from s2s_zoo.data.kinds.utterances import Utterances
from s2s_zoo.data.manifests import read_manifest
from s2s_zoo.errors import UserError


def clip(path: Path, seconds: float = 0.5) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, np.zeros(round(seconds * 16000)), 16000)
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A directory with clips/one.wav."""
    return clip(tmp_path / "root/clips/one.wav").parents[1]


def listing(directory: Path, *names: str) -> Path:
    path = directory / "a.csv"
    rows = "".join(f"{name},hi\n" for name in names)
    path.write_text(f"wav_filename,transcript\n{rows}")
    return path


@pytest.mark.parametrize(
    "value",
    ["../../etc/passwd", "/etc/passwd", "clips/../../x.wav", "..", "~/../../../x"],
)
def test_paths_outside_are_refused(root: Path, value: str):
    path = listing(root, value)
    with pytest.raises(UserError, match=r"a\.csv:2: .* lies outside") as failure:
        read_manifest(path)
    assert repr(value) in str(failure.value)


@pytest.mark.parametrize(
    "value", ["http://a.org/x.wav", "HTTPS://a/x", "file:///etc/passwd", "s3://b/x"]
)
def test_urls_are_refused(root: Path, value: str):
    line = json.dumps({"audio_filepath": value, "text": "hi"})
    path = root / "a.jsonl"
    path.write_text(line)
    with pytest.raises(UserError, match=r"a\.jsonl:1: a URL is not read"):
        read_manifest(path, audio_root=[Path("/")])


def test_links_outside_are_refused(root: Path, tmp_path: Path):
    clip(tmp_path / "secret.wav")
    (root / "link.wav").symlink_to(tmp_path / "secret.wav")
    (root / "folder").symlink_to(tmp_path)
    (root / "loop").symlink_to(root / "loop")
    for value in ("link.wav", "folder/secret.wav"):
        path = listing(root, value)
        with pytest.raises(UserError, match=r"a\.csv:2: .* is a link to .* lies outs"):
            read_manifest(path, audio_root=[])
    for value in ("loop", "loop/one.wav"):
        with pytest.raises(UserError, match=rf"a\.csv:2: '{value}' cannot be located"):
            read_manifest(listing(root, value))


def test_links_of_an_audio_root_stay_in_the_trees(root: Path, tmp_path: Path):
    clip(tmp_path / "secret.wav")
    other = tmp_path / "other"
    clip(other / "three.wav")
    (other / "in.wav").symlink_to("three.wav")
    (other / "across.wav").symlink_to(root / "clips/one.wav")
    (other / "out.wav").symlink_to(tmp_path / "secret.wav")
    found = read_manifest(listing(root, "in.wav", "across.wav"), audio_root=[other])
    assert [u.source for u in found] == [
        str(other / "three.wav"),
        str(root / "clips/one.wav"),
    ]
    with pytest.raises(UserError, match=r"'out\.wav' is a link to .*secret.wav, which"):
        read_manifest(listing(root, "out.wav"), audio_root=[other])


def test_links_inside_are_followed(root: Path):
    (root / "link.wav").symlink_to("clips/one.wav")
    path = listing(root, "link.wav")
    assert read_manifest(path)[0].source == str(root / "clips/one.wav")


def test_librispeech_names_cannot_escape(tmp_path: Path):
    chapter = tmp_path / "split" / "1" / "2"
    chapter.mkdir(parents=True)
    for name in ("../../../../etc/passwd", "/etc/passwd"):
        (chapter / "1-2.trans.txt").write_text(f"{name} HELLO")
        with pytest.raises(UserError, match=r"1-2\.trans\.txt:1: .* lies outside"):
            read_manifest(tmp_path / "split")


def test_absolute_paths_need_the_option_that_the_refusal_prints(
    root: Path, tmp_path: Path
):
    trees = tmp_path / "the data"
    files = [clip(trees / name) for name in ("a/x.wav", "a/b/y.wav", "c/z.wav")]
    path = listing(root, "clips/one.wav", *map(str, files))
    with pytest.raises(UserError) as caught:
        read_manifest(path, audio_root=[])
    message = str(caught.value)
    assert message.startswith(
        f"{path}:3: {str(files[0])!r} lies outside {root}, like 2"
    )
    assert message.endswith(f"add --audio-root '{trees}'")
    found = read_manifest(path, audio_root=[trees])
    assert [u.source for u in found] == [f"{root}/clips/one.wav", *map(str, files)]
    names = ["clips/one.wav", "a/x.wav", "a/b/y.wav", "c/z.wav"]
    assert [u.name for u in found] == names


def test_files_without_a_common_tree_are_named_one_by_one(root: Path):
    path = listing(root, "/no/such/a.wav", "/nowhere/b.wav")
    with pytest.raises(UserError, match=r"add --audio-root /no/such$"):
        read_manifest(path, audio_root=[])


def test_several_audio_roots(root: Path, tmp_path: Path):
    """Each of them, and relative paths below each, the manifest's own tree first."""
    one, two = tmp_path / "one", tmp_path / "two"
    for name in ("clips/one.wav", "p.wav", "both.wav"):
        clip(one / name)
    for name in ("q.wav", "both.wav"):
        clip(two / name)
    path = listing(root, "clips/one.wav", "p.wav", "q.wav", "both.wav", f"{two}/q.wav")
    assert [u.source for u in read_manifest(path, audio_root=[one, two])] == [
        str(root / "clips/one.wav"),
        *map(str, (one / "p.wav", two / "q.wav", one / "both.wav", two / "q.wav")),
    ]


def test_an_audio_root_that_does_not_exist(root: Path):
    with pytest.raises(UserError, match="--audio-root /no/such: no such directory"):
        read_manifest(listing(root, "clips/one.wav"), audio_root=[Path("/no/such")])


def test_utterances_are_read_with_audio_roots(root: Path, tmp_path: Path):
    far = clip(tmp_path / "far/x.wav", 0.25)
    path = listing(root, str(far))
    (root / "train.csv").write_text(path.read_text())
    for data in (path, root):
        kind = Utterances().with_options({"audio_root": (far.parent,)})
        split = "test" if data == path else "train+train"
        assert kind.read(str(data), split)[0].seconds == 0.25
        with pytest.raises(UserError, match="add --audio-root"):
            Utterances().read(str(data), split)


@pytest.mark.skipif(os.sep == "\\", reason="backslashes are separators there")
def test_paths_of_windows(root: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    """Backslashes are separators where no file has such a name; drives are left out."""
    clip(root / "a\\b.wav")
    clip(tmp_path / "disk/data/x.wav")
    rows = (".\\clips\\one.wav", "a\\b.wav", "C:\\data\\x.wav")
    found = read_manifest(listing(root, *rows), audio_root=[tmp_path / "disk"])
    assert [u.source for u in found] == [
        str(root / "clips/one.wav"),
        str(root / "a\\b.wav"),
        str(tmp_path / "disk/data/x.wav"),
    ]
    path = listing(root, "C:\\data\\x.wav", *[rows[0]] * 40)
    with caplog.at_level(logging.WARNING):
        source = Utterances().open(str(path))
        assert [len(source.read_split(s)) for s in source.all_roles()] == [39, 2]
    (warning,) = caplog.messages
    assert "1 of 41 audio files cannot be read" in warning
    assert r"C:\data\x.wav: cannot be read" in warning
    for value in (r"..\..\etc\passwd", r"C:\..\..\etc\passwd"):
        clip(tmp_path.parent / "etc" / "passwd.wav")
        with pytest.raises(UserError, match="lies outside"):
            read_manifest(listing(root, f"{value}.wav"))


def test_the_refusal_prints_the_option_to_type(root: Path, tmp_path: Path):
    far = [clip(tmp_path / f"far away/{name}.wav") for name in "ab"]
    path = str(listing(root, *map(str, far)))
    check = partial(CliRunner().invoke, command, standalone_mode=False)
    refused = check(["check", path])
    assert isinstance(refused.exception, UserError)
    option = shlex.split(str(refused.exception).rpartition(" add ")[2])
    assert option == ["--audio-root", str(tmp_path / "far away")]
    found = check(["check", path, *option, "--json"])
    assert json.loads(found.stdout)["counts"]["utterances"] == 2


@pytest.mark.parametrize("name", ["x" * 300, "~nobody-of-that-name/x"])
def test_trees_that_cannot_be(tmp_path: Path, name: str):
    with pytest.raises(UserError, match="no such path"):
        AudioRoots(tmp_path, [Path(name)])
