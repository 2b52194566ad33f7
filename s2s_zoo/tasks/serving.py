"""What a task offers to be exported: from raw input to raw output in one graph."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from numpy.typing import NDArray

from s2s_zoo.data.speech_symbols import SpeechText
from s2s_zoo.models.seq2seq import Seq2Seq
from s2s_zoo.typing import Tensor

T = TypeVar("T")

Signature = Callable[[dict[str, Tensor]], dict[str, Tensor]]

DEFAULT = "serve"
OF_TOKENS = "serve_tokens"


@dataclass(frozen=True)
class Input:
    """An input of the graph.

    Attributes:
        shape: its dimensions, None for an unknown one.
        dtype: its type.
    """

    shape: tuple[int | None, ...]
    dtype: str


@dataclass(frozen=True)
class Reader:
    """How a text becomes token ids, the end behind them.

    Attributes:
        model: a SentencePiece model.
        cut: ids at most, with the end; 0 for any number.
        blanks: whether a text without tokens has no output.
        words_apart: whether each word is one token, as `encode_texts` of a vocabulary
            of words cuts.
    """

    model: bytes = field(repr=False)
    cut: int = 0
    blanks: bool = True
    words_apart: bool = False


@dataclass(frozen=True)
class Serving:
    """A model as functions of raw input, written in Keras operations alone.

    Attributes:
        model: its weights.
        inputs: of every signature, by name.
        signatures: outputs from inputs, by the name of the signature; `DEFAULT` is the
            default one.
        pieces: bytes of each token id; where there are any, `DEFAULT` also gives the
            `text` of its `tokens`, whose ids below 0 are padding.
        samples: raw inputs of different lengths, as `model.generate` takes them.
        batch: raw inputs to the inputs of a signature.
        description: what a client has to know besides, as JSON values.
        strip: whether spaces around a text are no part of it.
        reader: how texts become the inputs, where these are token ids, or those of
            characters; a format that can do it takes texts as the `source` of
            `DEFAULT`, and ids by `OF_TOKENS`.
        assets: files a client needs, by name.
        tolerance: absolute difference of floats up to which an exported model is the
            same.
        shares: by the name of an output that magnifies rounding, the share of its level
            (root mean square) which that of its differences may be instead.
        says: raw inputs to the texts of `DEFAULT` where these are not those of
            `model.generate`, which may search by what no graph does.
    """

    model: Seq2Seq
    inputs: dict[str, Input]
    signatures: dict[str, Signature]
    pieces: tuple[bytes, ...]
    samples: list[Any]
    batch: Callable[[Sequence[Any]], dict[str, NDArray[Any]]]
    description: dict[str, Any]
    strip: bool = False
    reader: Reader | SpeechText | None = None
    assets: Mapping[str, bytes] = field(default_factory=dict)
    tolerance: float = 1e-4
    shares: Mapping[str, float] = field(default_factory=dict)
    says: Callable[[Sequence[Any]], list[str]] | None = None


def besides_ids(inputs: Mapping[str, T]) -> dict[str, T]:
    """What a reader does not make of texts."""
    return {n: x for n, x in inputs.items() if n not in ("source", "source_lengths")}
