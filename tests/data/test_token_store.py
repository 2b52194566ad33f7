"""The token store: the same ids from memory and from disk, rebuilt when damaged."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from s2s_zoo.data import token_store as token_store_module
from s2s_zoo.data.pair_formats import read_columns
from s2s_zoo.data.pairs import JoinedPairs, Pair, PairSequence, PairView
from s2s_zoo.data.token_store import TokenStore, token_store
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError

WORDS = ["one", "two", "three", "four", "five"]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("S2S_ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(token_store_module, "_CHUNK", 7)
    return tmp_path / "cache"


@pytest.fixture
def stored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_store_module, "STORED_FROM", 0)


@pytest.fixture(scope="module")
def tokenizers() -> tuple[Tokenizer, Tokenizer]:
    line = [" ".join(WORDS)]
    return Tokenizer.train(line, 9, "word"), Tokenizer.train(line, 13, "char")


@pytest.fixture
def pairs(tmp_path: Path) -> PairSequence:
    rng = np.random.default_rng(0)
    rows = [
        (rng.choice(WORDS, rng.integers(1, 9)), rng.choice(WORDS, 3)) for _ in range(50)
    ]
    path = tmp_path / "p.tsv"
    path.write_text("".join(f"{' '.join(a)}\t{' '.join(b)}\n" for a, b in rows))
    return read_columns(path)


def check(store: TokenStore, pairs, tokenizers) -> None:
    assert len(store) == len(pairs)
    for i, pair in enumerate(pairs):
        source, target = tokenizers[0].encode([pair.source])[0], store.target(i)
        assert store.source(i).tolist() == source.tolist()
        assert target.tolist() == tokenizers[1].encode([pair.target])[0].tolist()
        assert (store.source_lengths[i], store.target_lengths[i]) == (
            len(source),
            len(target),
        )
        assert target.dtype == source.dtype == np.int32


def test_lists_are_held_in_memory(pairs: PairSequence, tokenizers, cache: Path):
    check(token_store(list(pairs), *tokenizers), pairs, tokenizers)
    check(token_store(pairs, *tokenizers), pairs, tokenizers)
    check(token_store([], *tokenizers), [], tokenizers)
    assert not cache.exists()


@pytest.mark.usefixtures("stored")
def test_a_store_is_made_once(pairs: PairSequence, tokenizers):
    done: list[int] = []
    check(token_store(pairs, *tokenizers, done.append), pairs, tokenizers)
    assert done == [7, 14, 21, 28, 35, 42, 49, 50]
    check(token_store(pairs, *tokenizers, done.append), pairs, tokenizers)
    assert len(done) == 8
    check(
        token_store(pairs, tokenizers[1], tokenizers[1], done.append),
        pairs,
        (tokenizers[1], tokenizers[1]),
    )
    assert len(done) == 16


@pytest.mark.usefixtures("stored")
def test_views_share_a_store(pairs: PairSequence, tokenizers):
    done: list[int] = []
    rows = np.random.default_rng(0).permutation(50)[:20]
    view = PairView(pairs, rows)
    check(token_store(view, *tokenizers, done.append), list(view), tokenizers)
    check(token_store(view[3:15:2], *tokenizers, done.append), view[3:15:2], tokenizers)
    assert len(done) == 8
    store = token_store(view, *tokenizers)
    assert store.select(np.array([4, 1])).source(1).tolist() == store.source(1).tolist()


@pytest.mark.usefixtures("stored")
def test_joined_pairs(pairs: PairSequence, tokenizers):
    joined = JoinedPairs([pairs[:9], pairs])
    check(token_store(joined, *tokenizers), joined, tokenizers)


@pytest.mark.usefixtures("stored")
def test_large_vocabularies_and_empty_sides(tmp_path: Path, tokenizers, monkeypatch):
    path = tmp_path / "p.tsv"
    path.write_text("one\tone\n")
    monkeypatch.setattr(
        token_store_module, "_narrowest", lambda size: np.dtype(np.int32)
    )
    check(token_store(read_columns(path), *tokenizers), read_columns(path), tokenizers)


def test_width_of_ids():
    sizes = {65_536: np.uint16, 65_537: np.int32}
    for size, dtype in sizes.items():
        assert token_store_module._narrowest(size) == dtype


def damage(folder: Path, kind: str) -> None:
    tokens = folder / "source"
    content = bytearray(tokens.read_bytes())
    content[5] ^= 4
    if kind == "flipped bit":
        tokens.write_bytes(content)
    elif kind == "truncated":
        os.truncate(tokens, len(content) - 2)
    elif kind == "missing":
        tokens.unlink()
    elif kind == "no manifest":
        (folder / "manifest.json").unlink()
    elif kind == "broken manifest":
        (folder / "manifest.json").write_text('{"key": 3, "files": []}')
    else:
        shutil.rmtree(folder)
        folder.write_text("a file")


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    "kind",
    ["flipped bit", "truncated", "missing", "no manifest", "broken manifest", "a file"],
)
def test_a_damaged_store_is_made_anew(
    pairs: PairSequence, tokenizers, cache: Path, caplog, kind: str
):
    token_store(pairs, *tokenizers)
    (folder,) = (cache / "tokens").iterdir()
    damage(folder, kind)
    done: list[int] = []
    check(token_store(pairs, *tokenizers, done.append), pairs, tokenizers)
    assert done[-1] == 50
    assert "is damaged or not ours; it is made anew" in caplog.text


@pytest.mark.usefixtures("stored")
def test_a_store_of_another_key_is_foreign(
    pairs: PairSequence, tokenizers, cache: Path
):
    token_store(pairs[:9], *tokenizers)
    token_store(JoinedPairs([pairs, pairs]), *tokenizers)
    first, second = sorted(
        (cache / "tokens").iterdir(), key=lambda f: f.stat().st_mtime
    )
    shutil.rmtree(first)
    shutil.copytree(second, first)
    check(token_store(pairs, *tokenizers), pairs, tokenizers)


@pytest.mark.usefixtures("stored")
def test_an_interrupted_making_leaves_nothing(
    pairs: PairSequence, tokenizers, cache: Path
):
    def interrupt(done: int) -> None:
        if done > 20:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        token_store(pairs, *tokenizers, interrupt)
    assert list((cache / "tokens").iterdir()) == []
    check(token_store(pairs, *tokenizers), pairs, tokenizers)


@pytest.mark.usefixtures("stored")
def test_two_processes_at_once(pairs: PairSequence, tokenizers, cache: Path):
    """The second finds that the first was faster, and takes its folder."""
    token_store(pairs, *tokenizers)
    (folder,) = (cache / "tokens").iterdir()
    away = cache / "away"
    folder.rename(away)

    def other_process(done: int) -> None:
        if done == 50:
            away.rename(folder)

    check(token_store(pairs, *tokenizers, other_process), pairs, tokenizers)
    assert list((cache / "tokens").iterdir()) == [folder]


@pytest.mark.usefixtures("stored")
def test_a_full_disk_is_named(pairs: PairSequence, tokenizers, monkeypatch):
    def full(*arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(token_store_module, "_append", full)
    with pytest.raises(UserError, match="cannot be written: No space left"):
        token_store(pairs, *tokenizers)


def test_names_of_pairs_are_kept(pairs: PairSequence):
    assert pairs[3:5][1] == Pair("p.tsv:5", pairs[4].source, pairs[4].target)
