"""Binary files of KenLM: hash tables with linear probing (Heafield 2011)."""

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.errors import UserError
from s2s_zoo.ngrams.grams import UNKNOWN, Floats
from s2s_zoo.ngrams.model import NGramModel
from s2s_zoo.ngrams.probing import LONGEST, MIDDLE, ProbingTable, bucket_count

MAGIC = b"mmap lm http://kheafield.com/code "

MAX_ORDER = 20
"""Longest n-grams that are read."""

_FORMAT = MAGIC + b"format version 5\n"
_SANITY = _FORMAT.ljust(56, b"\0") + struct.pack(
    "<3f3IQ", 0, 1, -0.5, 1, 2**32 - 1, 0, 1
)
_FIXED = struct.Struct("<B3xfIB3xI")
_VOCABULARY_HEADER = struct.Struct("<II")
_WORD_BYTES, _UNIGRAM_BYTES = 12, 8
_BLOCK = 1 << 20
_TYPES = (
    *("probing", "rest probing (-r)", "trie", "quantized trie (-q)"),
    *("trie with compressed pointers (-a)", "quantized trie (-q, -a)"),
)

Bytes = NDArray[np.uint8]
Kind = np.dtype[np.void]


def read_binary(path: str | Path) -> NGramModel:
    """The model in a binary file of KenLM, left on disk and mapped to memory.

    It is read as build_binary writes it by default: format 5 (lm/binary_format.cc),
    type "probing" (lm/search_hashed.hh), with its words. A file that could make a
    look-up leave its bounds or give no number is refused; all look-ups end.

    Raises:
        UserError: it cannot be read, is damaged or of another type.
    """
    path = Path(path)
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}") from error
    return _Reader(path, content).read()


class _Header(NamedTuple):
    order: int
    multiplier: float
    model_type: int
    has_words: int
    version: int


class _Reader:
    """Takes one array after the other from the content of a file."""

    def __init__(self, path: Path, content: Bytes) -> None:
        self.path = path
        self.content = content
        self.place = 0

    def read(self) -> NGramModel:
        header = self._header()
        packed = self._take(8 * header.order)
        counts = [int(n) for n in packed.view("<u8")]
        self.place += -self.place % 8
        if not 0 < max(counts) < 1 << 48:
            raise self._fault(f"damaged: says it has {counts} n-grams")
        version, bound = _VOCABULARY_HEADER.unpack(self._take(8).tobytes())
        if version or not 1 <= bound <= counts[0] + 1:
            raise self._fault(f"damaged: {bound} words of version {version}")
        self._take(_WORD_BYTES * bucket_count(counts[0], header.multiplier))
        unigrams = self._take(_UNIGRAM_BYTES * (counts[0] + 1)).view("<f4")
        self._check_finite(unigrams)
        tables = [self._table(n, MIDDLE, header) for n in counts[1:-1]]
        tables.append(self._table(counts[-1], LONGEST, header))
        words = self._words(bound)
        values: Floats = unigrams.reshape(-1, 2)
        return NGramModel(words, values, tables)

    def _header(self) -> _Header:
        found = self._take(len(_SANITY)).tobytes()
        if not found.startswith(_FORMAT):
            told = found[len(MAGIC) : len(_FORMAT) + 2].split(b"\n")[0]
            raise self._fault(
                "want 'format version 5' of KenLM, received "
                f"{told.decode(errors='replace')!r}"
            )
        if found != _SANITY:
            raise self._fault("was made on a machine with other numbers")
        header = _Header(*_FIXED.unpack(self._take(_FIXED.size).tobytes()))
        self._check(header)
        return header

    def _check(self, header: _Header) -> None:
        if header.model_type:
            known = header.model_type < len(_TYPES)
            name = _TYPES[header.model_type] if known else f"{header.model_type}"
            raise self._fault(
                f"is of type {name}; only type probing is read, which "
                "'build_binary probing LM.arpa LM.bin' makes"
            )
        if not header.has_words:
            raise self._fault("has no words; make it without build_binary's option -v")
        if header.version or not 2 <= header.order <= MAX_ORDER:
            raise self._fault(
                f"damaged: order {header.order} of version {header.version}; accepted "
                f"are orders 2 to {MAX_ORDER} of version 0"
            )
        if not 1 <= header.multiplier <= 1000:
            raise self._fault(f"damaged: {header.multiplier} buckets an n-gram")

    def _table(self, count: int, kind: Kind, header: _Header) -> ProbingTable:
        buckets = bucket_count(count, header.multiplier)
        entries = self._take(kind.itemsize * buckets).view(kind)
        for start in range(0, buckets, _BLOCK):
            block = entries[start : start + _BLOCK]
            for name in kind.names[1:] if kind.names else ():
                self._check_finite(block[name])
        return ProbingTable(entries)

    def _check_finite(self, values: NDArray[np.float32]) -> None:
        if not np.isfinite(values).all():
            raise self._fault("damaged: a probability or backoff is no finite number")

    def _words(self, bound: int) -> list[str]:
        try:
            text = self.content[self.place :].tobytes().decode()
        except UnicodeDecodeError as error:
            raise self._fault(
                f"damaged: words are not UTF-8: {error.reason}"
            ) from error
        words = text.split("\0")
        if words[0] != UNKNOWN or len(words) != bound + 1 or words[-1]:
            raise self._fault(f"damaged: does not end in its {bound:,} words")
        return words[:-1]

    def _take(self, size: int) -> Bytes:
        end = self.place + size
        if end > len(self.content):
            raise self._fault(
                f"cut off: {len(self.content):,} bytes of at least {end:,}"
            )
        found = self.content[self.place : end]
        self.place = end
        return found

    def _fault(self, what: str) -> UserError:
        return UserError(f"{self.path}: {what}")
