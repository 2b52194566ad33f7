"""Tokenizers learned from pairs of texts."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from s2s_zoo.data.pairs import Pair, PairSequence
from s2s_zoo.data.sentencepiece_model import Kind
from s2s_zoo.data.stored import digest, stored_folder
from s2s_zoo.data.token_store import STORED_FROM
from s2s_zoo.data.tokenizer import Tokenizer, read_tokenizer

_VERSION = "tokenizer 1"
_FILE = "tokenizer.model"


def learn_tokenizer(
    pairs: Sequence[Pair],
    sides: Sequence[str],
    vocabulary: int,
    kind: Kind,
    byte_fallback: bool = False,
) -> Tokenizer:
    """A tokenizer learned from pairs: that of many pairs comes from the cache.

    Args:
        pairs: the more the slower; from `STORED_FROM` on the tokenizer is kept, under
            a key of their identity and of the settings.
        sides: "source", "target" or both.
        vocabulary: as of `Tokenizer.train`.
        kind: likewise.
        byte_fallback: likewise.

    Raises:
        UserError: as `Tokenizer.train`, or the cache cannot be written.
    """

    def learn() -> Tokenizer:
        return Tokenizer.train(_texts(pairs, sides), vocabulary, kind, byte_fallback)

    if not isinstance(pairs, PairSequence) or len(pairs) < STORED_FROM:
        return learn()

    def fill(folder: Path) -> None:
        (folder / _FILE).write_bytes(learn().model)

    settings = repr((tuple(sides), vocabulary, kind, byte_fallback))
    key = digest(_VERSION, pairs.identity, settings)
    return read_tokenizer(stored_folder("tokenizers", key, fill) / _FILE)


def _texts(pairs: Sequence[Pair], sides: Sequence[str]) -> Iterator[str]:
    for pair in pairs:
        for side in sides:
            yield getattr(pair, side)
