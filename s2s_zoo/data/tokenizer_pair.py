"""The tokenizers of pairs of texts: one for each side, or the same one for both."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

from s2s_zoo.data.tokenizer import Tokenizer
from s2s_zoo.errors import UserError

SOURCE, TARGET, JOINT = "source.model", "target.model", "joint.model"


@dataclass(frozen=True)
class TokenizerPair:
    """The tokenizers of both sides; one object where they are joint."""

    source: Tokenizer
    target: Tokenizer

    @classmethod
    def from_assets(cls, assets: Mapping[str, bytes]) -> Self:
        """What `assets` gave.

        Raises:
            UserError: one is missing, or damaged.
        """
        found = {n: Tokenizer.from_bytes(assets[n], n) for n in sorted(assets)}
        if set(found) == {JOINT}:
            return cls(found[JOINT], found[JOINT])
        if set(found) == {SOURCE, TARGET}:
            return cls(found[SOURCE], found[TARGET])
        raise UserError(
            f"The tokenizers are {JOINT}, or {SOURCE} and {TARGET}. "
            f"Received: {', '.join(found)}"
        )

    @property
    def is_joint(self) -> bool:
        return self.source == self.target

    @property
    def assets(self) -> dict[str, bytes]:
        """The SentencePiece models, by the names of their files."""
        if self.is_joint:
            return {JOINT: self.source.model}
        return {SOURCE: self.source.model, TARGET: self.target.model}
