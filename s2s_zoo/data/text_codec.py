"""Whole texts to the token ids that an encoder reads, cut where they are too long."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError
from s2s_zoo.hub import keras_hub, load, tokenizer_assets, tokenizer_from_assets
from s2s_zoo.vocabulary import END

MODEL = "tokens.model"


class TextCodec(Protocol):
    """Turns texts into ids, its special ones among them."""

    @property
    def size(self) -> int:
        """V, the number of ids."""

    @property
    def assets(self) -> dict[str, bytes]:
        """Its files by name."""

    def encode(self, texts: Sequence[str], longest: int) -> list[NDArray[np.int32]]:
        """The ids of each text, at most `longest`."""

    def encode_randomly(
        self, texts: Sequence[str], longest: int, dropout: float, seeds: Sequence[str]
    ) -> list[NDArray[np.int32]]:
        """As `encode`, of texts cut at random, see `Tokenizer.encode_randomly`.

        Raises:
            UserError: its texts have one cut.
        """


@dataclass(frozen=True)
class PieceCodec:
    """Pieces of a SentencePiece model, with its end behind them.

    Attributes:
        tokenizer: cuts texts.
    """

    tokenizer: Tokenizer

    @property
    def size(self) -> int:
        return self.tokenizer.size

    @property
    def assets(self) -> dict[str, bytes]:
        return {MODEL: self.tokenizer.model}

    @classmethod
    def from_assets(cls, assets: Mapping[str, bytes]) -> Self:
        """What `assets` gave.

        Raises:
            UserError: it is missing or damaged.
        """
        if MODEL not in assets:
            raise UserError(f"The tokenizer is {MODEL}. Received: {', '.join(assets)}")
        return cls(Tokenizer.from_bytes(assets[MODEL], MODEL))

    def encode(self, texts: Sequence[str], longest: int) -> list[NDArray[np.int32]]:
        return _ended(self.tokenizer.encode(texts), longest)

    def encode_randomly(
        self, texts: Sequence[str], longest: int, dropout: float, seeds: Sequence[str]
    ) -> list[NDArray[np.int32]]:
        return _ended(self.tokenizer.encode_randomly(texts, dropout, seeds), longest)


@dataclass(frozen=True)
class KerasHubCodec:
    """Tokens of a tokenizer of keras-hub, between its start and its end.

    Attributes:
        tokenizer: of keras-hub.
        assets: its files by name.
    """

    tokenizer: Any = field(repr=False, compare=False)
    assets: dict[str, bytes] = field(repr=False)

    @property
    def size(self) -> int:
        return int(self.tokenizer.vocabulary_size())

    @classmethod
    def of_preset(cls, preset: str) -> Self:
        """That of a keras-hub preset by name, or of a local preset directory."""
        found = load(keras_hub().tokenizers.Tokenizer, preset, "tokenizer")
        return cls(found, tokenizer_assets(found))

    @classmethod
    def from_assets(cls, assets: Mapping[str, bytes]) -> Self:
        """What `assets` gave.

        Raises:
            UserError: one is missing or damaged.
        """
        return cls(tokenizer_from_assets(assets), dict(assets))

    def encode(self, texts: Sequence[str], longest: int) -> list[NDArray[np.int32]]:
        ends = [self._special("start"), self._special("end")]
        room = longest - sum(map(len, ends))
        found = [np.asarray(self.tokenizer(text), np.int32)[:room] for text in texts]
        return [np.concatenate([ends[0], ids, ends[1]]) for ids in found]

    def encode_randomly(
        self, texts: Sequence[str], longest: int, dropout: float, seeds: Sequence[str]
    ) -> list[NDArray[np.int32]]:
        raise UserError(
            "task.subword_dropout is 0 for the tokenizers of keras-hub, which cut a "
            f"text in one way. Received: {dropout}"
        )

    def _special(self, name: str) -> NDArray[np.int32]:
        """The id of its start or its end, none where it has none."""
        found = getattr(self.tokenizer, f"{name}_token_id", None)
        return np.array([] if found is None else [found], np.int32)


def _ended(found: list[NDArray[np.int32]], longest: int) -> list[NDArray[np.int32]]:
    return [np.append(ids[: longest - 1], np.int32(END)) for ids in found]
