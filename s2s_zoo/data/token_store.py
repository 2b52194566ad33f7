"""Token ids of pairs, made once and mapped into memory."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.pairs import Pair, PairSequence, PairView
from s2s_zoo.data.stored import digest, stored_folder
from s2s_zoo.data.tokenizer import Tokenizer

STORED_FROM = 100_000
"""Pairs from which on the tokens are kept in the cache; fewer are made every time."""

SIDES = ("source", "target")

_CHUNK = 20_000
_VERSION = "tokens 1"

Progress = Callable[[int], None]


@dataclass(frozen=True)
class _Side:
    """The ids of one side of all pairs, one after another.

    Attributes:
        tokens: (sum of the lengths,), as narrow as the vocabulary allows.
        starts: where those of each pair begin, and after them the end (N + 1,).
    """

    tokens: NDArray[Any]
    starts: NDArray[np.int64]


class TokenStore:
    """The token ids of both sides of pairs, without start and end.

    Args:
        source: of all sources.
        target: of all targets.
        rows: which pairs there are, in their order; None for all.
    """

    def __init__(
        self, source: _Side, target: _Side, rows: NDArray[np.int64] | None = None
    ) -> None:
        self._source = source
        self._target = target
        self._rows = rows

    def __len__(self) -> int:
        if self._rows is None:
            return len(self._source.starts) - 1
        return len(self._rows)

    def source(self, index: int) -> NDArray[np.int32]:
        """The ids of a source (T,)."""
        return self._ids(self._source, index)

    def target(self, index: int) -> NDArray[np.int32]:
        """The ids of a target (U,)."""
        return self._ids(self._target, index)

    @cached_property
    def source_lengths(self) -> NDArray[np.int32]:
        """The number of ids of each source (N,)."""
        return self._lengths(self._source)

    @cached_property
    def target_lengths(self) -> NDArray[np.int32]:
        """The number of ids of each target (N,)."""
        return self._lengths(self._target)

    def select(self, rows: NDArray[np.int64]) -> "TokenStore":
        """The tokens of some of the pairs, in the order of `rows`."""
        chosen = rows if self._rows is None else self._rows[rows]
        return TokenStore(self._source, self._target, chosen)

    def _ids(self, side: _Side, index: int) -> NDArray[np.int32]:
        row = index if self._rows is None else int(self._rows[index])
        return side.tokens[side.starts[row] : side.starts[row + 1]].astype(np.int32)

    def _lengths(self, side: _Side) -> NDArray[np.int32]:
        lengths = np.diff(side.starts).astype(np.int32)
        return lengths if self._rows is None else lengths[self._rows]


def token_store(
    pairs: Sequence[Pair],
    source: Tokenizer,
    target: Tokenizer,
    progress: Progress = lambda done: None,
) -> TokenStore:
    """The tokens of pairs: from the cache, or made, which takes a pass over the text.

    A view shares the tokens of the sequence it is a view of. Many pairs (see
    `STORED_FROM`) are kept in the cache, under a key of their identity and that of the
    tokenizers; lists and smaller corpora are held in memory.

    Args:
        pairs: what is encoded.
        source: encodes the sources.
        target: encodes the targets.
        progress: gets the number of pairs done, time and again, while they are made.

    Raises:
        UserError: the text cannot be read, or the cache not be written.
    """
    if isinstance(pairs, PairView):
        return token_store(pairs.base, source, target, progress).select(pairs.rows)
    dtype = _narrowest(max(source.size, target.size))
    if not isinstance(pairs, PairSequence) or len(pairs) < STORED_FROM:
        return _in_memory(pairs, (source, target), dtype, progress)
    key = digest(_VERSION, pairs.identity, source.model, target.model)

    def fill(folder: Path) -> None:
        _write(folder, pairs, (source, target), dtype, progress)

    folder = stored_folder("tokens", key, fill)
    return TokenStore(_open(folder, "source", dtype), _open(folder, "target", dtype))


def _narrowest(size: int) -> np.dtype[Any]:
    return np.dtype(np.uint16 if size <= 1 << 16 else np.int32)


def _encoded(
    pairs: Sequence[Pair], tokenizers: tuple[Tokenizer, Tokenizer], progress: Progress
) -> Iterator[tuple[list[NDArray[np.int32]], ...]]:
    """The ids of the sources and targets of a chunk of pairs after another."""
    for start in range(0, len(pairs), _CHUNK):
        chunk = list(pairs[start : start + _CHUNK])
        texts = ([pair.source for pair in chunk], [pair.target for pair in chunk])
        yield tuple(
            tokenizer.encode(side)
            for tokenizer, side in zip(tokenizers, texts, strict=True)
        )
        progress(start + len(chunk))


def _in_memory(
    pairs: Sequence[Pair],
    tokenizers: tuple[Tokenizer, Tokenizer],
    dtype: np.dtype[Any],
    progress: Progress,
) -> TokenStore:
    found: tuple[list[NDArray[np.int32]], ...] = ([], [])
    for chunk in _encoded(pairs, tokenizers, progress):
        for side, rows in zip(found, chunk, strict=True):
            side += rows
    return TokenStore(_join(found[0], dtype), _join(found[1], dtype))


def _join(rows: list[NDArray[np.int32]], dtype: np.dtype[Any]) -> _Side:
    starts = np.zeros(len(rows) + 1, np.int64)
    np.cumsum([len(row) for row in rows], out=starts[1:])
    return _Side(np.concatenate([*rows, np.zeros(0)]).astype(dtype), starts)


def _write(
    folder: Path,
    pairs: Sequence[Pair],
    tokenizers: tuple[Tokenizer, Tokenizer],
    dtype: np.dtype[Any],
    progress: Progress,
) -> None:
    starts = [np.zeros(len(pairs) + 1, np.int64) for _ in SIDES]
    with (folder / "source").open("wb") as source, (folder / "target").open("wb") as t:
        done = 0
        for chunk in _encoded(pairs, tokenizers, progress):
            for file, ends, rows in zip((source, t), starts, chunk, strict=True):
                _append(file, ends[done : done + len(rows) + 1], rows, dtype)
            done += len(chunk[0])
    for side, ends in zip(SIDES, starts, strict=True):
        np.save(folder / f"{side}_starts.npy", ends)


def _append(
    file: BinaryIO,
    starts: NDArray[np.int64],
    rows: list[NDArray[np.int32]],
    dtype: np.dtype[Any],
) -> None:
    side = _join(rows, dtype)
    file.write(side.tokens.tobytes())
    starts[1:] = starts[0] + side.starts[1:]


def _open(folder: Path, side: str, dtype: np.dtype[Any]) -> _Side:
    starts = np.load(folder / f"{side}_starts.npy", mmap_mode="r")
    if not starts[-1]:  # an empty file cannot be mapped
        return _Side(np.zeros(0, dtype), starts)
    return _Side(np.memmap(folder / side, dtype, mode="r"), starts)
