"""Models of text as graphs: token ids in, token ids and text out."""

import re
from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from s2s_zoo.data.pairs import Pair
from s2s_zoo.data.speech import pad
from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.tasks.serving import DEFAULT, Input, Reader, Serving
from s2s_zoo.tasks.text_writer import TextWriter
from s2s_zoo.typing import Tensor
from s2s_zoo.vocabulary import END, PAD, SPECIAL_PIECES, UNKNOWN

SAMPLES = 3
_BYTE = re.compile("<0x([0-9A-F]{2})>")


def text_serving(
    writer: TextWriter, name: str, assets: dict[str, bytes], samples: list[str]
) -> Serving:
    """A model that writes texts, the search inside.

    Args:
        writer: the model, its tokenizers and its search.
        name: of the task.
        assets: the tokenizers' files.
        samples: texts to compare the graph by.
    """

    def batch(rows: Sequence[str]) -> dict[str, NDArray[Any]]:
        ids, _ = writer.encode(rows)
        padded, lengths = pad(ids, len(ids), max(map(len, ids)), PAD)
        return {"source": padded, "source_lengths": lengths}

    def serve(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
        writer.model.search_with(writer.options)
        found = writer.model(writer.prefixed(inputs), training=False)
        best = {n: found[n][:, 0] for n in ("tokens", "lengths", "scores")}
        best["token_lengths"] = best.pop("lengths")
        return best

    return Serving(
        model=writer.model,
        inputs={
            "source": Input((None, None), "int32"),
            "source_lengths": Input((None,), "int32"),
        },
        signatures={DEFAULT: serve},
        pieces=piece_bytes(writer.target),
        strip=True,
        reader=Reader(writer.source.model, writer.cut),
        samples=samples,
        batch=batch,
        description={"task": name, "end": END, "padding": PAD},
        assets=assets,
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
