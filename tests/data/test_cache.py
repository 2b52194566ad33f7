import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from s2s_zoo.data import cache as cache_module
from s2s_zoo.data.cache import cache_directory
from s2s_zoo.errors import UserError


def test_cache_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.delenv("S2S_ZOO_CACHE", raising=False)
    assert cache_directory() == tmp_path / "home/.cache/s2s-zoo"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_directory() == tmp_path / "xdg/s2s-zoo"
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"
    assert list((tmp_path / "own").iterdir()) == []


@pytest.fixture
def unwritable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[str], None]:
    """Makes the cache unwritable even for the superuser: a file stands in its way."""

    def prepare(temporary: str) -> None:
        (tmp_path / "file").touch()
        monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "file" / "cache"))
        monkeypatch.setattr("tempfile.tempdir", temporary)
        cache_module._temporary_cache.cache_clear()

    return prepare


def test_an_unwritable_cache_warns_once(
    tmp_path: Path,
    unwritable: Callable[[str], None],
    caplog: pytest.LogCaptureFixture,
):
    unwritable(str(tmp_path))
    with caplog.at_level(logging.WARNING):
        first, second = cache_directory(), cache_directory()
    assert first == second
    assert first.parent == tmp_path
    (first / "file").write_text("it is writable")
    assert len(caplog.records) == 1
    assert "file/cache is not writable" in caplog.text
    assert "S2S_ZOO_CACHE" in caplog.text


def test_no_writable_place_at_all(tmp_path: Path, unwritable: Callable[[str], None]):
    unwritable(str(tmp_path / "file"))
    with pytest.raises(UserError, match="set S2S_ZOO_CACHE"):
        cache_directory()
