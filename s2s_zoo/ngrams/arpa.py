"""ARPA files of n-gram models (Doug Paul's format, as KenLM and SRILM write it)."""

import gzip
import io
import math
import os
import re
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from s2s_zoo.errors import UserError, writing
from s2s_zoo.ngrams.grams import UNKNOWN, Grams, NGrams

MAX_ORDER = 20
"""Longest n-grams that are read."""

_COUNT = re.compile(rb"ngram\s+(\d+)\s*=\s*(\d+)")
_LONGEST_LINE = 1 << 20
_BLOCK = 1 << 16
_LARGEST = 3e38
_UNKNOWN = (UNKNOWN.encode(), UNKNOWN.upper().encode())


def read_arpa(path: str | Path) -> NGrams:
    r"""The n-grams of an ARPA file, plain or compressed by gzip.

    Fields are separated by tabs or spaces, a missing backoff is 0, and lines before
    "\data\" are skipped if they are blank or begin with "#".

    Example:
        >>> import tempfile
        >>> from s2s_zoo.ngrams import estimate_kneser_ney, read_arpa, write_arpa
        >>> ngrams = estimate_kneser_ney([["a", "rose"], ["a", "tulip"]], 2).ngrams
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_arpa(f"{folder}/lm.arpa.gz", ngrams)
        ...     read_arpa(f"{folder}/lm.arpa.gz").vocabulary == ngrams.vocabulary
        True

    Raises:
        UserError: it cannot be read or is damaged, with the line.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            is_packed = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            packed = gzip.GzipFile(fileobj=file) if is_packed else None
            return _Reader(path, io.BufferedReader(packed) if packed else file).read()
    except OSError as error:
        reason = error.strerror or f"damaged: {error}"
        raise UserError(f"{path}: cannot be read: {reason}") from error
    except (EOFError, zlib.error) as error:
        raise UserError(f"{path}: damaged: {error}") from error


def write_arpa(path: str | Path, ngrams: NGrams) -> None:
    r"""Write n-grams as an ARPA file, compressed where its name ends in ".gz".

    The same n-grams give the same bytes. A file of that name is replaced once all is
    written.

    Example:
        >>> import tempfile
        >>> from pathlib import Path
        >>> from s2s_zoo.ngrams import estimate_kneser_ney, write_arpa
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "lm.arpa")
        ...     write_arpa(path, estimate_kneser_ney([["a", "rose"]], 2).ngrams)
        ...     path.read_text().splitlines()[:3]
        ['\\data\\', 'ngram 1=5', 'ngram 2=3']

    Raises:
        UserError: it cannot be written.
    """
    path = Path(path)
    part = path.with_name(f"{path.name}.part")
    with writing(path):
        try:
            with part.open("wb") as file:
                if path.suffix == ".gz":
                    with gzip.GzipFile("", "wb", 6, file, mtime=0) as packed:
                        packed.writelines(_blocks(ngrams))
                else:
                    file.writelines(_blocks(ngrams))
                file.flush()
                os.fsync(file.fileno())
            os.replace(part, path)
        finally:
            part.unlink(missing_ok=True)


def _blocks(ngrams: NGrams) -> Iterator[bytes]:
    counts = [f"ngram {n}={len(g)}\n" for n, g in enumerate(ngrams.orders, start=1)]
    yield "".join(["\\data\\\n", *counts]).encode()
    for order, grams in enumerate(ngrams.orders, start=1):
        yield f"\n\\{order}-grams:\n".encode()
        for start in range(0, len(grams), _BLOCK):
            rows = slice(start, start + _BLOCK)
            yield "".join(_lines(ngrams, order, rows)).encode()
    yield b"\n\\end\\\n"


def _lines(ngrams: NGrams, order: int, rows: slice) -> Iterator[str]:
    grams = ngrams.orders[order - 1]
    values = grams.log_probabilities[rows].astype(str).tolist()
    backoffs = (grams.backoffs[rows] + np.float32(0)).astype(str).tolist()
    names = ngrams.vocabulary
    words = grams.words[rows].tolist()
    for value, ids, backoff in zip(values, words, backoffs, strict=True):
        text = " ".join([names[i] for i in ids])
        end = "" if order == len(ngrams.orders) else f"\t{backoff}"
        yield f"{value}\t{text}{end}\n"


class _Reader:
    """Reads a file line by line and knows where it is."""

    def __init__(self, path: Path, file: io.BufferedReader) -> None:
        self.path = path
        self.file = file
        self.number = 0
        self.words = dict.fromkeys(_UNKNOWN, 0)

    def read(self) -> NGrams:
        counts = self._counts()
        starts: list[int] = []
        orders: list[Grams] = []
        for order, count in enumerate(counts, start=1):
            self._expect(b"\\%d-grams:" % order)
            starts.append(self.number + 1)
            orders.append(self._section(order, count, order == len(counts)))
        self._expect(b"\\end\\")
        if self._line(skip_blank=True):
            raise self._fault(r"text after \end\ ")
        ngrams = NGrams(self._vocabulary(starts[0], orders[0]), tuple(orders))
        if fault := ngrams.fault():
            order, row, reason = fault
            self.number = starts[order - 1] + row
            raise self._fault(reason)
        return ngrams

    def _counts(self) -> list[int]:
        line = self._line(skip_blank=True)
        while line.startswith(b"#"):
            line = self._line(skip_blank=True)
        if line != b"\\data\\":
            raise self._fault(rf"want \data\, received {_shown(line)}")
        counts: list[int] = []
        while line := self._line():
            found = _COUNT.fullmatch(line)
            if not found or int(found[1]) != len(counts) + 1:
                want = f'"ngram {len(counts) + 1}=" and their number'
                raise self._fault(f"want {want}, received {_shown(line)}")
            counts.append(int(found[2]))
        if not 1 <= len(counts) <= MAX_ORDER:
            raise self._fault(f"n-grams of 1 to {MAX_ORDER} orders, not {len(counts)}")
        return counts

    def _section(self, order: int, count: int, is_last: bool) -> Grams:
        words: list[int] = []
        values: list[float] = []
        backoffs: list[float] = []
        for _ in range(count):
            fields = self._line().split()
            if len(fields) == order + 1:
                backoffs.append(0.0)
            elif len(fields) == order + 2:
                backoffs.append(self._number(fields[-1], "backoff"))
            else:
                raise self._fault(
                    f"want a log-probability, {order} words and at most a backoff in "
                    f"each of {count:,} lines, received {_shown(b' '.join(fields))}"
                )
            values.append(self._number(fields[0], "log-probability"))
            if order == 1:
                self.words.setdefault(fields[1], len(self.words) - len(_UNKNOWN) + 1)
            words.extend(self._ids(fields[1 : order + 1]))
            if values[-1] > 0:
                raise self._fault(f"want a log-probability, received {values[-1]:g}")
            if is_last and backoffs[-1]:
                raise self._fault("the longest n-grams have no backoff")
        ids = np.array(words, np.int32).reshape(count, order)
        return Grams(ids, np.array(values, np.float32), np.array(backoffs, np.float32))

    def _number(self, field: bytes, what: str) -> float:
        try:
            value = float(field)
        except ValueError:
            value = math.nan
        if not abs(value) <= _LARGEST:
            raise self._fault(f"want a finite {what}, received {_shown(field)}")
        return value

    def _ids(self, words: list[bytes]) -> list[int]:
        try:
            return [self.words[word] for word in words]
        except KeyError as error:
            word = _shown(error.args[0])
            raise self._fault(f"{word} is not among the 1-grams") from None

    def _vocabulary(self, start: int, unigrams: Grams) -> tuple[str, ...]:
        try:
            names = [word.decode() for word in self.words if word != _UNKNOWN[1]]
        except UnicodeDecodeError as error:
            row = np.flatnonzero(unigrams.words[:, 0] == self.words[error.object])[0]
            self.number = start + int(row)
            raise self._fault(f"not UTF-8: {error.reason}") from error
        return tuple(names)

    def _expect(self, header: bytes) -> None:
        line = self._line(skip_blank=True)
        if line != header:
            raise self._fault(f"want {header.decode()}, received {_shown(line)}")

    def _line(self, skip_blank: bool = False) -> bytes:
        """The next line without white space around it; empty at the end."""
        while True:
            line = self.file.readline(_LONGEST_LINE)
            self.number += 1
            found = line.strip()
            if found or not line or not skip_blank:
                return found

    def _fault(self, what: str) -> UserError:
        return UserError(f"{self.path}:{self.number}: {what}")


def _shown(line: bytes) -> str:
    return repr(line[:80].decode(errors="replace")) if line else "nothing"
