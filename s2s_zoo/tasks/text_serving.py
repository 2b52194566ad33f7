"""Models of text as graphs: token ids in, token ids and text out."""

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError
from s2s_zoo.tasks.serving import DEFAULT, Input, Reader, Serving
from s2s_zoo.typing import Tensors
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES, UNKNOWN

if TYPE_CHECKING:
    from s2s_zoo.tasks.text_writer import TextWriter

SAMPLES = 3
_BYTE = re.compile("<0x([0-9A-F]{2})>")


def text_serving(writer: "TextWriter", examples: Sequence[Pair]) -> Serving:
    """A model that writes texts, the search inside.

    Args:
        writer: the model, its tokenizers and its search.
        examples: whose sources the graph is compared by.

    Raises:
        UserError: the search asks a language model.
    """
    if writer.search.lm:
        raise UserError(
            "A search with a language model is not exported: make lm empty in the "
            f"search of task.json. Received: task.search.lm {writer.search.lm}"
        )

    def serve(inputs: Tensors) -> Tensors:
        writer.model.search_with(writer.search)
        found = writer.model(writer.prompted(inputs), training=False)
        best = {n: found[n][:, 0] for n in ("tokens", "lengths", "scores")}
        best["token_lengths"] = best.pop("lengths")
        return best

    task = writer.task
    return Serving(
        model=writer.model,
        inputs={
            "source": Input((None, None), "int32"),
            "source_lengths": Input((None,), "int32"),
        },
        signatures={DEFAULT: serve},
        pieces=piece_bytes(writer.target),
        strip=True,
        reader=Reader(writer.source.model, task.cut),
        samples=sample_sources(examples),
        batch=writer.padded,
        description={"task": task.name, "end": END, "padding": PAD},
        assets=task.assets(),
    )


def sample_sources(examples: Sequence[Pair]) -> list[str]:
    """Three sources of different lengths, made up where there are too few."""
    texts = sorted({pair.source for pair in examples[:100]}, key=len)
    if len(texts) < SAMPLES:
        return ["a", "a b c", "a b c d e f g"]
    return [texts[0], texts[len(texts) // 2], texts[-1]]


def piece_bytes(tokenizer: Tokenizer) -> tuple[bytes, ...]:
    """What each token adds to a text: spaces for ▁, a byte for a byte's piece."""
    special = [b"" for _ in SPECIAL_PIECES]
    special[UNKNOWN] = tokenizer.decode([UNKNOWN]).encode()
    found = []
    for piece in tokenizer.pieces:
        byte = _BYTE.fullmatch(piece)
        text = piece.replace("▁", " ").encode()
        found.append(bytes([int(byte[1], 16)]) if byte else text)
    return (*special, *found[len(SPECIAL_PIECES) :])
