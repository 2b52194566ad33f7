"""Lines of text through a model and its tokenizers, and back to text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.speech import pad
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.search.options import Search
from s2s_zoo.vocabulary import END, PAD

BLOCK = 8
FIELDS = ("tokens", "lengths", "scores", "finished")


class Written(NamedTuple):
    """A text a model wrote.

    Attributes:
        text: detokenized.
        score: length-penalized log-probability.
        finished: whether the model ended it; False where it became too long.
    """

    text: str
    score: float
    finished: bool


NOTHING = Written("", 0.0, True)


@dataclass(frozen=True)
class TextWriter:
    """A model with its tokenizers and a way to search.

    Attributes:
        model: trained.
        source: cuts what is read.
        target: joins what is written.
        options: how to search.
        cut: tokens of a source that are read, 0 for all.
        budget: padded source tokens of a batch.
    """

    model: Seq2Seq
    source: Tokenizer
    target: Tokenizer
    options: Search
    cut: int
    budget: float

    def lines(self, lines: Sequence[Any]) -> list[list[Written]]:
        """The texts of each line, best first; a blank line has an empty one."""
        return self.write(self.encode([str(line) for line in lines])[0])

    def write(self, sources: Sequence[NDArray[np.int32]]) -> list[list[Written]]:
        """The texts of each source that `encode` gave."""
        found: list[list[Written]] = [[NOTHING] for _ in sources]
        order = [i for i in np.argsort([len(s) for s in sources]) if len(sources[i])]
        for rows in _groups([len(sources[i]) for i in order], self.budget):
            chosen = [order[row] for row in rows]
            texts = self._batch([sources[i] for i in chosen])
            for i, text in zip(chosen, texts, strict=False):
                found[i] = text
        return found

    def encode(self, lines: Sequence[str]) -> tuple[list[NDArray[np.int32]], list[int]]:
        """Token ids with the end token, and how many of each are cut.

        A blank line has no ids.
        """
        every = self.source.encode(lines)
        limit = self.cut - 1 if self.cut else max(map(len, every), default=0)
        kept = [ids[:limit] for ids in every]
        read = [np.append(ids, np.int32(END)) if len(ids) else ids for ids in kept]
        return read, [max(0, len(ids) - limit) for ids in every]

    def _batch(self, sources: list[NDArray[np.int32]]) -> list[list[Written]]:
        """Shapes are few: rows a power of 2, tokens a multiple of 8."""
        size = -(-max(map(len, sources)) // BLOCK) * BLOCK
        rows = 1 << (len(sources) - 1).bit_length()
        return self.batch(*pad(sources, rows, size, PAD))

    def batch(
        self, source: NDArray[np.int32], lengths: NDArray[np.int32]
    ) -> list[list[Written]]:
        """The texts of padded ids (B, T) of these lengths (B,)."""
        self.model.search_with(self.options)
        inputs = self.prefixed({"source": source, "source_lengths": lengths})
        result = self.model.predict_on_batch(inputs)
        found = (ops.convert_to_numpy(result[name]) for name in FIELDS)
        return [self._texts(*row) for row in zip(*found, strict=True)]

    def prefixed(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs of a search, with the tokens that its texts begin with."""
        if not self.options.prefix:
            return inputs
        (ids,) = self.target.encode([self.options.prefix])
        rows = ops.shape(inputs["source"])[0]
        ids = ops.convert_to_tensor(ids, "int32")
        prefix = ops.broadcast_to(ids[None], (rows, len(ids)))
        return {**inputs, "prefix": prefix}

    def _texts(self, *columns: NDArray[Any]) -> list[Written]:
        return [
            Written(
                self.target.decode(ids[:size]).strip(), float(score), bool(finished)
            )
            for ids, size, score, finished in zip(*columns, strict=True)
            if np.isfinite(score)
        ] or [NOTHING]


def _groups(lengths: Sequence[int], budget: float) -> Iterator[range]:
    """Runs of ascending lengths whose padded tokens stay under the budget."""
    start = 0
    for end in range(1, len(lengths) + 1):
        last = end == len(lengths)
        if last or (end - start + 1) * (lengths[end] + BLOCK) > budget:
            yield range(start, end)
            start = end
