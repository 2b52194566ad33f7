"""Prompts that a language model goes on with."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from keras import ops
from numpy.typing import NDArray

from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.words import encode_texts
from s2s_zoo.tasks.serving import Reader, Serving
from s2s_zoo.tasks.text_probability import text_log_probabilities
from s2s_zoo.tasks.text_serving import text_serving
from s2s_zoo.tasks.text_writer import TextWriter
from s2s_zoo.vocabulary import END


@dataclass(frozen=True)
class TextContinuer(TextWriter):
    """A language model, with its tokenizer on both sides.

    A prompt is read behind the end of another text. What is written ends where the
    text does.
    """

    def encode(self, lines: Sequence[str]) -> tuple[list[NDArray[np.int32]], list[int]]:
        """Token ids with the end token; a blank line has it alone."""
        cut = encode_texts(self.source, lines)
        every = [np.append(ids, np.int32(END)) for ids in cut]
        return every, [0] * len(every)

    def prompted(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The inputs of a search: the end token in front instead of behind."""
        source = ops.convert_to_tensor(inputs["source"])
        end = ops.full_like(source[:, :1], END)
        turned = ops.concatenate([end, source[:, :-1]], axis=1)
        return super().prompted({**inputs, "source": turned})

    def draw(self, example: Any, path: Path) -> None:
        """How probable each token of the text is."""
        from s2s_zoo.plots import plot_probabilities

        (scores,) = text_log_probabilities(self.model, self.source, [example.text])
        (ids,), _ = self.encode([example.text])
        pieces = [self.source.pieces[token] for token in ids]
        plot_probabilities(path, pieces, scores)

    def serving(self, examples: Sequence[Any]) -> Serving:
        """A prompt, or its token ids, to token ids and text, the search inside."""
        prompts = [Pair(text.name, _half(text.text), "") for text in examples[:100]]
        found = text_serving(self, [pair for pair in prompts if pair.source])
        assert isinstance(found.reader, Reader)
        words_apart = self.source.kind == "word"
        reader = replace(found.reader, blanks=False, words_apart=words_apart)
        return replace(found, reader=reader)


def _half(text: str) -> str:
    words = text.split()
    return " ".join(words[: len(words) // 2])
