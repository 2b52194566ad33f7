"""Lines of text through a model and its tokenizers, and back to text."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, NamedTuple, Protocol

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.padding import pad
from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.data.tokenizer_pair import TokenizerPair
from s2s_zoo.ngrams.base import LanguageModel, split_units
from s2s_zoo.search.base import Hypothesis
from s2s_zoo.search.tokens import TokenSearch
from s2s_zoo.tasks.neural_language_model import named_language_model
from s2s_zoo.tasks.runner import Result, Runner
from s2s_zoo.tasks.serving import Serving
from s2s_zoo.tasks.text_serving import text_serving
from s2s_zoo.typing import Arrays, Tensors
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES

BLOCK = 8
END_PIECE = SPECIAL_PIECES[END]


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


class Writing(Protocol):
    """What a task that writes texts says of them.

    Attributes:
        name: registered name.
        evaluation_budget: tokens of a batch.
    """

    name: ClassVar[str]
    evaluation_budget: ClassVar[float]

    @property
    def cut(self) -> int:
        """Most tokens of a source, its end included; 0 for any number."""

    def assets(self) -> dict[str, bytes]:
        """Files beside the model that the task needs, by name."""


@dataclass(frozen=True)
class TextWriter(Runner):
    """A model that writes texts, with its tokenizers.

    Attributes:
        task: how much of a source is read.
        tokenizers: what cuts the sources and joins the targets.
    """

    search: TokenSearch
    task: Writing
    tokenizers: TokenizerPair

    @property
    def source(self) -> Tokenizer:
        """Cuts what is read."""
        return self.tokenizers.source

    @property
    def target(self) -> Tokenizer:
        """Joins what is written."""
        return self.tokenizers.target

    def searched(self, inputs: Arrays) -> Tensors:
        """What is found; every text of a beam where a language model shall choose."""
        if self.judge is None:
            return super().searched(inputs)
        search = replace(self.search, n_best=self.search.rows, lm="")
        return replace(self, search=search).searched(inputs)

    @cached_property
    def judge(self) -> LanguageModel[Any] | None:
        """What says which text is best besides, if it has not taken part before."""
        if not self.search.lm or self.search.model is not None:
            return None
        return named_language_model(self.search.lm)

    def _judged(self, hypotheses: list[Hypothesis]) -> list[Hypothesis]:
        """Best first with ln P(text) by the language model in the scores."""
        if self.judge is None:
            return hypotheses
        found = []
        for one in hypotheses:
            units = split_units(self.target.decode(one.tokens), self.judge.unit)
            divisor = ((6 + len(one.tokens)) / 6) ** self.search.length_penalty
            added = self.search.alpha * self.judge.score(units) / divisor
            found.append(one._replace(score=one.score + added))
        best = sorted(found, key=lambda one: -one.score)
        return best[: self.search.n_best]

    def result(self, hypotheses: list[Hypothesis]) -> Result:
        judged = self._judged(hypotheses)
        texts = [self._written(found) for found in judged] or [NOTHING]
        best = texts[0]
        details: dict[str, Any] = {"score": best.score, "finished": best.finished}
        if self.search.n_best > 1:
            details["n_best"] = [text._asdict() for text in texts]
        return Result(best.text, details)

    def _written(self, found: Hypothesis) -> Written:
        text = self.target.decode(found.tokens).strip()
        return Written(text, found.score, found.finished)

    def run(self, inputs: Sequence[Any]) -> list[Result]:
        """The texts of each line; a blank one has an empty text."""
        sources, unread = self.encode([str(line) for line in inputs])
        results = self.write(sources)
        if self.task.cut:
            for result, count in zip(results, unread, strict=True):
                result.details["tokens_cut"] = count
        return results

    def write(self, sources: Sequence[NDArray[np.int32]]) -> list[Result]:
        """The texts of each source that `encode` gave."""
        found = [self.result([]) for _ in sources]
        order = [i for i in np.argsort([len(s) for s in sources]) if len(sources[i])]
        lengths = [len(sources[i]) for i in order]
        for rows in _groups(lengths, self.task.evaluation_budget):
            chosen = [order[row] for row in rows]
            texts = self._batch([sources[i] for i in chosen])
            for i, text in zip(chosen, texts, strict=False):
                found[i] = text
            self.progress(len(chosen))
        return found

    def encode(self, lines: Sequence[str]) -> tuple[list[NDArray[np.int32]], list[int]]:
        """Token ids with the end token, and how many of each are cut.

        A blank line has no ids.
        """
        every, cut = self.source.encode(lines), self.task.cut
        limit = cut - 1 if cut else max(map(len, every), default=0)
        kept = [ids[:limit] for ids in every]
        read = [np.append(ids, np.int32(END)) if len(ids) else ids for ids in kept]
        return read, [max(0, len(ids) - limit) for ids in every]

    def _batch(self, sources: list[NDArray[np.int32]]) -> list[Result]:
        """Shapes are few: rows a power of 2, tokens a multiple of 8."""
        size = -(-max(map(len, sources)) // BLOCK) * BLOCK
        rows = 1 << (len(sources) - 1).bit_length()
        source, lengths = pad(sources, rows, size, PAD)
        return self.read({"source": source, "source_lengths": lengths}, {})

    def prompted(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs of a search, with the tokens that its texts begin with."""
        if not self.search.prefix:
            return inputs
        (ids,) = self.target.encode([self.search.prefix])
        rows = ops.shape(inputs["source"])[0]
        row = ops.convert_to_tensor(ids[None], "int32")
        prefix = ops.broadcast_to(row, (rows, len(ids)))
        return {**inputs, "prefix": prefix}

    def draw(self, example: Pair, path: Path) -> None:
        """Which pieces of the source each piece of the text attended to."""
        from s2s_zoo.plots import plot_alignment

        (source,), _ = self.encode([example.source])
        text = self.write([source])[0].output
        target = np.append(self.target.encode([text])[0], np.int32(END))
        read = self.source.encode_pieces(example.source)[: len(source) - 1]
        written = self.target.encode_pieces(text)
        lengths = np.array([len(source)], np.int32)
        memory = self.model.encode({"source": source[None], "source_lengths": lengths})
        target = ops.convert_to_tensor(target[None])
        plot_alignment(
            path,
            [*read, END_PIECE],
            [*written, END_PIECE],
            ops.convert_to_numpy(self.model.decoder.alignment(target, memory))[0],
        )

    def serving(self, examples: Sequence[Pair]) -> Serving:
        """The source, or its token ids, to token ids and text, the search inside."""
        return text_serving(self, examples)

    def padded(self, lines: Sequence[str]) -> Arrays:
        """Lines of text as the inputs of the model."""
        ids, _ = self.encode(lines)
        source, lengths = pad(ids, len(ids), max(map(len, ids)), PAD)
        return {"source": source, "source_lengths": lengths}


def _groups(lengths: Sequence[int], budget: float) -> Iterator[range]:
    """Runs of ascending lengths whose padded tokens stay under the budget."""
    start = 0
    for end in range(1, len(lengths) + 1):
        last = end == len(lengths)
        if last or (end - start + 1) * (lengths[end] + BLOCK) > budget:
            yield range(start, end)
            start = end
