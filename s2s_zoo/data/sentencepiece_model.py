"""What a SentencePiece model holds, read without SentencePiece.

The numbers are those of `sentencepiece_model.proto`
(https://github.com/google/sentencepiece).
"""

import functools
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.protobuf import message_fields
from s2s_zoo.errors import UserError

Kind = Literal["unigram", "bpe", "word", "char"]
"""How text is cut; from 1 on, the numbers of `model_type`."""

_Fields = dict[int, int | bytes]

_MODEL_TYPE = 3
_SPACES_AFTER_WORDS = 24


class PieceType(IntEnum):
    """What a piece stands for."""

    NORMAL = 1
    UNKNOWN = 2
    CONTROL = 3
    USER_DEFINED = 4
    UNUSED = 5
    BYTE = 6


@dataclass(frozen=True)
class Normalization:
    """How text is changed before it is cut.

    Attributes:
        units: double array (Yata et al., 2007) of the texts that are replaced, as
            darts-clone writes it; empty where none are.
        replacements: what they are replaced by: UTF-8, each ended by a zero byte. The
            values of the double array are places in here.
        dummy_prefix: a space is put before the text.
        collapse_spaces: spaces around the text go, and so do all but one in a row.
        escape_spaces: spaces are written as `▁`.
    """

    units: NDArray[np.uint32]
    replacements: bytes
    dummy_prefix: bool
    collapse_spaces: bool
    escape_spaces: bool


@dataclass(frozen=True)
class SentencePieceModel:
    """A SentencePiece model.

    Attributes:
        kind: how it cuts text.
        ids: id of each piece that stands for text.
        user_defined: ids of those that are one piece whatever is around them.
        unused: ids of those that only merge into others.
        spaces_after_words: whether spaces are cut with the word before them.
        scores: (V,) of all pieces; 0 where a piece has none.
        byte_ids: ids of the bytes 0 to 255, where unknown characters become bytes.
        normalization: what happens before.
    """

    kind: Kind
    ids: dict[str, int]
    user_defined: dict[str, int]
    unused: dict[str, int]
    spaces_after_words: bool
    scores: NDArray[np.float32]
    byte_ids: tuple[int, ...]
    normalization: Normalization

    def check_for_graph(self) -> None:
        """Refuse what no graph can do to a text.

        Raises:
            UserError: it puts spaces after words, or merges by pieces that are unused.
        """
        if self.spaces_after_words:
            raise UserError(
                "A tokenizer that puts spaces after words (treat_whitespace_as_suffix) "
                "cannot become part of a graph"
            )
        if self.kind == "bpe" and self.unused:
            raise UserError(
                "A bpe tokenizer with unused pieces cannot become part of a graph. "
                f"Received: {', '.join(map(repr, [*self.unused][:5]))}"
            )


@functools.lru_cache(maxsize=16)
def read_sentencepiece_model(model: bytes) -> SentencePieceModel:
    """What the bytes of a model say.

    Raises:
        ValueError: they are damaged.
    """
    fields = list(message_fields(model))
    pieces = [_Piece.read(value) for number, value in fields if number == 1]
    trainer = _message(fields, 2)

    def ids(wanted: PieceType) -> dict[str, int]:
        return {p.text: i for i, p in enumerate(pieces) if p.type == wanted}

    return SentencePieceModel(
        kind=_kind(_number(trainer, _MODEL_TYPE, 1)),
        ids=ids(PieceType.NORMAL),
        user_defined=ids(PieceType.USER_DEFINED),
        unused=ids(PieceType.UNUSED),
        spaces_after_words=bool(_number(trainer, _SPACES_AFTER_WORDS, 0)),
        scores=np.array([piece.score for piece in pieces], np.float32),
        byte_ids=tuple(i for _, i in sorted(ids(PieceType.BYTE).items())),
        normalization=_normalization(_message(fields, 3)),
    )


@dataclass(frozen=True)
class _Piece:
    text: str
    score: np.float32
    type: int

    @classmethod
    def read(cls, message: int | bytes) -> "_Piece":
        if not isinstance(message, bytes):
            raise ValueError("a piece is no message")
        found = dict(message_fields(message))
        (score,) = np.frombuffer(_content(found, 2, bytes(4)), "<f4")
        kind = _number(found, 3, PieceType.NORMAL)
        return cls(_content(found, 1).decode("utf-8"), score, kind)


def _kind(number: int) -> Kind:
    kinds = get_args(Kind)
    if not 1 <= number <= len(kinds):
        raise ValueError(f"model type {number}")
    found: Kind = kinds[number - 1]
    return found


def _number(fields: _Fields, number: int, default: int) -> int:
    value = fields.get(number, default)
    if not isinstance(value, int):
        raise ValueError(f"field {number} is no integer")
    return value


def _content(fields: _Fields, number: int, default: bytes = b"") -> bytes:
    value = fields.get(number, default)
    if not isinstance(value, bytes):
        raise ValueError(f"field {number} is no string")
    return value


def _message(fields: list[tuple[int, int | bytes]], number: int) -> _Fields:
    """The fields of all messages with this number; the last of each counts."""
    return dict(
        field
        for n, message in fields
        if n == number and isinstance(message, bytes)
        for field in message_fields(message)
    )


def _normalization(spec: _Fields) -> Normalization:
    charsmap = _content(spec, 2)
    size = int.from_bytes(charsmap[:4], "little")
    return Normalization(
        units=np.frombuffer(charsmap[4 : 4 + size], "<u4"),
        replacements=charsmap[4 + size :],
        dummy_prefix=bool(_number(spec, 3, 1)),
        collapse_spaces=bool(_number(spec, 4, 1)),
        escape_spaces=bool(_number(spec, 5, 1)),
    )
