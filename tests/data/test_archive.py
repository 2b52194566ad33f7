import gzip
import io
import os
import stat
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data.archive import extract
from s2s_zoo.errors import UserError

CONTENT = np.random.default_rng(0).bytes(3_000_000)


def tar_of(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return path


def member(name: str, content: bytes = b"x", **attributes) -> tuple:
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in attributes.items():
        setattr(info, key, value)
    return info, content


def zip_of(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        for info, content in members:
            file.writestr(info, content)
    return path


def tree(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def target(tmp_path: Path) -> Path:
    return tmp_path / "target"


def test_extracts_tar(tmp_path: Path, target: Path):
    archive = tar_of(
        tmp_path / "a.tar.gz",
        member("./top", b"", type=tarfile.DIRTYPE),
        member("./top/a.txt", b"one", mode=0o4777),
        member("top/b/c.txt", CONTENT),
    )
    extract(archive, target, 4_000_000)
    assert tree(target) == {"top/a.txt": b"one", "top/b/c.txt": CONTENT}
    assert not (target / "top/a.txt").stat().st_mode & (stat.S_ISUID | stat.S_IXUSR)
    assert os.listdir(target) == ["top"]


def test_extracts_bz2_and_tells_damage(tmp_path: Path, target: Path):
    archive = tmp_path / "a.tar.bz2"
    info, content = member("top/a.txt", CONTENT)
    with tarfile.open(archive, "w:bz2") as tar:
        tar.addfile(info, io.BytesIO(content))
    extract(archive, target, 4_000_000)
    assert tree(target) == {"top/a.txt": CONTENT}
    packed = archive.read_bytes()
    for damaged in (packed[:-9], packed[:-9] + bytes(9), packed[:99] + bytes(99)):
        archive.write_bytes(damaged)
        with pytest.raises(UserError, match="damaged"):
            extract(archive, tmp_path / "other", 4_000_000)
        assert not any((tmp_path / "other").iterdir())


def test_extracts_zip(tmp_path: Path, target: Path):
    archive = zip_of(tmp_path / "a.zip", ("top/", b""), ("top/a.txt", b"one"))
    extract(archive, target, 3)
    assert tree(target) == {"top/a.txt": b"one"}


def test_extracts_into_what_is_there(tmp_path: Path, target: Path):
    (target / "top").mkdir(parents=True)
    (target / "top/a.txt").write_bytes(b"old")
    (target / "top/other.txt").write_bytes(b"other")
    extract(tar_of(tmp_path / "a.tar.gz", member("top/a.txt", b"new")), target, 9)
    assert tree(target) == {"top/a.txt": b"new", "top/other.txt": b"other"}


UNSAFE_NAMES = ["../a", "x/../../a", "/etc/a", "..", "x\\..\\a", "C:/a", "c:a"]


@pytest.mark.parametrize("name", UNSAFE_NAMES)
@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_names_that_lead_outside(tmp_path: Path, target: Path, name: str, pack: str):
    good = ("good.txt", b"good")
    if pack == "tar":
        archive = tar_of(tmp_path / "a", member(*good), member(name))
    else:
        archive = zip_of(tmp_path / "a", good, (name, b"x"))
    refuse(archive, target, "would be written outside; refused")


def refuse(archive: Path, target: Path, message: str, max_bytes: int = 1000) -> None:
    """Extraction must fail and leave nothing, inside the target or beside it."""
    before = tree(archive.parent)
    with pytest.raises(UserError, match=message) as failure:
        extract(archive, target, max_bytes)
    assert str(archive) in str(failure.value)
    assert tree(archive.parent) == before
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "kind",
    [
        tarfile.SYMTYPE,
        tarfile.LNKTYPE,
        tarfile.CHRTYPE,
        tarfile.BLKTYPE,
        tarfile.FIFOTYPE,
        tarfile.CONTTYPE,
    ],
)
def test_tar_links_and_devices(tmp_path: Path, target: Path, kind: bytes):
    odd = member("odd", b"", type=kind, linkname="/etc/passwd")
    archive = tar_of(tmp_path / "a", member("good"), odd)
    if kind == tarfile.CONTTYPE:
        extract(archive, target, 1000)
        return
    refuse(archive, target, "'odd' is a link, device")


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_zip_links_and_devices(tmp_path: Path, target: Path, kind: int):
    odd = zipfile.ZipInfo("odd")
    odd.external_attr = (kind | 0o777) << 16
    archive = zip_of(tmp_path / "a", ("good", b"x"), (odd, b"/etc/passwd"))
    refuse(archive, target, "'odd' is a link, device")


@pytest.mark.parametrize("names", [("a", "a"), ("a", "./a"), ("a/b", "a//b")])
def test_duplicates(tmp_path: Path, target: Path, names: tuple[str, str]):
    archive = tar_of(tmp_path / "a", *(member(name) for name in names))
    refuse(archive, target, "twice")


def test_zip_duplicates(tmp_path: Path, target: Path):
    with pytest.warns(UserWarning, match="Duplicate name"):
        archive = zip_of(tmp_path / "a", ("a", b"1"), ("a", b"2"))
    refuse(archive, target, "twice")


@pytest.mark.parametrize("names", [("a", "a/b"), ("a/b", "a")])
def test_file_and_directory_of_one_name(
    tmp_path: Path, target: Path, names: tuple[str, str]
):
    archive = tar_of(tmp_path / "a", *(member(name) for name in names))
    refuse(archive, target, "both a file and a directory")


@pytest.mark.parametrize("pack", ["tar", "zip"])
def test_more_than_allowed(tmp_path: Path, target: Path, pack: str):
    if pack == "tar":
        archive = tar_of(
            tmp_path / "a", member("a", bytes(600)), member("b", bytes(401))
        )
    else:
        archive = zip_of(tmp_path / "a", ("a", bytes(600)), ("b", bytes(401)))
    refuse(archive, target, "unpacks to more than 1000 bytes")
    extract(archive, target, 1001)


def test_a_terabyte_is_refused_by_its_header(tmp_path: Path, target: Path):
    info = tarfile.TarInfo("zeros")
    info.size = 1 << 40
    archive = tmp_path / "a"
    archive.write_bytes(gzip.compress(info.tobuf() + bytes(1 << 20)))
    refuse(archive, target, "unpacks to more than 1000 bytes")


def test_a_hidden_header_cannot_fill_the_memory(tmp_path: Path, target: Path):
    """An extended header that claims 7 GB of names, packed into a few kB."""
    info = tarfile.TarInfo("pax")
    info.type = tarfile.XHDTYPE
    info.size = 7 << 30
    archive = tmp_path / "a"
    with gzip.open(archive, "wb", compresslevel=1) as file:
        file.write(info.tobuf())
        for _ in range(70):
            file.write(bytes(1 << 20))
    refuse(archive, target, "unpacks to more than")


def test_a_zip_member_larger_than_it_claims(tmp_path: Path, target: Path):
    archive = zip_of(tmp_path / "a", ("zeros", bytes(100_000)))
    content = archive.read_bytes().replace(
        (100_000).to_bytes(4, "little"), (100).to_bytes(4, "little")
    )
    archive.write_bytes(content)
    refuse(archive, target, "damaged|not of the size")


@pytest.mark.parametrize("keep", [0.3, 0.9])
def test_truncated_archives(tmp_path: Path, target: Path, keep: float):
    for archive in (
        tar_of(tmp_path / "a", member("a", CONTENT)),
        zip_of(tmp_path / "b", ("a", CONTENT)),
    ):
        content = archive.read_bytes()
        archive.write_bytes(content[: int(len(content) * keep)])
        refuse(archive, target, "damaged", 4_000_000)


def test_flipped_bits(tmp_path: Path, target: Path):
    for archive in (
        tar_of(tmp_path / "a", member("a", CONTENT)),
        zip_of(tmp_path / "b", ("a", CONTENT)),
    ):
        content = bytearray(archive.read_bytes())
        content[len(content) // 2] ^= 255
        archive.write_bytes(content)
        refuse(archive, target, "damaged", 4_000_000)


def test_not_an_archive(tmp_path: Path, target: Path):
    (tmp_path / "a").write_text("<html>")
    refuse(tmp_path / "a", target, r"not a \.tar\.gz, \.tar\.bz2 or \.zip")
    with pytest.raises(UserError, match="cannot be read: No such file"):
        extract(tmp_path / "absent", target, 1000)


def test_links_in_the_target_are_not_followed(tmp_path: Path, target: Path):
    (tmp_path / "outside").mkdir()
    target.mkdir()
    (target / "top").symlink_to(tmp_path / "outside")
    archive = tar_of(tmp_path / "a", member("top/a.txt"))
    with pytest.raises(UserError, match="leads outside"):
        extract(archive, target, 1000)
    assert list((tmp_path / "outside").iterdir()) == []
