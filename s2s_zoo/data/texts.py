"""Texts from files of any size: lines, paragraphs or whole documents."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.lines import Lines

BLOCK = 10_000
"""Texts that are read at once where all are."""


class Text(NamedTuple):
    """A text.

    Attributes:
        name: "file:line" of its first line; what messages call it.
        text: without a line feed.
    """

    name: str
    text: str


class TextSequence(Sequence[Text]):
    """Texts that are read when they are asked for; a slice is of the same kind.

    Args:
        files: what they lie in.
        spans: (N, 3) file, first line and one past the last line of each, ascending.
    """

    def __init__(self, files: Sequence[Lines], spans: NDArray[np.int64]) -> None:
        self.files = files
        self.spans = spans

    def __len__(self) -> int:
        return len(self.spans)

    @overload
    def __getitem__(self, index: int) -> Text: ...
    @overload
    def __getitem__(self, index: slice) -> "TextSequence": ...
    def __getitem__(self, index: int | slice) -> "Text | TextSequence":
        if isinstance(index, slice):
            return TextSequence(self.files, self.spans[index])
        if not -len(self) <= index < len(self):
            raise IndexError(index)
        return self._read(self.spans[index : index + 1 or None])[0]

    def __iter__(self) -> Iterator[Text]:
        for start in range(0, len(self), BLOCK):
            yield from self._read(self.spans[start : start + BLOCK])

    def take(self, rows: NDArray[np.int64]) -> "TextSequence":
        """The texts with these numbers."""
        return TextSequence(self.files, self.spans[rows])

    def _read(self, spans: NDArray[np.int64]) -> list[Text]:
        found: list[Text] = []
        for number, of_file in itertools.groupby(spans.tolist(), lambda span: span[0]):
            file, places = self.files[number], [span[1:] for span in of_file]
            rows = np.concatenate([np.arange(*place) for place in places])
            lines = iter(file.read(rows))
            for first, end in places:
                words = " ".join(itertools.islice(lines, end - first))
                found.append(Text(f"{file.path.name}:{first + 1}", words))
        return found


def joined(parts: Sequence[TextSequence]) -> TextSequence:
    """The texts of several sequences one after another."""
    files = [file for part in parts for file in part.files]
    firsts = itertools.accumulate((len(part.files) for part in parts), initial=0)
    spans = [
        part.spans + np.array([first, 0, 0])
        for part, first in zip(parts, firsts, strict=False)
    ]
    return TextSequence(files, np.concatenate(spans))


def read_texts(paths: Sequence[Path], text_unit: str) -> TextSequence:
    """The texts of files, each plain or .gz.

    Args:
        paths: UTF-8.
        text_unit: "line", blank ones too; "paragraph", what blank lines separate, its
            lines joined by spaces; "document", a file, likewise.

    Raises:
        UserError: see `Lines`.
    """
    files = [Lines(path) for path in paths]
    spans = [
        np.insert(SPANS[text_unit](file.blank), 0, number, axis=1)
        for number, file in enumerate(files)
    ]
    return TextSequence(files, np.concatenate(spans))


def _lines(blank: NDArray[np.bool_]) -> NDArray[np.int64]:
    first = np.arange(len(blank), dtype=np.int64)
    return np.stack([first, first + 1], axis=1)


def _paragraphs(blank: NDArray[np.bool_]) -> NDArray[np.int64]:
    full = np.concatenate([[False], ~blank, [False]]).astype(np.int64)
    change = np.diff(full)
    pairs = [np.flatnonzero(change == 1), np.flatnonzero(change == -1)]
    return np.stack(pairs, axis=1).astype(np.int64)


def _document(blank: NDArray[np.bool_]) -> NDArray[np.int64]:
    rows = np.flatnonzero(~blank)
    spans = [(int(rows[0]), int(rows[-1]) + 1)] if len(rows) else []
    return np.array(spans, np.int64).reshape(-1, 2)


SPANS: dict[str, Callable[[NDArray[np.bool_]], NDArray[np.int64]]] = {
    "line": _lines,
    "paragraph": _paragraphs,
    "document": _document,
}
"""First line of each text of a file and one past its last, from which are blank."""
